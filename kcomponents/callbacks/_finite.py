"""What is not finite in a training, and where it was seen first."""

import dataclasses
import math

import numpy as np
from keras import ops

from kcomponents.statistics import Statistic


@dataclasses.dataclass(frozen=True)
class Finding:
    """The first thing that was not finite.

    Args:
        what: `"loss"`, `"gradient"` or `"weight"`.
        path: Path of the variable, `None` for the loss.
        step: Int, counted over the `fit` from 1: the batch of a loss, the optimizer
            step of a gradient, the step by which a weight was seen; 0 for a weight
            from before training.
        epoch: Int, counted from 0.
        since: Int, the step at which a weight was last seen finite; `None` otherwise.
    """

    what: str
    path: str | None
    step: int
    epoch: int
    since: int | None = None

    def __str__(self):
        name = f"The {self.what}" + (f" of `{self.path}`" if self.path else "")
        if self.what == "weight":
            name = f"The weight `{self.path}`"
        return f"{name} was not finite {self._when()}, in epoch {self.epoch}."

    def _when(self):
        if self.what == "loss":
            return f"in batch {self.step}"
        if self.what == "gradient":
            return f"in step {self.step}"
        if self.step == 0:
            return "before training"
        return f"by step {self.step}, after step {self.since}"


def _step_unless_finite(value, step):
    return ops.where(ops.isfinite(value), math.inf, step)


LOSS = Statistic(
    "nonfinite_loss_batch",
    "losses",
    lambda view: _step_unless_finite(view.loss, view.step),
    "min",
)
GRADIENTS = Statistic(
    "nonfinite_gradient_step",
    "batch_gradients",
    lambda view: _step_unless_finite(view.squares, view.step),
    "min",
    per_variable=True,
)
SKIPPED = Statistic(
    "nonfinite_batches",
    "batch_gradients",
    lambda view: 1.0 - ops.cast(view.finite, "float32"),
)


def statistics(check):
    """List the statistics for what is to be checked."""
    chosen = {"loss": [LOSS], "gradients": [GRADIENTS, SKIPPED]}
    return [statistic for name in check for statistic in chosen.get(name, [])]


def found_in(reading, steps_before, window):
    """List what a reading shows not to be finite, the first first.

    Args:
        reading: `Reading` of the statistics above.
        steps_before: Int, steps of the optimizer before this `fit`.
        window: Int, how many batches make a step.
    """
    batch = reading.values.get(LOSS.name, {}).get("all", math.inf)
    steps = reading.values.get(GRADIENTS.name, {})
    path = min(steps, key=steps.get, default=None)
    step = steps.get(path, math.inf) - steps_before
    found = []
    if math.isfinite(step):
        found.append(Finding("gradient", path, int(step), reading.epoch))
    if math.isfinite(batch):
        # A loss is the cause of the gradient in the same step.
        place = 0 if (batch - 1) // window + 1 <= step else 1
        found.insert(place, Finding("loss", None, int(batch), reading.epoch))
    return found


def broken_weight(model):
    """Return the path of the first weight that is not finite, or None."""
    weights = [w for w in model.weights if "float" in str(w.dtype)]
    if not weights:
        return None
    finite = ops.stack([ops.all(ops.isfinite(w.value)) for w in weights])
    finite = np.asarray(ops.convert_to_numpy(finite))
    return None if finite.all() else weights[int(np.argmin(finite))].path
