"""Views of a training step: the arguments of statistics."""

import dataclasses
import functools
from typing import Any

import keras
from keras import ops


@dataclasses.dataclass
class View:
    """The argument of a statistic; results are cached for all tallies."""

    # Whether the view is only a few numbers, so that it can be kept for later.
    small = True

    def __post_init__(self):
        """Create the cache of results."""
        self._results = {}

    def measured(self, statistic):
        """Return the value of a statistic for this view, computed once."""
        if statistic not in self._results:
            self._results[statistic] = _in_float32(statistic.measure(self))
        return self._results[statistic]

    def once(self, reduce):
        """Return `reduce(self)`, computed once for all statistics."""
        if reduce not in self._results:
            self._results[reduce] = reduce(self)
        return self._results[reduce]


@dataclasses.dataclass
class GradientView(View):
    """Gradients of one optimizer step."""

    squares: Any
    step: Any

    @functools.cached_property
    def total(self):
        """The squared norm of all gradients."""
        return ops.sum(self.squares)

    @functools.cached_property
    def finite(self):
        """Whether all gradients are finite."""
        return ops.isfinite(self.total)


@dataclasses.dataclass
class ClippedView(View):
    """Gradients after clipping, and before."""

    squares: Any
    unclipped: Any

    @functools.cached_property
    def total(self):
        """The squared norm of all gradients after clipping."""
        return self.before if self.squares is self.unclipped else ops.sum(self.squares)

    @functools.cached_property
    def before(self):
        """The squared norm of all gradients before clipping."""
        return ops.sum(self.unclipped)


@dataclasses.dataclass
class UpdateView(View):
    """Updates of the weights, the weights before, and whether a step was applied."""

    squares: Any
    weights: Any
    applied: Any


@dataclasses.dataclass
class LossView(View):
    """The loss of one batch, and the number of the batch, counted from 1."""

    loss: Any
    step: Any


@dataclasses.dataclass
class OutputView(View):
    """One call of a layer."""

    small = False

    inputs_with_gradient: Any
    outputs: Any
    activation: str
    axis: int
    layer: Any

    @functools.cached_property
    def inputs(self):
        """The layer's first input, or the pieces of a fused maxout."""
        return ops.stop_gradient(self.inputs_with_gradient)


# Source → class, for views that are only a few numbers.
SMALL_VIEWS = {
    "gradients": GradientView,
    "batch_gradients": GradientView,
    "clipped_gradients": ClippedView,
    "updates": UpdateView,
    "losses": LossView,
}


def _in_float32(value):
    # Even an operation without effect costs time in eager mode.
    if ops.is_tensor(value):
        if keras.backend.standardize_dtype(value.dtype) == "float32":
            return value
    return ops.cast(ops.convert_to_tensor(value), "float32")
