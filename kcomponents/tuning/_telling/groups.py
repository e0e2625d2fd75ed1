"""Trials in groups: by family, by pairs of families, by how they ended."""

import numpy

from kcomponents.report._series import is_finite
from kcomponents.tuning._telling.statistics import ENDED, configurations, in_words


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
