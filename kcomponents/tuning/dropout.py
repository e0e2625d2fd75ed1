"""dropout: the choice of a rate, 0 among them."""

from kcomponents.tuning._spaces.dropout import choose


def dropout(hp, name="dropout", min_value=0.0, max_value=0.5, step=None):
    """Let a search choose a rate of dropout.

    Give it to `dropout(rate)` of the chosen `activation`, which makes the layer that
    suits it. Keep the layer at rate 0 as well: then trials that differ by the rate
    alone have one structure, and what was compiled for one serves the next.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the number. Defaults to `"dropout"`.
        min_value: Float in [0, 1), the lowest rate, with which a search begins.
            Defaults to `0.0`.
        max_value: Float in [0, 1), the highest rate. Defaults to `0.5`.
        step: Optional float, the distance of one rate to the next. Defaults to `None`,
            any rate between the two.

    Returns:
        Float, the rate.

    Raises:
        ValueError: If the rates are out of range or in the wrong order.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> hidden = tuning.activation(hp, choices=["selu"])
        >>> layer = hidden.dropout(tuning.dropout(hp))
        >>> type(layer).__name__, layer.rate
        ('AlphaDropout', 0.0)

    Reference: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", 2014, https://jmlr.org/papers/v15/srivastava14a.html; Klambauer et
    al., "Self-Normalizing Neural Networks", 2017, https://arxiv.org/abs/1706.02515
    """
    return choose(hp, name, min_value, max_value, step)
