"""weight_scaling_predict: one prediction with all units, their weights scaled."""

from typing import Any

import keras

from kcomponents.inference._probabilities import of_logits
from kcomponents.inference._run import scaled


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

    Reference: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
        Overfitting", 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """
    found = scaled(model, x, batch_size=batch_size)
    if from_logits:
        found = keras.tree.map_structure(lambda a: of_logits(a).astype(a.dtype), found)
    return keras.tree.map_structure(lambda values: values[0], found)
