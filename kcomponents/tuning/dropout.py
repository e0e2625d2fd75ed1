"""dropout: let a search choose the dropout rate."""

from typing import TYPE_CHECKING

from kcomponents.tuning._spaces.dropout import choose

if TYPE_CHECKING:
    import keras_tuner


def dropout(
    hp: "keras_tuner.HyperParameters",
    name: str = "dropout",
    min_value: float = 0.0,
    max_value: float = 0.5,
    step: float | None = None,
) -> float:
    """Let a search choose a dropout rate.

    Pass the rate to `dropout(rate)` of the chosen `activation`, which returns a layer
    that suits it. Add this layer even if the rate is 0: trials with different rates
    then have the same structure and share one compiled model.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter. Defaults to `"dropout"`.
        min_value: Float in [0, 1), the lowest dropout rate and the default choice.
            Defaults to `0.0`.
        max_value: Float in [0, 1), the highest dropout rate. Defaults to `0.5`.
        step: Optional float, distance between two rates. Defaults to `None`, any rate
            in the range.

    Returns:
        Float, the dropout rate.

    Raises:
        ValueError: If a rate is out of range, or `min_value` exceeds `max_value`.

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
