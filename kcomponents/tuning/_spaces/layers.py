"""Layers: a list of layers that can be unpacked into `Sequential`, or called."""


class Layers(list):
    """A list of layers that can also be called, to apply one after another.

    `Sequential([*layers, ...])` and `x = layers(x)` do the same.
    """

    def __call__(self, x, **kwargs):
        for layer in self:
            x = layer(x, **kwargs)
        return x
