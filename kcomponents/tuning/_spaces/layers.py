"""Layers: a few layers in a row, to splat into `Sequential` or to call."""


class Layers(list):
    """A list of layers; called on an input, it applies one after another.

    `Sequential([*layers, ...])` and `x = layers(x)` do the same.
    """

    def __call__(self, x, **kwargs):
        for layer in self:
            x = layer(x, **kwargs)
        return x
