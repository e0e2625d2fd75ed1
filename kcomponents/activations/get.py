"""get: activations by name."""

from collections.abc import Callable

import keras

from kcomponents._check import boolean, fail, number, one_of


def get(
    identifier: str | dict | Callable | None, *, as_layer: bool = False
) -> Callable:
    """Return an activation by name: a Keras function or a new layer.

    Accepts everything that `keras.activations.get` accepts, and in addition `"prelu"`,
    `"rrelu"`, `"maxout"`, and names with a parameter: `"maxout:4"` (number of pieces),
    `"prelu:0.1"` (initial slope), `"leaky_relu:0.01"` (slope), `"elu:0.5"` (alpha). The
    additional strings return a new layer at each call; the names that Keras has return
    the Keras function.

    A name means the same with and without `as_layer`: `"leaky_relu"` has the slope of
    the function, 0.2, not the slope of `keras.layers.LeakyReLU()`, 0.3.

    Add layers with weights to the model as separate layers. As the `activation` of a
    `Dense` layer, their weights would not exist until the first call, and a maxout
    would change the output shape unnoticed.

    Args:
        identifier: String as above; `None` for the identity; the config of a
            serialized activation; or a callable, which is returned unchanged.
        as_layer: Bool, whether to wrap functions in `keras.layers.Activation`, so
            that the result is always a layer. Defaults to `False`.

    Returns:
        Callable; a `keras.layers.Layer` if `as_layer=True`.

    Raises:
        ValueError: If the name is unknown or its parameter is invalid.

    Example:
        >>> from kcomponents import activations
        >>> activations.get("maxout:4").num_pieces
        4
        >>> activations.get("relu") is keras.activations.relu
        True
        >>> type(activations.get("relu", as_layer=True)).__name__
        'Activation'

    Reference: names of Keras's activations, https://keras.io/api/layers/activations
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
            rule = f"The parameter of `{name}` is invalid: {error}"
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
    # By the registered name, because `kcomponents.layers` imports this module.
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
