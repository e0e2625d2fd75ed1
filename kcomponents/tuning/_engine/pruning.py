"""Pruners: when to stop a trial because others do better."""

from kcomponents._checks import one_of
from kcomponents._optional import optuna

PRUNERS = ("asha", "median", "none")
# Trials are compared by their mean over this many epochs: one bad epoch is no reason
# to prune.
SMOOTHED = 3


def checked_pruner(pruner):
    """Return a pruner's name or a pruner of Optuna; raise for anything else."""
    if pruner is None:
        return "none"
    if isinstance(pruner, optuna.pruners.BasePruner):
        return pruner
    return one_of("pruner", pruner, PRUNERS)


def made_pruner(pruner, epochs):
    """Return a pruner of Optuna, or None.

    Trials that learn slowly at first, for example with dropout or a small learning
    rate, may win in the end: the first check is after 1/9 of the epochs, but not before
    the second epoch.
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
    """Return the mean over the last epochs of a curve."""
    last = curve[-SMOOTHED:]
    return sum(last) / len(last)
