"""Pairs of trainings from the same start, and what several of them show."""

import dataclasses
import math

import numpy as np

from kcomponents.treatment._runs import SKILL

# What is known of the standard deviation of differences before any pair: so much of
# the scale, with the weight of so many degrees of freedom. Two pairs alone may agree by
# chance.
SPREAD, FREEDOM = 0.05, 3
# The 97.5 % quantile of Student's t, for 4, 5, 6, ... degrees of freedom.
STUDENT = 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179


@dataclasses.dataclass(frozen=True)
class Pair:
    """The results of two trainings from the same start, without and with a change."""

    metric: str
    before: float
    after: float
    gain: float
    scale: float
    time: float
    curves: tuple

    @classmethod
    def of(cls, base, run, name, rises, epochs):
        """Return the results of two runs.

        Args:
            base: `Run` without the change.
            run: `Run` with it.
            name: String, name of a metric in the logs, or `"skill"`.
            rises: Boolean, whether more is better.
            epochs: Integer, after how many epochs, or `None` for the end.
        """
        if name == SKILL:
            before, after = base.skill(epochs), run.skill(epochs)
            curves = tuple(tuple(_skill_curve(r, epochs)) for r in (base, run))
        else:
            curves = tuple(tuple(r.curve(name)[:epochs]) for r in (base, run))
            before, after = (r.value(name, epochs) for r in (base, run))
        gain = (after - before) if rises else (before - after)
        scale = 1.0
        if not rises or max(abs(before), abs(after)) > 1:
            scale = abs(before)
        rate = [r.seconds / max(r.done, 1) for r in (base, run)]
        spent = rate[1] * run.epochs / max(rate[0] * base.epochs, 1e-9)
        return cls(name, before, after, gain, scale, spent, curves)


def _skill_curve(run, epochs):
    length = len(run.doctor.record.logs) if epochs is None else epochs
    steps = max(1, length // 10)
    found = [math.nan] * length
    for epoch in (*range(steps, length, steps), *[length][:length]):
        found[epoch - 1] = run.skill(epoch)
    return found


def interval(gains, scale):
    """Return the 95 % interval of the mean of several differences.

    The variance is a mean of that of the differences and of what is known before.
    """
    count, mean = len(gains), float(np.mean(gains))
    squares = float(np.sum(np.square(np.subtract(gains, mean))))
    squares += FREEDOM * (SPREAD * scale) ** 2
    spread = math.sqrt(squares / (count - 1 + FREEDOM))
    half = STUDENT[count - 2] * spread / math.sqrt(count)
    return mean - half, mean + half
