"""Views of a training step: what statistics look at."""

import dataclasses
import functools
from typing import Any

import keras
from keras import ops


@dataclasses.dataclass
class View:
    """What a statistic sees; each statistic is measured once, whoever asks."""

    # Whether all it holds is a few numbers, which may be kept for a while.
    small = True

    def __post_init__(self):
        """Start without results."""
        self._results = {}

    def measured(self, statistic):
        """Return the statistic of this view."""
        if statistic not in self._results:
            self._results[statistic] = _in_float32(statistic.measure(self))
        return self._results[statistic]

    def once(self, reduce):
        """Return `reduce(self)`, computed once for all statistics that ask."""
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
        """The squared norm of all of them."""
        return ops.sum(self.squares)

    @functools.cached_property
    def finite(self):
        """Whether all of them are."""
        return ops.isfinite(self.total)


@dataclasses.dataclass
class ClippedView(View):
    """Gradients as they are applied, and what they were before clipping."""

    squares: Any
    unclipped: Any

    @functools.cached_property
    def total(self):
        """The squared norm of all of them."""
        return self.before if self.squares is self.unclipped else ops.sum(self.squares)

    @functools.cached_property
    def before(self):
        """The squared norm of all of them before clipping."""
        return ops.sum(self.unclipped)


@dataclasses.dataclass
class UpdateView(View):
    """Changes of the weights, the weights before, and whether there was a change."""

    squares: Any
    weights: Any
    applied: Any


@dataclasses.dataclass
class LossView(View):
    """The loss of one batch and the number of that batch, from 1."""

    loss: Any
    step: Any


@dataclasses.dataclass
class OutputView(View):
    """One call of a layer."""

    small = False

    given: Any
    outputs: Any
    activation: str
    axis: int
    layer: Any

    @functools.cached_property
    def inputs(self):
        """What the layer got; of a fused maxout its pieces."""
        return ops.stop_gradient(self.given)


def _in_float32(value):
    # Where operations are called from Python, even those that do nothing cost.
    if ops.is_tensor(value):
        if keras.backend.standardize_dtype(value.dtype) == "float32":
            return value
    return ops.cast(ops.convert_to_tensor(value), "float32")
