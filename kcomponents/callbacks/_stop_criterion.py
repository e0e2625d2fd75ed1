"""StopCriterion: says when to stop; patience is the usual one."""

import abc
import numbers
from typing import NamedTuple

from kcomponents._check import fail


class Check(NamedTuple):
    """One look at the score of a model in training.

    Args:
        score: Float; one that is not finite comes as the worst, an infinity.
        loss: Float, the same of the training data, or `None` where there is none.
        improved: Whether the score is a new best one, by more than `min_delta`.
        resets: Whether that starts a new count: it beats the baseline too.
    """

    score: float
    loss: float | None
    improved: bool
    resets: bool


class StopCriterion(abc.ABC):
    """Base: is told each check of a training in turn and says when to stop.

    A criterion gives `update(check)`, sets what it counts in `start(mode)`, and names
    that in `STATE`, so that it can be saved and taken up again. A check has `score`,
    `loss` (of training, or `None`), `improved` (whether the score is a new best one)
    and `resets` (whether it beats the baseline too).

    Example:
        >>> from kcomponents.callbacks import EarlyStopping, StopCriterion
        >>> class Worse(StopCriterion):
        ...     def start(self, mode):
        ...         pass
        ...
        ...     def update(self, check):
        ...         return not check.improved
        >>> stopper = EarlyStopping(criterion=Worse())
    """

    STATE = ()

    @abc.abstractmethod
    def start(self, mode):
        """Forget what was told; lower scores are better in mode `"min"`."""

    @abc.abstractmethod
    def update(self, check):
        """Return whether to stop after this check."""

    def get_state(self):
        """Return what was counted, as a dict of plain values."""
        state = {name: getattr(self, name) for name in self.STATE}
        return {n: list(v) if isinstance(v, list) else v for n, v in state.items()}

    def set_state(self, state):
        """Go on from what `get_state` returned."""
        for name in self.STATE:
            setattr(self, name, state[name])


class Patience(StopCriterion):
    """Stop after `n` checks without a better score.

    Args:
        n: Integer, how many checks to wait. 0 and 1 are alike: the first one that is
            no better ends training.

    Raises:
        ValueError: If `n` is no integer of at least 0.

    Example:
        >>> from kcomponents.callbacks import EarlyStopping, Patience
        >>> stopper = EarlyStopping(criterion=Patience(3))
    """

    STATE = ("wait",)

    def __init__(self, n):
        if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 0:
            fail("`patience` must be an integer of at least 0.", patience=n)
        self.n = n
        self.start("min")

    def __repr__(self):
        return f"Patience({self.n})"

    def start(self, mode):
        """Forget what was told."""
        self.wait = 0

    def update(self, check):
        """Return whether to stop after this check."""
        self.wait = 0 if check.resets else self.wait + 1
        return not check.improved and self.wait >= self.n
