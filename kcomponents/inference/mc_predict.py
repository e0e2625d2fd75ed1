"""mc_predict: predictions with dropout on, many times."""

from typing import Any, NamedTuple

import keras
import numpy as np

from kcomponents.inference._probabilities import (
    are_probabilities,
    entropy,
    of_logits,
)
from kcomponents.inference._run import draw


class MCPrediction(NamedTuple):
    """What samples of a model's predictions say together.

    Each field is an array, or has the structure of the model's outputs.

    Args:
        mean: Mean over the samples, `(inputs, ...)`.
        std: Standard deviation over the samples, `(inputs, ...)`.
        entropy: Of the mean, in nats, `(inputs,)`; None of what is no probability.
        mutual_information: Between class and net, in nats, `(inputs,)`, or None.
        samples: All of them, `(samples, inputs, ...)`, or None.
    """

    mean: Any
    std: Any
    entropy: Any
    mutual_information: Any
    samples: Any = None


def mc_predict(
    model,
    x,
    samples=50,
    *,
    batch_size=None,
    same_mask=False,
    from_logits=False,
    return_samples=False,
):
    r"""Predict several times with dropout on, and tell mean and uncertainty.

    With `p_k` what the model says with the `k`-th masks, of `K` samples:

        mean = 1/K sum_k p_k
        std = sqrt(1/K sum_k (p_k - mean)^2)
        entropy = H(mean), where H(p) = -sum_c p(c) log p(c)
        mutual_information = H(mean) - 1/K sum_k H(p_k)

    The entropy is all uncertainty; the mutual information is the part of it that comes
    from not knowing the weights. All samples of some inputs go through the model in one
    batch, compiled once.

    In training mode are only layers that drop or add noise, at any depth: `Dropout`,
    `SpatialDropout1D` to `3D`, `AlphaDropout`, `GaussianDropout`, `GaussianNoise`, the
    `MCDropout` family, `RReLU`, and the dropout of `SimpleRNN`, `LSTM`, `GRU`,
    `ConvLSTM1D` to `3D`, `Attention` and `MultiHeadAttention`. All others are as in
    `predict`: `BatchNormalization` uses its averages, images are not augmented. Nothing
    changes but the states of the layers' random generators, which move on: the next
    call gives other samples, and the same program after
    `keras.utils.set_random_seed` the same ones.

    Args:
        model: Built Keras model of any kind, which takes batches of any size.
        x: Inputs: an array, a list or dict of arrays, or an iterable of batches, all of
            which is read first.
        samples: Integer, how many predictions for each input. Defaults to 50.
        batch_size: Optional integer, rows that the model is given at once, where each
            sample of an input is a row. Defaults to `None`, for 1024.
        same_mask: Bool, whether all inputs meet the same masks, so that each sample is
            one function, that of one thinned net. Not for recurrent layers and
            attention. Defaults to `False`.
        from_logits: Bool, whether outputs are logits: softmax over their last axis, or
            the sigmoid of a single one, is taken of each sample before all else.
            Defaults to `False`.
        return_samples: Bool, whether to return the samples too. Defaults to `False`.

    Returns:
        Named tuple of `mean`, `std`, `entropy`, `mutual_information` and `samples`, for
        a model of several outputs each of their structure. Entropies are None of
        outputs that are no probabilities: those of some row do not sum to 1, or, of a
        single one, are not between 0 and 1.

    Raises:
        ValueError: If `model` is not built, has no layer with dropout or noise or a
            fixed batch size, `x` is not as above, a number is out of range, or masks
            cannot be the same for all inputs.

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

    Reference: Gal, Ghahramani, "Dropout as a Bayesian Approximation", 2016,
        https://arxiv.org/abs/1506.02142
    """
    drawn = draw(model, x, samples, batch_size=batch_size, same_mask=same_mask)
    if from_logits:
        drawn = keras.tree.map_structure(lambda a: of_logits(a).astype(a.dtype), drawn)
    leaves = [_told(values) for values in keras.tree.flatten(drawn)]
    fields = [
        keras.tree.pack_sequence_as(drawn, list(field))
        for field in zip(*leaves, strict=True)
    ]
    return MCPrediction(*fields, samples=drawn if return_samples else None)


def _told(samples):
    """Return mean, standard deviation, entropy and mutual information of samples."""
    mean = samples.mean(0, dtype="float64")
    std = samples.std(0, dtype="float64")
    found = [mean.astype(samples.dtype), std.astype(samples.dtype), None, None]
    if are_probabilities(samples):
        whole = entropy(mean)
        # At least 0 but for rounding.
        shared = np.maximum(whole - entropy(samples).mean(0), 0)
        found[2:] = whole.astype(samples.dtype), shared.astype(samples.dtype)
    return found
