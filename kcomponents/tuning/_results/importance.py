"""Importance of hyperparameters: functional ANOVA, computed by Optuna."""

import math

from kcomponents.report._contents import is_finite
from kcomponents.tuning._optuna_logging import quiet
from kcomponents.tuning._results.statistics import in_words, ranking

# With fewer configurations, the importance is mostly noise.
LEAST = 10
# The computing time grows with the square of this number.
MOST = 250
INACTIVE = "inactive"


def importance(results):
    """Return `{name: share}`, the largest first, or None and the reason.

    Optuna leaves out hyperparameters that are inactive in some trials. Here, an
    inactive choice counts as one more choice, and an inactive number takes the middle
    of its range, where it carries no information beyond its parent's.

    Reference:
        Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
        Importance", 2014, http://proceedings.mlr.press/v32/hutter14.html
    """
    known = ranking(results)
    if len(known) < LEAST:
        return None, f"{len(known)} configurations have a score; {LEAST} are needed."
    if len({found.mean for found in known}) == 1:
        return None, "All scores are the same."
    # Evenly spaced from the best to the worst.
    return _computed(results["space"], known[:: math.ceil(len(known) / MOST)])


def _computed(space, known):
    try:
        import optuna
        import sklearn  # noqa: F401
    except ImportError:
        return (
            None,
            "Optuna and scikit-learn are needed: `pip install optuna scikit-learn`.",
        )
    columns = _columns(space, known, optuna.distributions)
    if not columns:
        return None, "No hyperparameter has more than one value."
    scores = [found.mean for found in known]
    shares = _evaluated(optuna, columns, scores)
    order = sorted(shares.items(), key=lambda item: -item[1])
    return dict(order), ""


def _columns(space, known, distributions):
    """Return `{name: (distribution, a value for each configuration)}`."""
    found = {}
    for part in {part["name"]: part for part in space}.values():
        given = [found.values.get(part["name"], INACTIVE) for found in known]
        column = _numbers(part, given) if "min" in part else _classes(given)
        if len(set(column)) > 1:
            low, high = min(column), max(column)
            numeric = "min" in part
            found[part["name"]] = (
                distributions.FloatDistribution(low, high)
                if numeric
                else distributions.CategoricalDistribution(tuple(range(high + 1))),
                column,
            )
    return found


def _numbers(part, given):
    # fANOVA assumes uniform ranges, so a logarithmic one is transformed.
    low, high, sampling = part["min"], part["max"], part.get("sampling")

    def scaled(value):
        if sampling == "log":
            return math.log10(value)
        reverse = sampling == "reverse_log"
        return -math.log10(low + high - value) if reverse else float(value)

    middle = (scaled(low) + scaled(high)) / 2
    return [scaled(value) if is_finite(value) else middle for value in given]


def _classes(given):
    words = [in_words(value) for value in given]
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
    return [numbers[word] for word in words]


def _evaluated(optuna, columns, scores):
    # Numbers in place of names, which may be anything.
    kinds = {str(n): kind for n, (kind, _) in enumerate(columns.values())}
    rows = zip(*(column for _, column in columns.values()), strict=True)
    trials = [
        optuna.trial.create_trial(
            params=dict(zip(kinds, row, strict=True)), distributions=kinds, value=score
        )
        for row, score in zip(rows, scores, strict=True)
    ]
    with quiet():
        study = optuna.create_study()
    study.add_trials(trials)
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=32, seed=0)
    shares = evaluator.evaluate(study)
    total = sum(shares.values()) or 1.0
    return {name: float(shares[str(n)] / total) for n, name in enumerate(columns)}
