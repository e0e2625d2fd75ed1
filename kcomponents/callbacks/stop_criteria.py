"""Criteria of when to stop by Prechelt, for `EarlyStopping`."""

import math

from kcomponents._check import fail, number, positive_int
from kcomponents.callbacks._stop_criterion import StopCriterion


class GL(StopCriterion):
    """Stop when the generalization loss is above `alpha` percent.

    `GL(t) = 100 * (E(t) / min(E(1..t)) - 1)`, with the validation error `E`: how far
    it is above its least so far.

    Args:
        alpha: Number above 0, in percent. Prechelt used 1 to 5.

    Raises:
        ValueError: If `alpha` is out of range; in training, if the score is one to
            maximize or is negative.

    Example:
        >>> from kcomponents.callbacks import EarlyStopping, GL
        >>> stopper = EarlyStopping(criterion=GL(5), restore_best_weights=True)

    Reference: Prechelt, "Early stopping - but when?", 1998,
    https://doi.org/10.1007/3-540-49430-8_3
    """

    STATE = ("least",)

    def __init__(self, alpha):
        self.alpha = number("alpha", alpha, 0, open_low=True)
        self.start("min")

    def __repr__(self):
        return f"GL({self.alpha:g})"

    def start(self, mode):
        """Forget what was told."""
        _needs_error(self, mode)
        self.least = math.inf

    def update(self, check):
        """Return whether to stop after this check."""
        return self.loss(check) > self.alpha

    def loss(self, check):
        """Return the generalization loss, in percent, and take note of the check."""
        if check.score < 0:
            rule = f"{self!r} needs scores of at least 0, being about their ratios."
            fail(rule, score=check.score)
        self.least = min(self.least, check.score)
        return 100 * _excess(check.score, self.least)


class PQ(GL):
    """Stop when generalization loss is large against what training still gains.

    `GL(t) / P(t) > alpha` at the end of a strip of `k` checks, with the training
    progress `P(t) = 1000 * (mean(L) / min(L) - 1)` of the training losses `L` in the
    strip.

    Args:
        alpha: Number above 0. Prechelt used 0.5 to 3.
        strip: Integer, how many checks make a strip. Defaults to 5.

    Raises:
        ValueError: If an argument is out of range; in training, if the score is one to
            maximize or is negative, or has no counterpart in training.

    Example:
        >>> from kcomponents.callbacks import EarlyStopping, PQ
        >>> stopper = EarlyStopping(criterion=PQ(0.75), restore_best_weights=True)

    Reference: Prechelt, "Early stopping - but when?", 1998,
    https://doi.org/10.1007/3-540-49430-8_3
    """

    STATE = ("least", "losses")

    def __init__(self, alpha, strip=5):
        self.strip = positive_int("strip", strip)
        super().__init__(alpha)

    def __repr__(self):
        return f"PQ({self.alpha:g}, strip={self.strip})"

    def start(self, mode):
        """Forget what was told."""
        super().start(mode)
        self.losses = []

    def update(self, check):
        """Return whether to stop after this check."""
        loss = self.loss(check)
        if check.loss is None:
            fail(f"{self!r} needs the loss of training in the logs.", loss=None)
        self.losses.append(check.loss)
        if len(self.losses) < self.strip:
            return False
        mean, self.losses = self.losses, []
        progress = 1000 * _excess(math.fsum(mean) / self.strip, min(mean))
        if progress == 0:
            return loss > 0
        return loss / progress > self.alpha


class UP(StopCriterion):
    """Stop when the score became worse in so many strips in a row.

    `E(t) > E(t - k)` at the ends of `strips` successive strips of `k` checks, however
    much worse it became.

    Args:
        strips: Integer, how many strips. Prechelt used 2 to 8. Defaults to 3.
        strip: Integer, how many checks make a strip. Defaults to 5.

    Raises:
        ValueError: If an argument is not a positive integer.

    Example:
        >>> from kcomponents.callbacks import UP, EarlyStopping
        >>> stopper = EarlyStopping(criterion=UP(3), restore_best_weights=True)

    Reference: Prechelt, "Early stopping - but when?", 1998,
    https://doi.org/10.1007/3-540-49430-8_3
    """

    STATE = ("checks", "before", "worse")

    def __init__(self, strips=3, strip=5):
        self.strips = positive_int("strips", strips)
        self.strip = positive_int("strip", strip)
        self.start("min")

    def __repr__(self):
        return f"UP({self.strips}, strip={self.strip})"

    def start(self, mode):
        """Forget what was told."""
        self.sign = 1 if mode == "min" else -1
        self.checks, self.before, self.worse = 0, None, 0

    def update(self, check):
        """Return whether to stop after this check."""
        self.checks += 1
        if self.checks % self.strip:
            return False
        error = self.sign * check.score
        up = self.before is not None and error > self.before
        self.worse = self.worse + 1 if up else 0
        self.before = error
        return self.worse >= self.strips


def _needs_error(criterion, mode):
    if mode != "min":
        rule = f"{criterion!r} needs an error, a score to minimize."
        fail(rule, mode=mode)


def _excess(value, least):
    """Return by which share a value is above the least one."""
    if value == least:
        return 0.0
    return value / least - 1 if least > 0 else math.inf
