"""clipping: let a search choose how to clip gradients."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kcomponents.tuning._spaces.clipping import Clip, choose

if TYPE_CHECKING:
    import keras_tuner


def clipping(
    hp: "keras_tuner.HyperParameters",
    name: str = "clipping",
    choices: str | Sequence[str] = ("none", "global_clipnorm"),
    thresholds: Mapping[str, tuple[float, float]] | None = None,
) -> Clip:
    """Let a search choose whether and how to clip gradients.

    Registers a choice called `name` and the threshold `name/<choice>` of each choice,
    on a log scale.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter. Defaults to `"clipping"`.
        choices: Strings, `"none"` and arguments of `kcomponents.optimizers.clipped`:
            `"global_clipnorm"`, `"clipnorm"`, `"clipvalue"`, `"agc"`. The default
            choice is `"none"` if it is there. Defaults to `("none",
            "global_clipnorm")`.
        thresholds: Optional dict from choice to `(lowest, highest)` threshold, floats
            above 0. Defaults to 0.1 to 10 for norms, 0.01 to 1 for `"clipvalue"`,
            0.001 to 0.1 for `"agc"`.

    Returns:
        Function that takes an optimizer or its name, and returns one that clips.

    Raises:
        ValueError: If `choices` is empty, a choice is unknown, or a range is invalid.

    Example:
        >>> import keras, keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> hp.values["clipping"] = "global_clipnorm"
        >>> clip = tuning.clipping(hp)
        >>> clip
        <Clip {'global_clipnorm': 1.0}>
        >>> optimizer = clip(keras.optimizers.Adam(0.001))

    Reference: Pascanu et al., "On the difficulty of training recurrent neural
    networks", 2013, https://arxiv.org/abs/1211.5063; Brock et al., "High-performance
    large-scale image recognition without normalization", 2021,
    https://arxiv.org/abs/2102.06171
    """
    return choose(hp, name, choices, thresholds)
