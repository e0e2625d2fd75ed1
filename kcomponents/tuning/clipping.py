"""clipping: the choice of a bound for gradients, none among them."""

from kcomponents.tuning._spaces.clipping import choose


def clipping(hp, name="clipping", choices=("none", "global_norm"), thresholds=None):
    """Let a search choose whether and how gradients are clipped.

    Registers a choice of this name and the threshold `name/<choice>` of each, on a
    logarithmic scale.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the choice. Defaults to `"clipping"`.
        choices: Strings, `"none"` and bounds of `kcomponents.optimizers.clipped`:
            `"global_norm"`, `"norm"`, `"value"`, `"agc"`. A search begins with
            `"none"` if it is there. Defaults to `("none", "global_norm")`.
        thresholds: Optional dict, choice → pair of floats above 0, lowest and highest
            threshold. Defaults to 0.1 to 10 for norms, 0.01 to 1 for `"value"`, 0.001
            to 0.1 for `"agc"`.

    Returns:
        Callable: given an optimizer or its name, it returns one that clips.

    Raises:
        ValueError: If a choice is unknown, there is none, or a range is wrong.

    Example:
        >>> import keras, keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> hp.values["clipping"] = "global_norm"
        >>> clip = tuning.clipping(hp)
        >>> clip
        <Clip {'global_norm': 1.0}>
        >>> optimizer = clip(keras.optimizers.Adam(0.001))

    Reference: Pascanu et al., "On the difficulty of training recurrent neural
    networks", 2013, https://arxiv.org/abs/1211.5063; Brock et al., "High-performance
    large-scale image recognition without normalization", 2021,
    https://arxiv.org/abs/2102.06171
    """
    return choose(hp, name, choices, thresholds)
