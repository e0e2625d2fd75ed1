"""Statistic: what a probe measures in each training step, and how steps are merged."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from keras import ops

from kcomponents._checks import one_of

__all__ = ["Statistic"]

# Merge → initial value.
STARTS = {
    "sum": 0.0,
    "max": -math.inf,
    "min": math.inf,
    "last": 0.0,
    "last_finite": math.nan,
}
# The value is that of one step, not made of all steps.
OF_ONE_STEP = {"last", "last_finite"}
SOURCES = (
    "gradients",
    "batch_gradients",
    "clipped_gradients",
    "updates",
    "losses",
    "outputs",
)


@dataclasses.dataclass(frozen=True)
class Statistic:
    """A scalar or vector that a probe measures in each training step.

    Args:
        name: String, the key of the statistic in a reading.
        source: String, where to measure:

            - `"gradients"`: before clipping, without the loss scale, summed over
              replicas, averaged over accumulated batches.
            - `"batch_gradients"`: the same for each batch, before accumulation.
            - `"clipped_gradients"`: after clipping, as they are applied.
            - `"updates"`: the changes of the weights.
            - `"losses"`: the loss of each batch.
            - `"outputs"`: the outputs of layers with an activation function.
        measure: Function that takes a view of the step, described below, and returns
            a scalar or a vector. Write it with `keras.ops`.
        merge: String, how to merge steps: `"sum"`, `"max"`, `"min"`, `"last"`, or
            `"last_finite"` for the last number that is not NaN or infinite. Before the
            first step the value is 0, minus infinity, infinity, 0 or NaN. Defaults to
            `"sum"`.
        per_variable: Boolean, whether `measure` returns a vector with one number for
            each variable of the optimizer. A reading then has one entry per variable
            path. Defaults to `False`.

    Raises:
        ValueError: If `source` or `merge` is unknown.

    The function `measure` of a statistic takes one view of the step. A view has these
    attributes, which are computed once for all statistics:

    | source | view | attributes |
    | --- | --- | --- |
    | `"gradients"` | `GradientView` | `squares`, `total`, `finite`, `step` |
    | `"batch_gradients"` | `GradientView` | `squares`, `total`, `finite`, `step` |
    | `"clipped_gradients"` | `ClippedView` | `squares`, `total`, `before` |
    | `"updates"` | `UpdateView` | `squares`, `weights`, `applied` |
    | `"losses"` | `LossView` | `loss`, `step` |
    | `"outputs"` | `OutputView` | `inputs`, `outputs`, `activation`, `axis`, `layer` |

    - `squares`: vector, the squared norm of each variable's gradient or update, in the
      order of the optimizer's variables. `weights`: the same for the old weights.
    - `total`: scalar, the sum of `squares`. `before`: the same before clipping.
    - `finite`: boolean scalar, whether `total` is finite.
    - `step`: scalar, the number of the optimizer step, or of the batch for losses.
    - `applied`: scalar, 1 if the optimizer changed the weights in this step, else 0.
    - `inputs`, `outputs`: tensors of the layer's call. `axis`: the axis of its units.

    Example:
        >>> from kcomponents.probes import Statistic
        >>> largest = Statistic("largest", "gradients", lambda v: v.total, "max")
        >>> largest.merge
        'max'
    """

    name: str
    source: str
    measure: Callable[[Any], Any]
    merge: str = "sum"
    per_variable: bool = False

    def __post_init__(self):
        """Check `source` and `merge`."""
        one_of("source", self.source, SOURCES)
        one_of("merge", self.merge, STARTS)


def join(merge, old, new, library=ops):
    """Merge two steps; `library` is `keras.ops` or numpy."""
    if merge == "last":
        return new
    if merge == "last_finite":
        return library.where(library.isfinite(new), new, old)
    functions = {"sum": "add", "max": "maximum", "min": "minimum"}
    return getattr(library, functions[merge])(old, new)


def join_all(merge, steps, library=ops):
    """Merge many steps along the first axis."""
    if merge == "last":
        return steps[-1]
    if merge == "last_finite":
        return _last_finite(steps, library)
    return getattr(library, merge)(steps, axis=0)


def _last_finite(steps, library):
    shape = (-1,) + (1,) * (len(steps.shape) - 1)
    numbers = library.reshape(library.arange(steps.shape[0]), shape)
    finite = library.where(library.isfinite(steps), numbers, -1)
    # Without a finite number the first one, which `join` leaves out.
    last = library.maximum(library.max(finite, axis=0, keepdims=True), 0)
    return library.take_along_axis(steps, last, axis=0)[0]
