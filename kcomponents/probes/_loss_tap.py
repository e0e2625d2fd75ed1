"""Loss tap: measures the loss of each batch in `compute_loss`."""

import warnings

from keras import ops

from kcomponents import _backends, _keras
from kcomponents.probes._tally import Tally
from kcomponents.probes._views import LossView
from kcomponents.statistics import Statistic

# On stateless backends the forward pass cannot read the optimizer's count of steps.
BATCHES = Statistic("batches", "losses", lambda view: 1.0)


class LossTap:
    """Adds the loss of each training batch to the tallies that `listeners` returns."""

    def __init__(self, model, shadow, listeners):
        self.listeners = listeners
        self.count = Tally({BATCHES: ()}, replicas=True)
        self.batches, self.in_python = 0, _backends.defers and not model.jit_compile
        shadow.cover(model, "compute_loss", self._cover)

    def _cover(self, original):
        def compute_loss(*args, **kwargs):
            loss = original(*args, **kwargs)
            if tallies := self.listeners("losses"):
                self._see(loss, tallies)
            return loss

        return compute_loss

    def _see(self, loss, tallies):
        if _backends.carries_state and not _keras.in_stateless_scope():
            warnings.warn(
                "The loss of this model cannot be measured: its `train_step` calls "
                "`compute_loss` outside of a `keras.StatelessScope`. Call "
                "`stateless_compute_loss` instead.",
                stacklevel=3,
            )
            return
        view = LossView(loss=ops.stop_gradient(loss), step=self._number())
        for tally in tallies:
            tally.add(view)

    def _number(self):
        """Count this batch and return its number; in Python, if that is possible."""
        self.batches += 1
        if self.in_python:
            return float(self.batches)
        [count] = self.count.variables
        number = count.value[0] + 1.0
        self.count.add(LossView(loss=0.0, step=number))
        return number
