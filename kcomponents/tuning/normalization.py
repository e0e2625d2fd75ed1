"""normalization: the choice of a normalization between layers, none among them."""

from kcomponents.tuning._spaces.normalization import choose


def normalization(
    hp, name="normalization", choices=("none", "batch", "layer"), **kwargs
):
    """Let a search choose a normalization between layers.

    Call it once for each place; all calls with one name get the same kind. It belongs
    between the linear layer and its activation: `linear, *rest = hidden.dense(64)`,
    then `[linear, *tuning.normalization(hp), *rest]`, which for a maxout,
    one layer with its linear part, is behind it.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the choice. Defaults to `"normalization"`.
        choices: Strings, of `"none"`, `"batch"`, `"layer"` and `"rms"`. A search begins
            with `"none"` if it is there. Defaults to `("none", "batch", "layer")`.
        **kwargs: Arguments of the Keras layer, such as `axis`.

    Returns:
        List of fresh layers, empty for `"none"`, which can also be called on a tensor.

    Raises:
        ValueError: If a choice is unknown, or there is none.

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
