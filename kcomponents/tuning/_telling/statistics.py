"""What the trials of a search say: configurations over seeds, and who is better.

All functions take `results`, the plain value that a search gives of itself.
"""

import dataclasses
import functools
import statistics

from kcomponents.report._series import is_finite
from kcomponents.tuning._telling.welch import welch_interval

ENDED = "completed", "pruned", "failed"


@dataclasses.dataclass(frozen=True)
class Configuration:
    """One choice of values: a trial of the search with its repeats and full run.

    Args:
        trial: String, id of the first trial.
        values: Dict of hyper-parameters.
        trials: Tuple of all its trials.
        scores: Tuple of one score for each seed that was trained to the end.
        is_baseline: Boolean.
    """

    trial: str
    values: dict
    trials: tuple
    scores: tuple
    is_baseline: bool

    @functools.cached_property
    def mean(self):
        """The mean over seeds; a configuration without a score has none."""
        return statistics.fmean(self.scores)

    @property
    def deviation(self):
        """The standard deviation over seeds, `None` with one seed."""
        return statistics.stdev(self.scores) if self.seeds > 1 else None

    @property
    def seeds(self):
        """The number of seeds."""
        return len(self.scores)


@dataclasses.dataclass(frozen=True)
class Gain:
    """How much better one configuration is than another; positive is better.

    Args:
        mean: Float, difference of the means.
        interval: Pair of floats, the 95 % interval, or `None` where the seeds are too
            few or all gave the same score.
        seeds: Pair of the numbers of seeds.
    """

    mean: float
    interval: tuple | None
    seeds: tuple

    @property
    def is_told_apart(self):
        """Whether the interval leaves 0 out."""
        return self.interval is not None and not (
            self.interval[0] <= 0 <= self.interval[1]
        )


def configurations(results):
    """Return every configuration, those without a score too, in the order of trials."""
    by_id = {trial["id"]: trial for trial in results["trials"]}
    groups: dict[str | None, list] = {}
    for trial in results["trials"]:
        groups.setdefault(_first_of(trial, by_id), []).append(trial)
    return [_configuration(trials) for trials in groups.values()]


def _first_of(trial, by_id):
    for _ in by_id:
        if trial.get("of") not in by_id:
            break
        trial = by_id[trial["of"]]
    # The baseline is one configuration, however often it was trained.
    return None if trial["kind"] == "baseline" else trial["id"]


def _configuration(trials):
    first = min(trials, key=lambda trial: trial["of"] is not None)
    return Configuration(
        first["id"],
        first["values"],
        tuple(trials),
        _scores(trials),
        first["kind"] == "baseline",
    )


def _scores(trials):
    """Return one score a seed; of what was chosen and then repeated, the repeats."""
    if all(trial["kind"] != "baseline" for trial in trials):
        fair = [t for t in trials if t["kind"] == "repeat" and is_finite(t["score"])]
        trials = fair if len(fair) > 1 else trials
    by_seed = {}
    for trial in sorted(trials, key=lambda trial: trial["kind"] == "full"):
        # A full run stands for the trial that it was made of.
        if trial["state"] == "completed" and is_finite(trial["score"]):
            seed = trial.get("seed")
            # Without a seed each trial is one of its own.
            by_seed[seed if seed is not None else (trial["id"],)] = trial["score"]
    return tuple(by_seed.values())


def ranking(results):
    """Return the configurations that have a score, the best first.

    As soon as some were trained with several seeds, those stand before all that were
    trained with one: the highest of many single scores is high by luck too, and would
    overtake each winner that was looked at twice.
    """
    known = [found for found in configurations(results) if found.scores]
    repeated = is_repeated(known)
    sign = _sign(results)
    return sorted(
        known, key=lambda found: (repeated and found.seeds < 2, -sign * found.mean)
    )


def is_repeated(configurations):
    """Return whether any but the baseline was trained with several seeds."""
    return any(found.seeds > 1 and not found.is_baseline for found in configurations)


def winner(results):
    """Return the best configuration but for the baseline, or None."""
    found = (best for best in ranking(results) if not best.is_baseline)
    return next(found, None)


def baseline(results):
    """Return the baseline if it has a score, or None."""
    return next((found for found in ranking(results) if found.is_baseline), None)


def gain(results, configuration):
    """Return the `Gain` over the baseline, None of the baseline or without one."""
    return _over(results, configuration, baseline(results))


def gains(results):
    """Return pairs of a configuration and its `Gain` over the baseline, or None.

    They come in the order of the ranking.
    """
    ranked = ranking(results)
    base = next((found for found in ranked if found.is_baseline), None)
    return [(found, _over(results, found, base)) for found in ranked]


def _over(results, configuration, base):
    if base is None or configuration.is_baseline:
        return None
    return difference(results, configuration, base)


def difference(results, first, second):
    """Return the `Gain` of one configuration over another."""
    sign = _sign(results)
    pair = [[sign * score for score in side.scores] for side in (first, second)]
    seeds = first.seeds, second.seeds
    mean = sign * (first.mean - second.mean)
    return Gain(mean, welch_interval(*pair), seeds)


def best_of_families(results, name):
    """Return `{value: best configuration or None}` of a hyper-parameter.

    A value whose trials all failed or were pruned has none.
    """
    found: dict[str, Configuration | None] = {}
    ranked = ranking(results)
    rest = [other for other in configurations(results) if not other.scores]
    for configuration in [*ranked, *rest]:
        if name in configuration.values:
            best = configuration if configuration.scores else None
            found.setdefault(in_words(configuration.values[name]), best)
    return found


def in_words(value):
    """Return a value of a hyper-parameter as text, which can be a key too."""
    return "none" if value is None else str(value)


def _sign(results):
    return 1 if results["objective"]["direction"] == "max" else -1
