"""Views of a training step: what statistics look at."""

import dataclasses
from typing import Any

from keras import ops


@dataclasses.dataclass
class View:
    """What a statistic sees; each statistic is measured once, whoever asks."""

    def __post_init__(self):
        """Start without results."""
        self._results = {}

    def measured(self, statistic):
        """Return the statistic of this view."""
        if statistic not in self._results:
            found = ops.convert_to_tensor(statistic.measure(self))
            self._results[statistic] = ops.cast(found, "float32")
        return self._results[statistic]


@dataclasses.dataclass
class GradientView(View):
    """Gradients of one optimizer step."""

    squares: Any
    step: Any

    def __post_init__(self):
        """Sum up once."""
        super().__post_init__()
        self.total = ops.sum(self.squares)
        self.finite = ops.isfinite(self.total)


@dataclasses.dataclass
class ClippedView(View):
    """Gradients as they are applied, and the squared norm of all before clipping."""

    squares: Any
    before: Any

    def __post_init__(self):
        """Sum up once."""
        super().__post_init__()
        self.total = ops.sum(self.squares)


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

    inputs: Any
    outputs: Any
    activation: str
    axis: int
    layer: Any
