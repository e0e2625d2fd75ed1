"""Predictions with dropout: the mean of many samples, or weight scaling."""

from typing import Any, NamedTuple

import keras
import numpy as np

from kcomponents.inference._sampling import draw, scaled


class MCPrediction(NamedTuple):
    """Mean and uncertainty of sampled predictions.

    Each field is an array, or has the structure of the model's outputs.

    Args:
        mean: Mean over the samples, of shape `(inputs, ...)`.
        std: Standard deviation over the samples, of shape `(inputs, ...)`.
        entropy: Entropy of the mean in nats, of shape `(inputs,)`; None if the outputs
            are not probabilities.
        mutual_information: Mutual information between the class and the dropout masks
            in nats, of shape `(inputs,)`, or None.
        samples: All samples, of shape `(samples, inputs, ...)`, or None.
    """

    mean: Any
    std: Any
    entropy: Any
    mutual_information: Any
    samples: Any = None


def mc_predict(
    model: keras.Model,
    x: Any,
    samples: int = 50,
    *,
    batch_size: int | None = None,
    same_mask: bool = False,
    from_logits: bool = False,
    return_samples: bool = False,
) -> MCPrediction:
    r"""Predict several times with dropout on; return mean and uncertainty.

    If `p_k` is the prediction with the `k`-th masks, of `K` samples:

        mean = 1/K sum_k p_k
        std = sqrt(1/K sum_k (p_k - mean)^2)
        entropy = H(mean), where H(p) = -sum_c p(c) log p(c)
        mutual_information = H(mean) - 1/K sum_k H(p_k)

    The entropy is the total uncertainty; the mutual information is the part of it that
    is due to uncertain weights. All samples of some inputs pass through the model in
    one batch, and the model is compiled once.

    Only layers with dropout or noise run in training mode, at any depth: `Dropout`,
    `SpatialDropout1D` to `3D`, `AlphaDropout`, `GaussianDropout`, `GaussianNoise`, the
    `MCDropout` family, `RReLU`, and the dropout of `SimpleRNN`, `LSTM`, `GRU`,
    `ConvLSTM1D` to `3D`, `Attention` and `MultiHeadAttention`. All other layers run as
    in `predict`: `BatchNormalization` uses its moving averages, images are not
    augmented. Only the random states of the layers change: the next call returns other
    samples, and after `keras.utils.set_random_seed` the same program returns the same
    ones.

    Args:
        model: Built Keras model of any kind, which accepts batches of any size.
        x: Inputs: an array, a list or dict of arrays, or an iterable of batches, which
            is read completely before the first prediction.
        samples: Int, number of predictions for each input. Defaults to 50.
        batch_size: Int, number of rows in a batch of the model; each sample of an input
            is a row. Defaults to `None`, for 1024.
        same_mask: Bool, whether all inputs get the same masks, so that each sample is
            the function of one thinned network. Not supported for recurrent layers and
            attention. Defaults to `False`.
        from_logits: Bool, whether the outputs are logits: the softmax over the last
            axis, or the sigmoid of a single logit, is then applied to each sample
            first. Defaults to `False`.
        return_samples: Bool, whether to return the samples too. Defaults to `False`.

    Returns:
        Named tuple of `mean`, `std`, `entropy`, `mutual_information` and `samples`,
        each in the structure of the model's outputs. Entropy and mutual information are
        None for outputs that are not probabilities: a row does not sum to 1, or a
        single number is not between 0 and 1.

    Raises:
        ValueError: If `model` is not built, has no layer with dropout or noise, or has
            a fixed batch size, `x` is not as above, a number is out of range, or a
            layer cannot use the same masks for all inputs.

    Example:
        >>> import numpy as np
        >>> import keras
        >>> from kcomponents.inference import mc_predict
        >>> layers = [keras.layers.Dropout(0.5), keras.layers.Dense(3, "softmax")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> found = mc_predict(model, np.ones((2, 4)), samples=20)
        >>> found.mean.shape, found.entropy.shape
        ((2, 3), (2,))
        >>> bool((found.mutual_information <= found.entropy).all())
        True

    Reference:
        Gal, Ghahramani, [Dropout as a Bayesian
        Approximation](https://arxiv.org/abs/1506.02142), 2016.
    """
    drawn = draw(model, x, samples, batch_size=batch_size, same_mask=same_mask)
    if from_logits:
        drawn = _probabilities(drawn)
    leaves = [_summary(values) for values in keras.tree.flatten(drawn)]
    fields = [
        keras.tree.pack_sequence_as(drawn, list(field))
        for field in zip(*leaves, strict=True)
    ]
    return MCPrediction(*fields, samples=drawn if return_samples else None)


def _summary(samples):
    """Return mean, standard deviation, entropy and mutual information of samples."""
    mean = samples.mean(0, dtype="float64")
    std = samples.std(0, dtype="float64")
    found = [mean.astype(samples.dtype), std.astype(samples.dtype), None, None]
    if are_probabilities(samples):
        whole = _entropy(mean)
        # Rounding can make it slightly negative.
        shared = np.maximum(whole - _entropy(samples).mean(0), 0)
        found[2:] = whole.astype(samples.dtype), shared.astype(samples.dtype)
    return found


def weight_scaling_predict(
    model: keras.Model,
    x: Any,
    *,
    batch_size: int | None = None,
    from_logits: bool = False,
) -> Any:
    """Predict once with all units, as an approximation of the mean over dropout masks.

    Training drops units with probability `rate`; prediction keeps all units and scales
    them by `1 - rate`, so that each sum equals its expected value in training:

        E[w . (mask * h)] = (1 - rate) w . h,   mask ~ Bernoulli(1 - rate)

    Keras scales by `1 / (1 - rate)` in training instead and leaves prediction as it is,
    which is equivalent. This function thus equals `predict`, except that layers that
    are always on, such as `MCDropout`, are off. For a network without hidden
    nonlinearities, the outputs before the softmax are the exact mean over all masks;
    for others an approximation.

    Args:
        model: Built Keras model of any kind, which accepts batches of any size. It is
            not changed.
        x: Inputs: an array, a list or dict of arrays, or an iterable of batches.
        batch_size: Int, number of inputs in a batch. Defaults to `None`, for 1024.
        from_logits: Bool, whether the outputs are logits: the softmax over the last
            axis, or the sigmoid of a single logit, is then returned. Defaults to
            `False`.

    Returns:
        Array of shape `(inputs, ...)`, or the structure of the model's outputs.

    Raises:
        ValueError: If `model` is not built or has a fixed batch size, `x` is not as
            above, or `batch_size` is not a positive integer.

    Example:
        >>> import numpy as np
        >>> import keras
        >>> from kcomponents.inference import weight_scaling_predict
        >>> from kcomponents.layers import MCDropout
        >>> model = keras.Sequential([keras.Input((4,)), MCDropout(0.5)])
        >>> weight_scaling_predict(model, np.ones((1, 4))).tolist()
        [[1.0, 1.0, 1.0, 1.0]]

    Reference:
        Srivastava et al., [Dropout: A Simple Way to Prevent Neural Networks from
        Overfitting](https://jmlr.org/papers/v15/srivastava14a.html), 2014.
    """
    outputs = scaled(model, x, batch_size=batch_size)
    if from_logits:
        outputs = _probabilities(outputs)
    return keras.tree.map_structure(lambda values: values[0], outputs)


# Class probabilities: from logits, and their entropy.


def _probabilities(outputs):
    """Return probabilities for outputs that are logits, in their dtypes."""
    return keras.tree.map_structure(
        lambda a: probabilities_of_logits(a).astype(a.dtype), outputs
    )


def probabilities_of_logits(logits):
    """Return the softmax over the last axis, or the sigmoid of a single logit."""
    logits = np.asarray(logits, "float64")
    if logits.shape[-1] == 1:
        return np.exp(-np.logaddexp(0, -logits))
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def are_probabilities(values):
    """Return whether each row sums to 1, or is a single number between 0 and 1."""
    if values.ndim < 3 or values.dtype.kind != "f" or not np.all(values >= 0):
        return False
    if values.shape[-1] == 1:
        return bool(np.all(values <= 1))
    # The tolerance is for half precision.
    return bool(np.all(np.abs(values.sum(-1) - 1) < 1e-2))


def class_probabilities(probabilities):
    """Return probabilities with a column for each class; one column becomes two."""
    probabilities = np.asarray(probabilities, "float64")
    if probabilities.shape[-1] > 1:
        return probabilities
    return np.concatenate([1 - probabilities, probabilities], axis=-1)


def _entropy(probabilities):
    """Return the entropy over the last axis, in nats."""
    p = class_probabilities(probabilities)
    return -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1)
