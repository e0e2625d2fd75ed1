"""compare_dropout_inference: weight scaling and Monte Carlo on labeled data."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import ArrayLike

from kcomponents._checks import fail, positive_int
from kcomponents.inference._sampling import draw, read, scaled
from kcomponents.inference.predict import (
    are_probabilities,
    class_probabilities,
    probabilities_of_logits,
)


class Score(NamedTuple):
    """Accuracy and likelihood of predictions.

    Args:
        accuracy: Fraction of inputs whose most probable class is the correct one.
        nll: Mean negative log-likelihood of the correct classes, in nats.
        gap: Relative root mean square difference between the mean log-odds of the
            samples and the log-odds of weight scaling.
    """

    accuracy: float
    nll: float
    gap: float


class DropoutComparison(NamedTuple):
    """Scores of both kinds of inference.

    Args:
        weight_scaling: `Score` of one prediction with all units.
        monte_carlo: Dict of number of samples to the `Score` of their mean.
    """

    weight_scaling: Score
    monte_carlo: dict[int, Score]


def compare_dropout_inference(
    model: keras.Model,
    x: Any,
    y: ArrayLike,
    samples: int | Sequence[int] = (1, 5, 10, 20, 50),
    *,
    batch_size: int | None = None,
    from_logits: bool = False,
) -> DropoutComparison:
    r"""Compare weight scaling with the mean of sampled predictions on labeled data.

    For each number of samples `K`, the probabilities are `1/K sum_k p_k` over the first
    `K` samples of one series. The log-odds are `log p` minus its mean over the classes,
    which equal the logits up to a constant. The gap is

        rms(1/K sum_k logodds(p_k) - logodds(scaled)) / rms(logodds(scaled))

    With more samples, the noise in the gap falls as `1 / sqrt(K)`; the rest is due to
    nonlinear units, for which weight scaling is only an approximation.

    Args:
        model: Built classifier with one output, which accepts batches of any size.
        x: Inputs: an array, a list or dict of arrays, or an iterable of batches.
        y: Labels: integers of shape `(inputs,)` or `(inputs, 1)`, or one-hot rows.
        samples: Int or sequence of ints, the numbers of samples to average. Defaults to
            `(1, 5, 10, 20, 50)`.
        batch_size: Int, number of rows in a batch of the model; each sample of an input
            is a row. Defaults to `None`, for 1024.
        from_logits: Bool, whether the outputs are logits instead of probabilities.
            Defaults to `False`.

    Returns:
        Named tuple of `weight_scaling`, a named tuple of `accuracy`, `nll` (mean
        negative log-likelihood, in nats) and `gap`, and `monte_carlo`, a dict of number
        of samples to such a tuple.

    Raises:
        ValueError: If `model` is not built, has no dropout, or does not have one output
            with class probabilities, `y` does not fit, or a number is out of range.

    Example:
        >>> import numpy as np
        >>> import keras
        >>> from kcomponents.inference import compare_dropout_inference
        >>> layers = [keras.layers.Dropout(0.5), keras.layers.Dense(3)]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> x, y = np.ones((6, 4)), np.array([0, 1, 2, 0, 1, 2])
        >>> both = compare_dropout_inference(model, x, y, [1, 20], from_logits=True)
        >>> round(both.weight_scaling.accuracy, 3), list(both.monte_carlo)
        (0.333, [1, 20])

    Reference:
        Srivastava et al., [Dropout: A Simple Way to Prevent Neural Networks from
        Overfitting](https://jmlr.org/papers/v15/srivastava14a.html), section 7.5 and
        figure 11, 2014.
    """
    counts = [positive_int("samples", count) for count in np.atleast_1d(samples)]
    if not counts:
        fail("`samples` must contain at least one number.", samples=samples)
    x = read(x)
    one = _probabilities(scaled(model, x, batch_size=batch_size), from_logits)[0]
    labels = _labels(y, one.shape)
    drawn = draw(model, x, max(counts), batch_size=batch_size)
    drawn = _probabilities(drawn, from_logits)
    reference = _log_odds(one)
    found = {}
    for count in counts:
        odds = _log_odds(drawn[:count]).mean(0)
        gap = _rms(odds - reference) / max(_rms(reference), 1e-30)
        found[count] = _score(drawn[:count].mean(0), labels, gap)
    return DropoutComparison(_score(one, labels, 0.0), found)


def _probabilities(outputs, from_logits):
    rule = (
        "`model` must have one output of class probabilities, `(inputs, classes)`, or "
        "of logits with `from_logits=True`."
    )
    if not isinstance(outputs, np.ndarray) or outputs.ndim != 3:
        fail(rule, output=type(outputs), shape=np.shape(outputs))
    found = probabilities_of_logits(outputs) if from_logits else outputs
    if not are_probabilities(found):
        fail(rule, from_logits=from_logits, least=np.min(found), most=np.max(found))
    return class_probabilities(found)


def _labels(y, shape):
    y, (inputs, classes) = np.asarray(y), shape
    if y.shape == shape and classes > 1 and np.array_equal(y.sum(-1), np.ones(inputs)):
        return y.argmax(-1)
    whole = y.size == inputs and np.array_equal(y, np.round(y))
    if not whole or np.min(y) < 0 or np.max(y) >= classes:
        rule = f"`y` must be {inputs} labels from 0 to {classes - 1}, or one-hot rows."
        fail(rule, shape=y.shape, dtype=y.dtype)
    return y.reshape(-1).astype(int)


def _log_odds(probabilities):
    logs = np.log(np.maximum(probabilities, 1e-30))
    return logs - logs.mean(-1, keepdims=True)


def _rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def _score(probabilities, labels, gap):
    right = probabilities[np.arange(len(labels)), labels]
    accuracy = np.mean(probabilities.argmax(-1) == labels)
    nll = -np.mean(np.log(np.maximum(right, 1e-30)))
    return Score(float(accuracy), float(nll), gap)
