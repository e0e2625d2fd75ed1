"""Activations by name."""

import keras

from kcomponents._check import boolean, fail, number, one_of


def get(identifier, *, as_layer=False):
    """Find an activation by name: a function of Keras or a fresh layer.

    Beside all that `keras.activations.get` knows: `"prelu"` and `"rrelu"`, `"maxout"`
    or `"maxout:4"` with the number of pieces, `"prelu:0.1"` with the first slope,
    `"leaky_relu:0.01"` with the slope and `"elu:0.5"` with its alpha. These strings
    give a new layer at each call, names without a parameter the function of Keras.

    A name means the same with and without `as_layer`: `"leaky_relu"` has the slope of
    the function, 0.2, not that of `keras.layers.LeakyReLU()`, 0.3.

    Add a layer with weights to the model as a layer of its own. As the `activation`
    of a `Dense` its weights would not exist until the first call, and a maxout would
    change the shape unnoticed.

    Args:
        identifier: String as above; `None` for the identity; the config of a
            serialized activation; or a callable, which is returned as it is.
        as_layer: Bool, whether to wrap functions in `keras.layers.Activation`, so
            that the result is always a layer. Defaults to `False`.

    Returns:
        Callable, a `keras.layers.Layer` with `as_layer=True`.

    Raises:
        ValueError: If the name is unknown or its parameter is wrong.

    Example:
        >>> from kcomponents import activations
        >>> activations.get("maxout:4").num_pieces
        4
        >>> activations.get("relu") is keras.activations.relu
        True
        >>> type(activations.get("relu", as_layer=True)).__name__
        'Activation'

    Reference: the strings of Keras, https://keras.io/api/layers/activations
    """
    as_layer = boolean("as_layer", as_layer)
    found = _from_name(identifier) if isinstance(identifier, str) else identifier
    if isinstance(found, type):
        rule = "`identifier` must be an instance, not a class."
        fail(rule, identifier=identifier)
    found = keras.activations.get(found)
    if as_layer and not isinstance(found, keras.layers.Layer):
        return keras.layers.Activation(found)
    return found


def _from_name(identifier):
    name, colon, parameter = identifier.partition(":")
    if colon and name in _WITH_PARAMETER:
        try:
            return _WITH_PARAMETER[name](parameter)
        except ValueError as error:
            rule = f"The parameter of `{name}` is refused: {error}"
            fail(rule, identifier=identifier)
    if identifier in _LAYERS:
        return _layer(identifier)()
    try:
        return keras.activations.get(identifier)
    except ValueError:
        names = set(dir(keras.activations)) - {"get", "serialize", "deserialize"}
        names = sorted(n for n in names | {*_LAYERS} if not n.startswith("_"))
        if colon and name in names:
            fail(f"`{name}` takes no parameter.", identifier=identifier)
        return one_of("identifier", identifier, names)


def _layer(name):
    # By its registered name: layers stand above this module and import it.
    return keras.saving.get_registered_object(f"kcomponents>{_LAYERS[name]}")


_LAYERS = {"maxout": "Maxout", "prelu": "PReLU", "rrelu": "RReLU"}
_WITH_PARAMETER = {
    "elu": lambda text: keras.layers.ELU(number("alpha", float(text))),
    "leaky_relu": lambda text: keras.layers.LeakyReLU(
        number("negative_slope", float(text), 0)
    ),
    "maxout": lambda text: _layer("maxout")(int(text)),
    "prelu": lambda text: _layer("prelu")(float(text)),
}
