"""Statistics of a search: configurations with several seeds, ranking and gains.

All functions take `results`, the plain values of `Search.results`.
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
        values: Dict of hyperparameters.
        trials: Tuple of all its trials.
        scores: Tuple, one score per seed that finished.
        is_baseline: Boolean, whether it is the baseline.
    """

    trial: str
    values: dict
    trials: tuple
    scores: tuple
    is_baseline: bool

    @functools.cached_property
    def mean(self):
        """The mean over seeds, undefined without a score."""
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
    """The difference of two configurations' mean scores; positive is better.

    Args:
        mean: Float, difference of the means.
        interval: Pair of floats, the 95% interval, or `None` with too few seeds or
            equal scores.
        seeds: Pair of integers, the numbers of seeds.
    """

    mean: float
    interval: tuple | None
    seeds: tuple

    @property
    def is_significant(self):
        """Whether the interval excludes 0."""
        return self.interval is not None and not (
            self.interval[0] <= 0 <= self.interval[1]
        )


def configurations(results):
    """Return all configurations, even without a score, in the order of trials."""
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
    # All runs of the baseline are one configuration.
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
    """Return one score per seed.

    For a configuration with two or more repeats, only these count: the score by which
    it was selected is biased.
    """
    if all(trial["kind"] != "baseline" for trial in trials):
        fair = [t for t in trials if t["kind"] == "repeat" and is_finite(t["score"])]
        trials = fair if len(fair) > 1 else trials
    by_seed = {}
    for trial in sorted(trials, key=lambda trial: trial["kind"] == "full"):
        # A full run replaces the pruned trial with the same seed.
        if trial["state"] == "completed" and is_finite(trial["score"]):
            seed = trial.get("seed")
            # A trial without a seed counts as a new seed.
            by_seed[seed if seed is not None else (trial["id"],)] = trial["score"]
    return tuple(by_seed.values())


def ranking(results):
    """Return the configurations that have a score, the best first.

    Configurations with several seeds come before those with one: the best of many
    single scores is partly luck.
    """
    known = [found for found in configurations(results) if found.scores]
    repeated = is_repeated(known)
    sign = _sign(results)
    return sorted(
        known, key=lambda found: (repeated and found.seeds < 2, -sign * found.mean)
    )


def is_repeated(configurations):
    """Return whether any configuration but the baseline has several seeds."""
    return any(found.seeds > 1 and not found.is_baseline for found in configurations)


def winner(results):
    """Return the best configuration other than the baseline, or None."""
    found = (best for best in ranking(results) if not best.is_baseline)
    return next(found, None)


def baseline(results):
    """Return the baseline if it has a score, or None."""
    return next((found for found in ranking(results) if found.is_baseline), None)


def gain(results, configuration):
    """Return the `Gain` over the baseline, None for or without a baseline."""
    return _over(results, configuration, baseline(results))


def gains(results):
    """Return pairs of a configuration and its `Gain` or None, the best first."""
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
    """Return `{value: best configuration}` of a hyperparameter.

    The configuration is None if all trials with the value failed or were pruned.
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
    """Return a value of a hyperparameter as text, which also works as a key."""
    return "none" if value is None else str(value)


def _sign(results):
    return 1 if results["objective"]["direction"] == "max" else -1
