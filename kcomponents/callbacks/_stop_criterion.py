"""StopCriterion: decides when to stop; patience is the usual one."""

import abc
import numbers
from typing import Any, NamedTuple

from kcomponents._check import fail


class Check(NamedTuple):
    """One check of the score during training.

    Args:
        score: Float, the score. NaN and infinities are replaced by the worst infinity.
        loss: Float, the same metric on the training data, or `None` if not in the logs.
        improved: Whether the score improves on the best one by more than `min_delta`.
        resets: Whether patience restarts: the score improved and beats the baseline.
    """

    score: float
    loss: float | None
    improved: bool
    resets: bool


class StopCriterion(abc.ABC):
    """Base class of stop criteria: decides after each check whether to stop.

    A subclass implements `start(mode)`, which resets its attributes, and
    `update(check)`. `STATE` names the attributes to save and restore when a run is
    resumed. A check has the attributes

    - `score`: Float, the score; minus or plus infinity instead of NaN.
    - `loss`: Float, the same metric on the training data, or `None`.
    - `improved`: Boolean, whether the score is a new best score.
    - `resets`: Boolean, whether the score improved and also beats the baseline.

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

    STATE: tuple[str, ...] = ()

    @abc.abstractmethod
    def start(self, mode: str) -> None:
        """Reset the criterion at the start of training.

        Args:
            mode: `"min"` if lower scores are better, else `"max"`.
        """

    @abc.abstractmethod
    def update(self, check: Check) -> bool:
        """Return whether to stop after this check.

        Args:
            check: The check, with `score`, `loss`, `improved` and `resets`.
        """

    def get_state(self) -> dict[str, Any]:
        """Return the attributes named in `STATE`, as a dict of plain values."""
        state = {name: getattr(self, name) for name in self.STATE}
        return {n: list(v) if isinstance(v, list) else v for n, v in state.items()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the attributes that `get_state` returned."""
        for name in self.STATE:
            setattr(self, name, state[name])


class Patience(StopCriterion):
    """Stop after `n` checks in a row without improvement.

    Args:
        n: Integer, number of checks without improvement after which to stop. 0 is the
            same as 1.

    Raises:
        ValueError: If `n` is not an integer of at least 0.

    Example:
        >>> from kcomponents.callbacks import EarlyStopping, Patience
        >>> stopper = EarlyStopping(criterion=Patience(3))
    """

    STATE = ("wait",)

    def __init__(self, n: int):
        if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 0:
            fail("`patience` must be an integer of at least 0.", patience=n)
        self.n = n
        self.start("min")

    def __repr__(self):
        return f"Patience({self.n})"

    def start(self, mode: str) -> None:
        """Reset the count."""
        self.wait = 0

    def update(self, check: Check) -> bool:
        """Return whether to stop after this check."""
        self.wait = 0 if check.resets else self.wait + 1
        return not check.improved and self.wait >= self.n
