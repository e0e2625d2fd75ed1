"""Statistics: what a probe measures in a training step, and how steps add up.

A statistic sees one view of a step. Each view offers small things that are computed
once for all who ask:

| source | view | attributes |
| --- | --- | --- |
| `"gradients"` | `GradientView` | `squares`, `total`, `finite`, `step` |
| `"batch_gradients"` | `GradientView` | `squares`, `total`, `finite`, `step` |
| `"clipped_gradients"` | `ClippedView` | `squares`, `total`, `before` |
| `"updates"` | `UpdateView` | `squares`, `weights`, `applied` |
| `"losses"` | `LossView` | `loss`, `step` |
| `"outputs"` | `OutputView` | `inputs`, `outputs`, `activation`, `axis`, `layer` |

`squares` holds the squared norm of each variable's gradient or update, in the order of
the optimizer's variables; `total` is their sum.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from keras import ops

from kcomponents._check import one_of

__all__ = ["Statistic"]

# Merge → the value to start from.
STARTS = {"sum": 0.0, "max": -math.inf, "min": math.inf, "last": 0.0}
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
    """A small number, or one per variable or unit, measured in each training step.

    Args:
        name: String, under which a reading gives it.
        source: What it looks at: `"gradients"` as they come (without loss scale, the
            sum over replicas, the mean over accumulated steps), `"batch_gradients"`,
            the same before they are accumulated, `"clipped_gradients"` as they are
            applied, `"updates"` of the weights, `"losses"`, or `"outputs"` of layers
            with an activation function.
        measure: Function of one view of the step that returns a scalar or a vector,
            written with `keras.ops`.
        merge: How steps add up: `"sum"`, `"max"`, `"min"` or `"last"`. Of no step at
            all that is 0, minus infinity, infinity and 0. Defaults to `"sum"`.
        per_variable: Whether the vector holds a number for each variable of the
            optimizer, so that a reading names them. Defaults to `False`.

    Raises:
        ValueError: If `source` or `merge` is unknown.

    Example:
        >>> from kcomponents.statistics import Statistic
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
        """Refuse words that no tap knows."""
        one_of("source", self.source, SOURCES)
        one_of("merge", self.merge, STARTS)


def join(merge, old, new, library=ops):
    """Return what two steps become; `library` is `keras.ops` or numpy."""
    functions = {"sum": "add", "max": "maximum", "min": "minimum"}
    return new if merge == "last" else getattr(library, functions[merge])(old, new)


def join_all(merge, steps, library=ops):
    """Return what many steps, the first axis, become."""
    return steps[-1] if merge == "last" else getattr(library, merge)(steps, axis=0)
