"""The hidden activation that a search has chosen, and layers made for it."""

import functools

import keras

from kcomponents import activations
from kcomponents._check import fail
from kcomponents.initializers import recommended_for
from kcomponents.layers import MaxoutConv1D, MaxoutConv2D, MaxoutDense, PReLU
from kcomponents.tuning._spaces.layers import Layers
from kcomponents.tuning._spaces.ranges import choices_of, plain_of
from kcomponents.tuning._spaces.width import equal_width

CHOICES = ("relu", "leaky_relu", "elu", "prelu", "gelu", "selu", "maxout")


class HiddenActivation:
    """An activation of hidden layers, and what goes with it.

    Args:
        identifier: String that `kcomponents.activations.get` knows, such as
            `"elu:0.5"`, or `"none"`.
        shared: Bool, whether a PReLU has one slope for all channels. Defaults to
            `False`.
    """

    def __init__(self, identifier, *, shared=False):
        self.identifier = "linear" if identifier == "none" else identifier
        self.name, _, self.parameter = self.identifier.partition(":")
        self.shared = shared

    def __repr__(self):
        return f"<HiddenActivation {self.identifier}>"

    @property
    def pieces(self):
        """How many linear pieces a unit has: more than 1 for a maxout."""
        return int(self.parameter or 2) if self.name == "maxout" else 1

    def layer(self, ndim=2):
        """Return a fresh layer that applies the activation.

        A maxout returns the largest of each `pieces` channels. `ndim` is the number of
        axes of the input, which only a PReLU with one slope for all channels asks for.
        """
        if self.name == "prelu" and self.shared:
            start = float(self.parameter or 0.25)
            return PReLU(start, shared_axes=list(range(1, ndim)))
        return activations.get(self.identifier, as_layer=True)

    def kernel_initializer(self, seed=None):
        """Return a fresh initializer that suits the activation, Glorot's if in doubt.

        See `kcomponents.initializers.recommended_for`.
        """
        try:
            return recommended_for(self.identifier, seed=seed)
        except ValueError:
            return keras.initializers.GlorotUniform(seed)

    def width(self, units, fan_in=None, fan_out=None, depth=1):
        """Return the units for which a layer has as many weights as an ordinary one.

        See `dense`; `depth` is the number of such layers, one behind another.
        """
        return equal_width(units, self.pieces, fan_in, fan_out, depth)

    def dense(self, units, fan_in=None, fan_out=None, **kwargs):
        """Return a list of fresh layers: `Dense` and the activation, or `MaxoutDense`.

        A maxout of `k` pieces gets fewer units, so that it costs as many weights:
        `units * (fan_in + fan_out) / (k * fan_in + fan_out)`, or `units / sqrt(k)`
        where the fans are not given, as in a deep net of equal widths.

        Args:
            units: Int, the units of an ordinary layer.
            fan_in: Optional int, weights that lead into a unit.
            fan_out: Optional int, weights by which the next layer reads it.
            **kwargs: Arguments of `keras.layers.Dense`.
        """
        return self.exactly("dense", self.width(units, fan_in, fan_out), **kwargs)

    def conv1d(self, filters, kernel_size, fan_in=None, fan_out=None, **kwargs):
        """Return a list of fresh layers, as `dense` does, with a `Conv1D`."""
        width = self.width(filters, fan_in, fan_out)
        return self.exactly("conv1d", width, kernel_size, **kwargs)

    def conv2d(self, filters, kernel_size, fan_in=None, fan_out=None, **kwargs):
        """Return a list of fresh layers, as `dense` does, with a `Conv2D`."""
        width = self.width(filters, fan_in, fan_out)
        return self.exactly("conv2d", width, kernel_size, **kwargs)

    def dropout(self, rate, **kwargs):
        """Return a fresh dropout layer that suits the activation.

        That is `AlphaDropout` for SELU, which keeps mean and variance as SELU does.
        """
        # Also of rate 0: trials that differ by the rate alone keep one structure.
        if self.name == "selu":
            return keras.layers.AlphaDropout(rate, **kwargs)
        return keras.layers.Dropout(rate, **kwargs)

    def exactly(self, kind, width, *args, **kwargs):
        """Return a list of fresh layers, as `dense` does, as wide as told.

        `kind` is one of `"dense"`, `"conv1d"` and `"conv2d"`.
        """
        if "activation" in kwargs:
            fail("`activation` is the one of the space.", **kwargs)
        kwargs = {"kernel_initializer": self.kernel_initializer(), **kwargs}
        plain, maxout, ndim = _KINDS[kind]
        if self.pieces > 1:
            return Layers([maxout(width, *args, num_pieces=self.pieces, **kwargs)])
        return Layers([plain(width, *args, **kwargs), self.layer(ndim)])


_KINDS = {
    "dense": (keras.layers.Dense, MaxoutDense, 2),
    "conv1d": (keras.layers.Conv1D, MaxoutConv1D, 3),
    "conv2d": (keras.layers.Conv2D, MaxoutConv2D, 4),
}


def choose(hp, name, choices):
    """Register the choice of an activation and what depends on it."""
    choices = choices_of(choices, _known)
    chosen = hp.Choice(name, choices, default=plain_of(choices, "relu"))
    parameter = None
    for choice, register in _CHILDREN.items():
        if choice in choices:
            with hp.conditional_scope(name, [choice]):
                found = register(hp, name)
            parameter = found if chosen == choice else parameter
    if chosen == "prelu":
        return HiddenActivation(chosen, shared=parameter)
    return HiddenActivation(chosen if parameter is None else f"{chosen}:{parameter}")


# A parameter in a name costs a layer: too dear to make one for each call of `build`.
@functools.cache
def _known(choice):
    if choice != "none":
        activations.get(choice)


_CHILDREN = {
    "leaky_relu": lambda hp, name: hp.Float(
        f"{name}/negative_slope", 0.01, 0.3, sampling="log", default=0.2
    ),
    "elu": lambda hp, name: hp.Float(f"{name}/alpha", 0.5, 1.5, default=1.0),
    "prelu": lambda hp, name: hp.Boolean(f"{name}/shared"),
    "maxout": lambda hp, name: hp.Int(f"{name}/pieces", 2, 4),
}
