"""Stop criteria, which decide when to stop, and the reasons why training ended."""

import abc
import enum
import math
import numbers
from typing import Any, NamedTuple

from kcomponents._checks import fail, number, positive_int


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


# Prechelt's criteria for early stopping


class GeneralizationLoss(StopCriterion):
    """Stop when the validation error is `alpha` percent above its minimum so far.

    `GL(t) = 100 * (E(t) / min(E(1..t)) - 1)`, with the validation error `E`. Training
    stops when `GL(t) > alpha`. `GL` is a short name for this class, as in the paper.

    Args:
        alpha: Float above 0, in percent. Prechelt used 1 to 5.

    Raises:
        ValueError: If `alpha` is out of range; in `fit`, if the score is negative or is
            to be maximized.

    Example:
        >>> from kcomponents.callbacks import EarlyStopping, GeneralizationLoss
        >>> criterion = GeneralizationLoss(5)
        >>> stopper = EarlyStopping(criterion=criterion, restore_best_weights=True)

    Reference: Prechelt, "Early stopping - but when?", 1998,
    https://doi.org/10.1007/3-540-49430-8_3
    """

    STATE = ("least",)

    def __init__(self, alpha: float):
        self.alpha = number("alpha", alpha, 0, open_low=True)
        self.start("min")

    def __repr__(self):
        return f"GeneralizationLoss({self.alpha:g})"

    def start(self, mode: str) -> None:
        """Reset the minimum; raise if higher scores are better."""
        _needs_error(self, mode)
        self.least = math.inf

    def update(self, check: Check) -> bool:
        """Return whether to stop after this check."""
        return self.loss(check) > self.alpha

    def loss(self, check: Check) -> float:
        """Update the minimum and return the generalization loss, in percent."""
        if check.score < 0:
            fail(f"{self!r} needs scores of at least 0.", score=check.score)
        self.least = min(self.least, check.score)
        return 100 * _excess(check.score, self.least)


class ProgressQuotient(GeneralizationLoss):
    """Stop when the generalization loss is large relative to the training progress.

    `GL(t) / P(t) > alpha`, computed after every strip of `k` checks, with `GL(t)` as in
    `GeneralizationLoss`. The training progress is
    `P(t) = 1000 * (mean(L) / min(L) - 1)`, with the training losses `L` of the strip.
    `PQ` is a short name for this class, as in the paper.

    Args:
        alpha: Float above 0. Prechelt used 0.5 to 3.
        strip: Integer, number of checks in a strip. Defaults to 5.

    Raises:
        ValueError: If an argument is out of range; in `fit`, if the score is negative
            or is to be maximized, or if the logs lack the same metric on the training
            data.

    Example:
        >>> from kcomponents.callbacks import EarlyStopping, ProgressQuotient
        >>> criterion = ProgressQuotient(0.75)
        >>> stopper = EarlyStopping(criterion=criterion, restore_best_weights=True)

    Reference: Prechelt, "Early stopping - but when?", 1998,
    https://doi.org/10.1007/3-540-49430-8_3
    """

    STATE = ("least", "losses")

    def __init__(self, alpha: float, strip: int = 5):
        self.strip = positive_int("strip", strip)
        super().__init__(alpha)

    def __repr__(self):
        return f"ProgressQuotient({self.alpha:g}, strip={self.strip})"

    def start(self, mode: str) -> None:
        """Reset the minimum and the strip; raise if higher scores are better."""
        super().start(mode)
        self.losses = []

    def update(self, check: Check) -> bool:
        """Return whether to stop after this check."""
        loss = self.loss(check)
        if check.loss is None:
            fail(f"{self!r} needs the training loss in the logs.", loss=None)
        self.losses.append(check.loss)
        if len(self.losses) < self.strip:
            return False
        strip, self.losses = self.losses, []
        progress = 1000 * _excess(math.fsum(strip) / self.strip, min(strip))
        if progress == 0:
            return loss > 0
        return loss / progress > self.alpha


class SuccessiveIncreases(StopCriterion):
    """Stop when the score got worse in several strips in a row.

    `E(t) > E(t - k)` at the ends of `strips` successive strips of `k` checks. How much
    the error `E` increased does not matter. `UP` is a short name for this class, as in
    the paper.

    Args:
        strips: Integer, number of successive strips. Prechelt used 2 to 8. Defaults
            to 3.
        strip: Integer, number of checks in a strip. Defaults to 5.

    Raises:
        ValueError: If an argument is not a positive integer.

    Example:
        >>> from kcomponents.callbacks import EarlyStopping, SuccessiveIncreases
        >>> criterion = SuccessiveIncreases(3)
        >>> stopper = EarlyStopping(criterion=criterion, restore_best_weights=True)

    Reference: Prechelt, "Early stopping - but when?", 1998,
    https://doi.org/10.1007/3-540-49430-8_3
    """

    STATE = ("checks", "before", "worse")

    def __init__(self, strips: int = 3, strip: int = 5):
        self.strips = positive_int("strips", strips)
        self.strip = positive_int("strip", strip)
        self.start("min")

    def __repr__(self):
        return f"SuccessiveIncreases({self.strips}, strip={self.strip})"

    def start(self, mode: str) -> None:
        """Reset the counts."""
        self.sign = 1 if mode == "min" else -1
        self.checks, self.before, self.worse = 0, None, 0

    def update(self, check: Check) -> bool:
        """Return whether to stop after this check."""
        self.checks += 1
        if self.checks % self.strip:
            return False
        error = self.sign * check.score
        up = self.before is not None and error > self.before
        self.worse = self.worse + 1 if up else 0
        self.before = error
        return self.worse >= self.strips


# The names of the criteria in the paper.
GL, PQ, UP = GeneralizationLoss, ProgressQuotient, SuccessiveIncreases


def _needs_error(criterion, mode):
    if mode != "min":
        fail(f"{criterion!r} needs a score to minimize.", mode=mode)


def _excess(value, least):
    """Return by which fraction a value is above the minimum."""
    if value == least:
        return 0.0
    return value / least - 1 if least > 0 else math.inf


class StopReason(enum.Enum):
    """Why training ended, as found by `EarlyStopping`.

    - `END`: all epochs are finished.
    - `CRITERION`: the criterion stopped training, for example after `patience` epochs
      without improvement.
    - `THRESHOLD`: the score is better than `stopping_threshold`.
    - `DIVERGED`: the score is worse than `divergence_threshold`.
    - `NOT_FINITE`: the score is NaN or infinite.
    - `TIME`: `max_seconds` have passed.
    - `OTHER`: another callback stopped training.
    - `INTERRUPTED`: an exception or Ctrl-C ended training within `EarlyStopping.guard`.

    Example:
        >>> from kcomponents.callbacks import StopReason
        >>> StopReason.CRITERION.value
        'no improvement'
    """

    END = "finished all epochs"
    CRITERION = "no improvement"
    THRESHOLD = "passed the stopping threshold"
    DIVERGED = "passed the divergence threshold"
    NOT_FINITE = "the score is NaN or infinite"
    TIME = "the time limit was reached"
    OTHER = "another callback stopped training"
    INTERRUPTED = "training was interrupted"
