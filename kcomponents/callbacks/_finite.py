"""The first NaN or infinity in a run: how to detect it and how to describe it."""

import dataclasses
import math

import numpy as np
from keras import ops

from kcomponents.statistics import Statistic


@dataclasses.dataclass(frozen=True)
class Finding:
    """The first NaN or infinity of a run.

    Args:
        what: String, `"loss"`, `"gradient"` or `"weight"`.
        path: String, path of the variable. `None` for the loss.
        step: Integer, counted from 1 over the whole `fit`: for a loss the batch, for a
            gradient the optimizer step, for a weight the step after which it was found,
            or 0 if it was found before training.
        epoch: Integer, counted from 0.
        since: Integer, for a weight the last step at which it was finite. Otherwise
            `None`.
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
        return f"{name} was NaN or infinite {self._when()}."

    def _when(self):
        if self.step == 0:
            return "before training"
        epoch = f"of `fit` (epoch {self.epoch + 1})"
        if self.what == "loss":
            return f"in batch {self.step} {epoch}"
        if self.what == "gradient":
            return f"in step {self.step} {epoch}"
        return f"after step {self.step} {epoch}, but finite after step {self.since}"


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
    """Return the statistics that the checks need."""
    chosen = {"loss": [LOSS], "gradients": [GRADIENTS, SKIPPED]}
    return [statistic for name in check for statistic in chosen.get(name, [])]


def found_in(reading, steps_before, window):
    """Return the findings in a reading, the earliest first.

    Args:
        reading: `Reading` of the statistics above.
        steps_before: Integer, optimizer steps before this `fit`.
        window: Integer, batches per optimizer step.
    """
    batch = reading.values.get(LOSS.name, {}).get("all", math.inf)
    steps = reading.values.get(GRADIENTS.name, {})
    path = min(steps, key=steps.get, default=None)
    step = steps.get(path, math.inf) - steps_before
    found = []
    if math.isfinite(step):
        found.append(Finding("gradient", path, int(step), reading.epoch))
    if math.isfinite(batch):
        # A loss comes before the gradient of the same step, as it is the cause.
        place = 0 if (batch - 1) // window + 1 <= step else 1
        found.insert(place, Finding("loss", None, int(batch), reading.epoch))
    return found


def broken_weight(model):
    """Return the path of the first weight with NaN or infinity, or None."""
    weights = [w for w in model.weights if "float" in str(w.dtype)]
    if not weights:
        return None
    finite = ops.stack([ops.all(ops.isfinite(w.value)) for w in weights])
    finite = np.asarray(ops.convert_to_numpy(finite))
    return None if finite.all() else weights[int(np.argmin(finite))].path
