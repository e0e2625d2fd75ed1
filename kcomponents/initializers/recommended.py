"""recommended_for: the recommended initializer for an activation."""

import difflib
import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from kcomponents._activation_traits import ALIASES, TRAITS, traits_of
from kcomponents._checks import fail, positive_int
from kcomponents.initializers.blocks import MOST_PARTS

PARAMETERS = ("elu", "leaky_relu", "maxout", "prelu")
# Activations with a formula below, by all their names.
KNOWN = (
    *(
        name
        for name in (*TRAITS, *ALIASES)
        if traits_of(name).he_slope is not None
        or traits_of(name).glorot_slope is not None
    ),
    *("selu", "maxout"),
)


def recommended_for(
    activation: str | Callable | type[keras.layers.Layer] | None,
    *,
    seed: int | keras.random.SeedGenerator | None = None,
) -> keras.initializers.Initializer:
    """Return the recommended kernel initializer for a layer with this activation.

    The initializer keeps the variance of activations constant through a deep stack of
    such layers. `fan_in` is the number of inputs of a unit, `fan_out` the number of its
    outputs, and `fan_avg` the mean of both.

    | activation | variance of the weights | source |
    | --- | --- | --- |
    | ReLU and smooth variants (ELU, GELU, SiLU, ...) | 2 / fan_in | He |
    | negative slope a: `leaky_relu`, `prelu`, `rrelu` | 2 / (1 + a²) / fan_in | He |
    | `selu` | 1 / fan_in | Klambauer |
    | `maxout` with k pieces | 1 / E[max² of k normals] / fan_in | Tseran |
    | linear, tanh, softsign, softmax | 1 / fan_avg | Glorot |
    | `sigmoid`, with slope 1/4 at 0 | 4² / fan_avg | Glorot, Bengio |

    For random slopes, `a²` is the mean of the squared slope. A sigmoid at the output of
    a network does not need such large weights: keep Keras's default `glorot_uniform`
    for the last layer.

    Args:
        activation: Name (`"relu"`, `"leaky_relu:0.1"`, `"maxout:4"`), function, layer
            class or instance (also a layer with an `activation`, such as `Dense`), or
            `None` for a linear layer.
        seed: Int or `keras.random.SeedGenerator`, for reproducible draws. Defaults to
            `None`.

    Returns:
        A new `keras.initializers.Initializer`.

    Raises:
        ValueError: If the activation is unknown. The message lists similar names.

    Example:
        >>> from kcomponents.initializers import recommended_for
        >>> layer = keras.layers.Dense(
        ...     64, "relu", kernel_initializer=recommended_for("relu")
        ... )
        >>> round(recommended_for("leaky_relu:0.5").scale, 3)
        1.6

    Reference:

    - He, Zhang, Ren & Sun, Delving Deep into Rectifiers, 2015,
      [arXiv:1502.01852](https://arxiv.org/abs/1502.01852) (taken for ELU by Clevert,
      Unterthiner & Hochreiter, 2016, [arXiv:1511.07289](https://arxiv.org/abs/1511.07289))
    - Klambauer, Unterthiner, Mayr & Hochreiter, Self-Normalizing Neural Networks, 2017,
      [arXiv:1706.02515](https://arxiv.org/abs/1706.02515)
    - Tseran & Montúfar, Expected Gradients of Maxout Networks and Consequences to
      Parameter Initialization, 2023, [arXiv:2301.06956](https://arxiv.org/abs/2301.06956)
    - Glorot & Bengio, Understanding the Difficulty of Training Deep Feedforward Neural
      Networks, 2010, [PMLR 9](https://proceedings.mlr.press/v9/glorot10a.html)
    - Bengio, Practical Recommendations for Gradient-Based Training of Deep
      Architectures, 2012, [arXiv:1206.5533](https://arxiv.org/abs/1206.5533)
    """
    name, layer, argument = _described(activation)
    traits = traits_of(name)
    if traits.glorot_slope is not None:
        scale, mode, distribution = traits.glorot_slope**-2, "fan_avg", "uniform"
    else:
        scale, mode, distribution = 1.0, "fan_in", "truncated_normal"
    if traits.he_slope is not None:
        scale = 2 / (1 + _mean_square_slope(name, layer, argument))
    elif name == "maxout":
        scale = 1 / _mean_square_of_max(_pieces(layer, argument))
    return keras.initializers.VarianceScaling(scale, mode, distribution, seed)


def _described(activation):
    """Return the activation's name, its layer or None, and the parameter after ":"."""
    layer = activation
    if isinstance(layer, type) and issubclass(layer, keras.layers.Layer):
        layer = layer()
    if isinstance(layer, keras.layers.Layer):
        name = type(layer).__name__
        if "Maxout" not in name and hasattr(layer, "activation"):
            return _described(layer.activation)
        # Any maxout layer, such as MaxoutDense.
        return _known("maxout" if "Maxout" in name else name, activation), layer, ""
    word = "linear" if activation is None else activation
    if not isinstance(word, str):
        # An object without a name is unknown.
        word = str(getattr(activation, "__name__", "?"))
    name, colon, argument = (word or "linear").partition(":")
    name = _known(name, activation)
    if colon and name not in PARAMETERS:
        fail(f"`{name}` takes no parameter.", activation=activation)
    return name, None, argument


def _known(name, activation):
    """Return the name in `KNOWN`: `LeakyReLU` becomes `leaky_relu`."""
    names = {known.replace("_", ""): known for known in KNOWN}
    plain = name.lower().replace("_", "")
    if plain not in names:
        near = difflib.get_close_matches(plain, names, cutoff=0.5) or names
        fail(
            "There is no recommended initializer for this activation. Known names: "
            f"{', '.join(names[key] for key in near)}.",
            activation=activation,
        )
    return names[plain]


def _mean_square_slope(name, layer, argument):
    """Return the mean of a², the squared slope on the negative side."""
    if name == "rrelu":
        low, high = getattr(layer, "lower", 1 / 8), getattr(layer, "upper", 1 / 3)
        return (low * low + low * high + high * high) / 3
    if hasattr(layer, "alpha_initializer"):
        return float(ops.mean(ops.square(layer.alpha_initializer((1000,)))))
    slope = getattr(layer, "negative_slope", traits_of(name).he_slope)
    if argument and name != "elu":
        slope = _read(float, f"the slope of `{name}`", argument)
    return float(slope) * float(slope)


def _pieces(layer, argument):
    pieces = getattr(layer, "num_pieces", argument or 2)
    if pieces is None:
        fail(
            'The number of pieces is unknown: pass a name such as `"maxout:4"`.',
            num_pieces=pieces,
        )
    if isinstance(pieces, str):
        pieces = _read(int, "the number of pieces", pieces)
    return positive_int("num_pieces", pieces, MOST_PARTS)


def _read(kind, what, text):
    """Return the number after the ":" of a name."""
    try:
        return kind(text)
    except ValueError:
        fail(f"The text after ':' must be {what}.", activation=text)


def _mean_square_of_max(count):
    """Return E[max²] of `count` independent standard normals."""
    z = np.linspace(-9, 9, 2001)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    below = np.cumsum(density) * (z[1] - z[0]) - density * (z[1] - z[0]) / 2
    return float(np.sum(z * z * count * density * below ** (count - 1)) * (z[1] - z[0]))
