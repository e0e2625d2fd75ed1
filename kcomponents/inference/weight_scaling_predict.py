"""weight_scaling_predict: one prediction with all units, their weights scaled."""

import keras

from kcomponents.inference._probabilities import of_logits
from kcomponents.inference._run import scaled


def weight_scaling_predict(model, x, *, batch_size=None, from_logits=False):
    """Predict once with all units, which stands for the mean over all dropout masks.

    Where training drops units with probability `rate`, prediction keeps all and scales
    by `1 - rate`, so that each sum is what it was in training on average:

        E[w . (mask * h)] = (1 - rate) w . h,   mask ~ Bernoulli(1 - rate)

    Keras scales in training instead, by `1 / (1 - rate)`, and then leaves the weights
    as they are: both give the same. So this is `predict`, but that layers that always
    draw, such as `MCDropout`, are off here too. For a net without hidden nonlinearities
    the outputs before softmax are the exact mean over all masks; for others nearly.

    Args:
        model: Built Keras model of any kind, which takes batches of any size. It stays
            as it is.
        x: Inputs: an array, a list or dict of arrays, or an iterable of batches.
        batch_size: Optional integer, inputs that the model is given at once. Defaults
            to `None`, for 1024.
        from_logits: Bool, whether outputs are logits: softmax over their last axis, or
            the sigmoid of a single one, is returned. Defaults to `False`.

    Returns:
        Array `(inputs, ...)`, or the structure of the model's outputs.

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
