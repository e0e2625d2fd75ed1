"""Importance of hyper-parameters: functional ANOVA, computed by optuna."""

import contextlib
import math

from kcomponents.report._series import is_finite
from kcomponents.tuning._telling.statistics import in_words, ranking

# With fewer, the trees see little but noise.
LEAST = 10
# The time it takes grows with their square.
MOST = 250
INACTIVE = "inactive"


def importance(results):
    """Return `{name: share}`, the largest first, and why there is none if it is None.

    A hyper-parameter that is inactive in some trials would be left out by optuna. Here
    every trial has all: an inactive choice is one more choice, an inactive number lies
    in the middle of its range, where it tells nothing that its parent does not tell.

    Reference:
        Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
        Importance", 2014, http://proceedings.mlr.press/v32/hutter14.html
    """
    known = ranking(results)
    if len(known) < LEAST:
        return None, f"{len(known)} configurations have a score; it takes {LEAST}."
    if len({found.mean for found in known}) == 1:
        return None, "All scores are the same."
    # From the best to the worst, so that a few stand for all.
    return _computed(results["space"], known[:: math.ceil(len(known) / MOST)])


def _computed(space, known):
    try:
        import optuna
        import sklearn  # noqa: F401
    except ImportError:
        return (
            None,
            "It takes optuna and scikit-learn: `pip install optuna scikit-learn`.",
        )
    columns = _columns(space, known, optuna.distributions)
    if not columns:
        return None, "No hyper-parameter was given more than one value."
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
    # fANOVA takes each range as uniform, so a logarithmic one must be made so.
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
    # Names of strangers are no business of optuna's.
    kinds = {str(n): kind for n, (kind, _) in enumerate(columns.values())}
    rows = zip(*(column for _, column in columns.values()), strict=True)
    trials = [
        optuna.trial.create_trial(
            params=dict(zip(kinds, row, strict=True)), distributions=kinds, value=score
        )
        for row, score in zip(rows, scores, strict=True)
    ]
    with _quiet(optuna.logging):
        study = optuna.create_study()
    study.add_trials(trials)
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=32, seed=0)
    shares = evaluator.evaluate(study)
    total = sum(shares.values()) or 1.0
    return {name: float(shares[str(n)] / total) for n, name in enumerate(columns)}


@contextlib.contextmanager
def _quiet(logging):
    level = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(level)
