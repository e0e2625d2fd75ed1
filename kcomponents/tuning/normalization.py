"""normalization: let a search choose a normalization layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kcomponents.tuning._spaces.layers import Layers
from kcomponents.tuning._spaces.normalization import choose

if TYPE_CHECKING:
    import keras_tuner


def normalization(
    hp: "keras_tuner.HyperParameters",
    name: str = "normalization",
    choices: str | Sequence[str] = ("none", "batch", "layer"),
    **kwargs: Any,
) -> Layers:
    """Let a search choose a normalization layer.

    Call it once for each place in the model; all calls with the same name get the same
    kind. Put it between a linear layer and its activation: `linear, *rest =
    hidden.dense(64)`, then `[linear, *tuning.normalization(hp), *rest]`. Maxout is one
    layer together with its linear part, so the normalization follows it.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter. Defaults to `"normalization"`.
        choices: Strings, from `"none"`, `"batch"`, `"layer"` and `"rms"`. The default
            choice is `"none"` if it is there. Defaults to `("none", "batch", "layer")`.
        **kwargs: Arguments of the Keras layer, such as `axis`.

    Returns:
        List of new layers, empty for `"none"`. You can also call it on a tensor.

    Raises:
        ValueError: If `choices` is empty or has an unknown choice.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> tuning.normalization(hp)
        []
        >>> hp.values["normalization"] = "layer"
        >>> [type(layer).__name__ for layer in tuning.normalization(hp)]
        ['LayerNormalization']

    Reference: Ioffe and Szegedy, "Batch Normalization", 2015,
    https://arxiv.org/abs/1502.03167; Ba et al., "Layer Normalization", 2016,
    https://arxiv.org/abs/1607.06450
    """
    return choose(hp, name, choices, kwargs)
