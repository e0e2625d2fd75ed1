"""When a trial is given up for others that do better."""

from kcomponents._check import one_of
from kcomponents.tuning._optional import optuna

PRUNERS = ("asha", "median", "none")
# Of so many epochs the mean is compared, so that one bad epoch ends nothing.
SMOOTHED = 3


def checked_pruner(pruner):
    """Return the name of a pruner, or one of Optuna's."""
    if pruner is None:
        return "none"
    if isinstance(pruner, optuna.pruners.BasePruner):
        return pruner
    return one_of("pruner", pruner, PRUNERS)


def made_pruner(pruner, epochs):
    """Return a pruner of Optuna that leaves slow starters some time, or None.

    What learns slowly at first, as with dropout or a small rate, may win in the end:
    the first look is at a ninth of the epochs, and not before the second.
    """
    first = max(2, epochs // 9)
    if pruner == "none":
        return None
    if pruner == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=first, reduction_factor=3
        )
    if pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=first)
    return pruner


def smoothed(curve):
    """Return the mean of the last epochs of a curve."""
    last = curve[-SMOOTHED:]
    return sum(last) / len(last)
