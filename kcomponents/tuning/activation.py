"""Let a search choose the activation of hidden layers, and make layers for it."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from kcomponents import activations
from kcomponents._checks import fail
from kcomponents.initializers import recommended_for
from kcomponents.layers import MaxoutConv1D, MaxoutConv2D, MaxoutDense, PReLU
from kcomponents.tuning._choice_arguments import (
    Layers,
    choices_of,
    default_of,
    equal_width,
)

if TYPE_CHECKING:
    import keras_tuner

CHOICES = ("relu", "leaky_relu", "elu", "prelu", "gelu", "selu", "maxout")


class HiddenActivation:
    """A hidden activation, with the layers and initializers that suit it.

    Args:
        identifier: String, identifier of `kcomponents.activations.get`, such as
            `"elu:0.5"`, or `"none"`.
        shared: Boolean, whether all channels of a PReLU share one slope. Defaults to
            `False`.
    """

    def __init__(self, identifier, *, shared=False):
        self.identifier = "linear" if identifier == "none" else identifier
        self.name, _, self.parameter = self.identifier.partition(":")
        self.shared = shared

    def __repr__(self):
        return f"<HiddenActivation {self.identifier}>"

    @property
    def pieces(self) -> int:
        """The number of linear pieces of a unit: 1 except for maxout."""
        return int(self.parameter or 2) if self.name == "maxout" else 1

    def layer(self, ndim: int = 2) -> keras.layers.Layer:
        """Return a new layer that applies the activation.

        A maxout layer returns the maximum of each `pieces` channels.

        Args:
            ndim: Integer, number of axes of the input, needed for a PReLU with a shared
                slope. Defaults to 2.
        """
        if self.name == "prelu" and self.shared:
            slope = float(self.parameter or 0.25)
            return PReLU(slope, shared_axes=list(range(1, ndim)))
        return activations.get(self.identifier, as_layer=True)

    def kernel_initializer(
        self, seed: int | keras.random.SeedGenerator | None = None
    ) -> keras.initializers.Initializer:
        """Return a new initializer that suits the activation.

        It is `kcomponents.initializers.recommended_for`, or `GlorotUniform` if there is
        no recommendation.

        Args:
            seed: Optional integer, or `keras.random.SeedGenerator`. Defaults to `None`.
        """
        try:
            return recommended_for(self.identifier, seed=seed)
        except ValueError:
            return keras.initializers.GlorotUniform(seed)

    def width(
        self,
        units: int,
        fan_in: int | None = None,
        fan_out: int | None = None,
        depth: int = 1,
    ) -> int:
        """Return the units of a layer with as many weights as an ordinary layer.

        Args:
            units: Integer, units of the ordinary layer.
            fan_in: Optional integer, incoming weights of a unit.
            fan_out: Optional integer, outgoing weights of a unit.
            depth: Integer, number of such layers in a row. Defaults to 1.
        """
        return equal_width(units, self.pieces, fan_in, fan_out, depth)

    def dense(
        self,
        units: int,
        fan_in: int | None = None,
        fan_out: int | None = None,
        **kwargs: Any,
    ) -> Layers:
        """Return a list of new layers: `Dense` and the activation, or `MaxoutDense`.

        A maxout of `k` pieces gets fewer units, to keep the number of weights: `units *
        (fan_in + fan_out) / (k * fan_in + fan_out)`, or `units / sqrt(k)` without
        `fan_in` and `fan_out`, which is right for deep networks of equal widths.

        Args:
            units: Integer, units of an ordinary layer.
            fan_in: Optional integer, incoming weights of a unit.
            fan_out: Optional integer, outgoing weights of a unit.
            **kwargs: Arguments of `keras.layers.Dense`.
        """
        width = self.width(units, fan_in, fan_out)
        return self.layers_of_width("dense", width, **kwargs)

    def conv1d(
        self,
        filters: int,
        kernel_size: int | tuple[int],
        fan_in: int | None = None,
        fan_out: int | None = None,
        **kwargs: Any,
    ) -> Layers:
        """Return a list of new layers as `dense` does, with `Conv1D`."""
        width = self.width(filters, fan_in, fan_out)
        return self.layers_of_width("conv1d", width, kernel_size, **kwargs)

    def conv2d(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        fan_in: int | None = None,
        fan_out: int | None = None,
        **kwargs: Any,
    ) -> Layers:
        """Return a list of new layers as `dense` does, with `Conv2D`."""
        width = self.width(filters, fan_in, fan_out)
        return self.layers_of_width("conv2d", width, kernel_size, **kwargs)

    def dropout(self, rate: float, **kwargs: Any) -> keras.layers.Layer:
        """Return a new dropout layer that suits the activation.

        It is `AlphaDropout` for SELU, to keep mean and variance, else `Dropout`.

        Args:
            rate: Float in [0, 1), the dropout rate.
            **kwargs: Arguments of the Keras layer.
        """
        # Even if the rate is 0: trials with different rates keep one structure.
        if self.name == "selu":
            return keras.layers.AlphaDropout(rate, **kwargs)
        return keras.layers.Dropout(rate, **kwargs)

    def layers_of_width(self, kind: str, width: int, *args: Any, **kwargs: Any):
        """Return a list of new layers as `dense` does, with exactly `width` units.

        `kind` is one of `"dense"`, `"conv1d"` and `"conv2d"`.
        """
        if "activation" in kwargs:
            fail("Do not pass `activation`: the search chooses it.", **kwargs)
        kwargs = {"kernel_initializer": self.kernel_initializer(), **kwargs}
        plain, maxout, ndim = _KINDS[kind]
        if self.pieces > 1:
            return Layers([maxout(width, *args, num_pieces=self.pieces, **kwargs)])
        return Layers([plain(width, *args, **kwargs), self.layer(ndim)])


# Kind of layer → the plain layer, the maxout layer, and the axes of its output.
_KINDS = {
    "dense": (keras.layers.Dense, MaxoutDense, 2),
    "conv1d": (keras.layers.Conv1D, MaxoutConv1D, 3),
    "conv2d": (keras.layers.Conv2D, MaxoutConv2D, 4),
}


def activation(
    hp: "keras_tuner.HyperParameters",
    name: str = "activation",
    choices: str | Sequence[str] = CHOICES,
) -> HiddenActivation:
    """Let a search choose the activation of hidden layers.

    Registers a choice called `name`, and the parameters of some activations:

    | hyperparameter | activation | values | default |
    | --- | --- | --- | --- |
    | `name/negative_slope` | `leaky_relu` | 0.01 to 0.3, log scale | 0.2 |
    | `name/alpha` | `elu` | 0.5 to 1.5 | 1.0 |
    | `name/shared` | `prelu` | whether all channels share one slope | `False` |
    | `name/pieces` | `maxout` | 2 to 4 | 2 |

    The result creates layers, new ones at each call, with a kernel initializer that
    suits the activation:

    - `dense(units)`, `conv1d(filters, kernel_size)`, `conv2d(filters, kernel_size)`: a
      list of layers, for `Sequential([*hidden.dense(64), ...])` or for `x =
      hidden.dense(64)(x)`. Other arguments are passed to the Keras layer.
    - `layer()`: the activation as a layer; `kernel_initializer()`: its initializer.
    - `dropout(rate)`: `Dropout`, or `AlphaDropout` for SELU.
    - `name`, `identifier` (such as `"elu:0.5"`), `pieces` (1 except for maxout).

    A maxout of `k` pieces has `k` kernels where other activations have one. To compare
    models of equal size, it gets `units * (fan_in + fan_out) / (k * fan_in + fan_out)`
    units. A unit has `fan_in` incoming and `fan_out` outgoing weights: pass both to
    `dense`, `conv1d` or `conv2d`. Without them, it gets `units / sqrt(k)`, which is
    right for deep networks of equal widths. `width(units, fan_in, fan_out, depth)`
    returns the width for `depth` layers together.

    This adds no regularizer, and PReLU slopes are not regularized; see `optimizer` for
    weight decay.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter. Defaults to `"activation"`.
        choices: Identifiers of `kcomponents.activations.get`, or `"none"`. The
            parameter of `"maxout:3"` is fixed. The default choice is `"relu"` if it is
            there, else the first. Defaults to `("relu", "leaky_relu", "elu", "prelu",
            "gelu", "selu", "maxout")`.

    Returns:
        Object with the methods and attributes above.

    Raises:
        ValueError: If `choices` is empty or has an unknown activation.

    Example:
        >>> import keras, keras_tuner
        >>> from kcomponents import tuning
        >>> def build(hp):
        ...     hidden = tuning.activation(hp, "activation", ["relu", "maxout"])
        ...     return keras.Sequential([
        ...         keras.Input((8,)),
        ...         *hidden.dense(32, fan_in=8, fan_out=2),
        ...         keras.layers.Dense(2),
        ...     ])
        >>> build(keras_tuner.HyperParameters()).count_params()
        354
        >>> hp = keras_tuner.HyperParameters()
        >>> hp.values = {"activation": "maxout", "activation/pieces": 2}
        >>> build(hp).count_params()
        362

    Reference: Goodfellow et al., "Maxout Networks", 2013,
    https://arxiv.org/abs/1302.4389; He et al., "Delving Deep into Rectifiers", 2015,
    https://arxiv.org/abs/1502.01852
    """
    return choose_activation(hp, name, choices)


def choose_activation(hp, name, choices):
    """Register the choice of an activation and its parameters."""
    choices = choices_of(choices, _check_choice)
    chosen = hp.Choice(name, choices, default=default_of(choices, "relu"))
    parameter = None
    for choice, register in _PARAMETERS.items():
        if choice in choices:
            with hp.conditional_scope(name, [choice]):
                value = register(hp, name)
            parameter = value if chosen == choice else parameter
    if chosen == "prelu":
        return HiddenActivation(chosen, shared=parameter)
    return HiddenActivation(chosen if parameter is None else f"{chosen}:{parameter}")


# Activation → function that registers its parameter.
_PARAMETERS = {
    "leaky_relu": lambda hp, name: hp.Float(
        f"{name}/negative_slope", 0.01, 0.3, sampling="log", default=0.2
    ),
    "elu": lambda hp, name: hp.Float(f"{name}/alpha", 0.5, 1.5, default=1.0),
    "prelu": lambda hp, name: hp.Boolean(f"{name}/shared"),
    "maxout": lambda hp, name: hp.Int(f"{name}/pieces", 2, 4),
}


# Cached: for a choice such as "maxout:3", the check creates a layer, too slow to repeat
# in each `build`.
@functools.cache
def _check_choice(choice):
    if choice != "none":
        activations.get(choice)
