"""Importance of hyperparameters: functional ANOVA, computed by Optuna."""

import math

from kcomponents._text import is_finite
from kcomponents.tuning._results.statistics import value_name

# With fewer configurations, the importance is mostly noise.
LEAST = 10
# The computing time grows with the square of this number.
MOST = 250
INACTIVE = "inactive"


def importance(space, ranking):
    """Return `{name: share}`, the largest first, or None and the reason.

    Optuna leaves out hyperparameters that are inactive in some trials. Here, an
    inactive choice counts as one more choice, and an inactive number takes the middle
    of its range, where it carries no information beyond its parent's.

    Args:
        space: List of dicts, the hyperparameters of `Search.results`.
        ranking: List of configurations that have a score, the best first.

    Returns:
        Dict and an empty string, or `None` and a sentence.

    Reference:
        Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
        Importance", 2014, http://proceedings.mlr.press/v32/hutter14.html
    """
    if len(ranking) < LEAST:
        count = len(ranking)
        return None, f"{count} configurations have a score; {LEAST} are needed."
    if len({configuration.mean for configuration in ranking}) == 1:
        return None, "All scores are the same."
    # Evenly spaced from the best to the worst.
    return _shares_or_reason(space, ranking[:: math.ceil(len(ranking) / MOST)])


def _shares_or_reason(space, ranking):
    try:
        import optuna
        import sklearn  # noqa: F401
    except ImportError:
        how = 'pip install "kcomponents[tuning]"'
        return None, f"Optuna and scikit-learn are needed: `{how}`."
    columns = _columns(space, ranking, optuna.distributions)
    if not columns:
        return None, "No hyperparameter has more than one value."
    scores = [configuration.mean for configuration in ranking]
    shares = _shares(optuna, columns, scores)
    order = sorted(shares.items(), key=lambda item: -item[1])
    return dict(order), ""


def _columns(space, ranking, distributions):
    """Return `{name: (distribution, a value for each configuration)}`."""
    columns = {}
    for part in {part["name"]: part for part in space}.values():
        name, is_number = part["name"], "min" in part
        values = [found.values.get(name, INACTIVE) for found in ranking]
        column = _scaled(part, values) if is_number else _category_numbers(values)
        if len(set(column)) > 1:
            low, high = min(column), max(column)
            distribution = (
                distributions.FloatDistribution(low, high)
                if is_number
                else distributions.CategoricalDistribution(tuple(range(high + 1)))
            )
            columns[name] = distribution, column
    return columns


def _scaled(part, values):
    # fANOVA assumes uniform ranges, so a logarithmic one is transformed.
    low, high, sampling = part["min"], part["max"], part.get("sampling")

    def scaled(value):
        if sampling == "log":
            return math.log10(value)
        reverse = sampling == "reverse_log"
        return -math.log10(low + high - value) if reverse else float(value)

    middle = (scaled(low) + scaled(high)) / 2
    return [scaled(value) if is_finite(value) else middle for value in values]


def _category_numbers(values):
    words = [value_name(value) for value in values]
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
    return [numbers[word] for word in words]


def _shares(optuna, columns, scores):
    # Numbers in place of names, which may be anything.
    kinds = {str(n): kind for n, (kind, _) in enumerate(columns.values())}
    rows = zip(*(column for _, column in columns.values()), strict=True)
    trials = [
        optuna.trial.create_trial(
            params=dict(zip(kinds, row, strict=True)), distributions=kinds, value=score
        )
        for row, score in zip(rows, scores, strict=True)
    ]
    # Here, because the page of a search can be made without Optuna.
    from kcomponents.tuning._storage.backend import quiet

    with quiet():
        study = optuna.create_study()
    study.add_trials(trials)
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=32, seed=0)
    shares = evaluator.evaluate(study)
    total = sum(shares.values()) or 1.0
    return {name: float(shares[str(n)] / total) for n, name in enumerate(columns)}
