"""What groups of trials have in common: families, pairs of them, failures, epochs."""

import numpy

from kcomponents.report._series import is_finite
from kcomponents.tuning._telling.statistics import ENDED, configurations, in_words


def family_scores(results, name):
    """Return `{value: (scores, scores of pruned ones)}`, each configuration once.

    They stay apart: the score of a short training says little of what a long one gives,
    but a value of which most trials were pruned must not look as if it had few.
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
    """Return the first quartile, the median and the third."""
    return tuple(float(value) for value in numpy.quantile(scores, (0.25, 0.5, 0.75)))


def interaction(results, rows, columns):
    """Return `{(row value, column value): (mean score or None, finished, all)}`.

    The counts are those of configurations; the mean is of those that finished.
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
    """Return `{state: epochs that were planned but not run}`, and the epochs planned.

    Only trials that ended count; one that trained longer saved nothing.
    """
    ended = [trial for trial in results["trials"] if trial["state"] in ENDED]
    saved = dict.fromkeys(ENDED, 0)
    for trial in ended:
        saved[trial["state"]] += max(results["epochs"] - trial["epochs"], 0)
    return saved, results["epochs"] * len(ended)


def endings(results):
    """Return `{(state, reason): trials}` of what failed or was cut short.

    The failed ones come first, then the most frequent.
    """
    found: dict[tuple[str, str], list] = {}
    for trial in results["trials"]:
        if trial["state"] in ("failed", "pruned"):
            reason = trial["reason"] or "unknown"
            found.setdefault((trial["state"], reason), []).append(trial)
    order = sorted(found.items(), key=lambda item: (item[0][0], -len(item[1])))
    return dict(order)


def findings(results):
    """Return `{finding of the doctor: number of trials}`, the most frequent first."""
    counts: dict[str, int] = {}
    for trial in results["trials"]:
        for label in dict.fromkeys(trial["findings"]):
            counts[label] = counts.get(label, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
