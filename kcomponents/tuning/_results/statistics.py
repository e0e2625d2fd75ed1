"""Welch's interval for the difference of two means."""

import dataclasses
import functools
import math
import statistics

import numpy

from kcomponents._optional import needed
from kcomponents.report._contents import is_finite

CONFIDENCE = 0.95


def t_quantile(freedom: float) -> float:
    """Return the `t` with 95% of Student's distribution between `-t` and `t`."""
    return float(needed("scipy.stats").t.ppf((1 + CONFIDENCE) / 2, freedom))


def welch_interval(first, second) -> tuple[float, float] | None:
    """Return the 95% interval of `mean(first) - mean(second)`, or None.

    There is no interval if a group has fewer than two scores, or if the scores are
    equal within each group: equal scores by chance would look like certainty.

    Reference:
        Welch, "The generalization of 'Student's' problem when several different
        population variances are involved", 1947, https://doi.org/10.2307/2332510
    """
    spread = len(set(first)) > 1 or len(set(second)) > 1
    if min(len(first), len(second)) < 2 or not spread:
        return None
    parts = [numpy.var(scores, ddof=1) / len(scores) for scores in (first, second)]
    total = float(sum(parts))
    sizes = len(first), len(second)
    weights = [
        (part / total) ** 2 / (n - 1) for part, n in zip(parts, sizes, strict=True)
    ]
    half = t_quantile(1 / float(sum(weights))) * math.sqrt(total)
    middle = float(numpy.mean(first) - numpy.mean(second))
    return middle - half, middle + half


# Statistics of a search: configurations with several seeds, ranking and gains.
#
# All functions take `results`, the plain values of `Search.results`.

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


# Trials in groups: by family, by pairs of families, by how they ended.


def family_scores(results, name):
    """Return `{value: (scores, scores of pruned trials)}`, each configuration once.

    They are separate, because the score of a pruned trial comes from a shorter run.
    """
    found: dict[str, tuple[list, list]] = {}
    for configuration in configurations(results):
        score = _pruned_score(results, configuration)
        known = configuration.scores or score is not None
        if name in configuration.values and known:
            family = in_words(configuration.values[name])
            finished, pruned = found.setdefault(family, ([], []))
            if configuration.scores:
                finished.append(configuration.mean)
            else:
                pruned.append(score)
    return found


def _pruned_score(results, configuration):
    known = [t["score"] for t in configuration.trials if t["state"] == "pruned"]
    best = max if results["objective"]["direction"] == "max" else min
    return best(filter(is_finite, known), default=None)


def quartiles(scores):
    """Return the first quartile, the median and the third quartile."""
    return tuple(float(value) for value in numpy.quantile(scores, (0.25, 0.5, 0.75)))


def interaction(results, rows, columns):
    """Return `{(row value, column value): (mean score or None, finished, all)}`.

    The counts are numbers of configurations; the mean is over finished ones.
    """
    cells: dict[tuple[str, str], list] = {}
    for configuration in configurations(results):
        values = configuration.values
        if rows in values and columns in values:
            key = in_words(values[rows]), in_words(values[columns])
            cells.setdefault(key, []).append(configuration)
    return {key: _cell(of) for key, of in cells.items()}


def _cell(group):
    means = [configuration.mean for configuration in group if configuration.scores]
    mean = float(numpy.mean(means)) if means else None
    return mean, len(means), len(group)


def epochs_saved(results):
    """Return `{state: epochs saved}`, and the number of epochs planned.

    Only trials that ended count.
    """
    ended = [trial for trial in results["trials"] if trial["state"] in ENDED]
    saved = dict.fromkeys(ENDED, 0)
    for trial in ended:
        saved[trial["state"]] += max(results["epochs"] - trial["epochs"], 0)
    return saved, results["epochs"] * len(ended)


def endings(results):
    """Return the failed and pruned trials as `{(state, reason): trials}`.

    Failed trials come first, then the most frequent reasons.
    """
    found: dict[tuple[str, str], list] = {}
    for trial in results["trials"]:
        if trial["state"] in ("failed", "pruned"):
            reason = trial["reason"] or "unknown"
            found.setdefault((trial["state"], reason), []).append(trial)
    order = sorted(found.items(), key=lambda item: (item[0][0], -len(item[1])))
    return dict(order)


def findings(results):
    """Return `{issue found by the doctor: trials}`, the most frequent first."""
    counts: dict[str, int] = {}
    for trial in results["trials"]:
        for label in dict.fromkeys(trial["findings"]):
            counts[label] = counts.get(label, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
