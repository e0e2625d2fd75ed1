"""prune: take out of a trained model what does nothing."""

import contextlib
import warnings

import keras
import numpy as np

from kcomponents._check import number
from kcomponents.surgery._idle import idle_units, put_into_bias
from kcomponents.surgery._spans import spans_of
from kcomponents.surgery._ways import ways_of
from kcomponents.surgery._weights import Weights


def prune(model, x, *, tolerance=1e-6, batch_size=128):
    r"""Return a smaller model that says the same on the data.

    Taken out are units (of `Dense`) and filters (of `Conv1D`, `Conv2D`, `Conv3D`) that
    add the same to all they are connected to, whatever the sample,

        max_x u(x) w - min_x u(x) w <= tolerance   for the largest weight w behind u,

    such as rectifiers that never fire, or whose weights withered. What they always add
    goes into the biases behind them. Between the layers there may be activations,
    dropout, pooling, `BatchNormalization` and `Flatten`; units that reach an output, or
    a layer that looks at several at once (`Add`, a softmax), stay. One unit always
    stays.

    The data decides what "never" means: give all of it.

    Args:
        model: Built `Sequential` or functional model. It stays as it is.
        x: Inputs: an array, a list or dict of arrays, or an iterable of batches.
        tolerance: Number of at least 0, by how much a sum behind a unit may change.
            Defaults to 1e-6.
        batch_size: Integer, samples looked at together. Defaults to 128.

    Returns:
        A model of the same class with the same names, trained weights and inputs. It is
        compiled like the given one, with a new optimizer, if that can be told by its
        configuration.

    Raises:
        ValueError: If the model has no graph of layers or is not built, there is no
            data, or a number is out of range.

    Example:
        >>> import keras
        >>> from kcomponents.surgery import prune
        >>> hidden = keras.layers.Dense(8, "relu")
        >>> model = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(1)])
        >>> dead = hidden.bias.assign([-9.0] * 6 + [1.0] * 2)  # six never fire
        >>> small = prune(model, keras.random.uniform((64, 3)))
        >>> [layer.units for layer in small.layers]
        [2, 1]

    Reference: Hu et al., "Network Trimming: A Data-Driven Neuron Pruning Approach
    towards Efficient Deep Architectures", 2016, https://arxiv.org/abs/1607.03250
    """
    tolerance = number("tolerance", tolerance, 0)
    ways = ways_of(model)
    spans = spans_of(model, ways, x, batch_size)
    weights, sizes, taken = Weights(model), {}, []
    for way in ways:
        idle = idle_units(way, spans, tolerance)
        # A layer without units cannot be.
        idle[0] &= not idle.all()
        if idle.any():
            taken.append((way, np.flatnonzero(~idle)))
            put_into_bias(weights, way, spans, idle)
            sizes[way.maker.name] = int(np.sum(~idle))
    for way, kept in taken:
        weights.take_units(way, kept)
    small = _resized(model, sizes)
    weights.give(small)
    return small


def _resized(model, sizes):
    """Return a model like this one, some layers with other numbers of units."""

    def resized(layer):
        config = layer.get_config()
        if layer.name in sizes:
            name = "units" if "units" in config else "filters"
            config[name] = sizes[layer.name]
        return type(layer).from_config(config)

    # Which `clone_model` would insist on compiling too.
    compiled, model.compiled = model.compiled, False
    try:
        small = keras.models.clone_model(model, clone_function=resized)
    finally:
        model.compiled = compiled
    if compiled:
        # Functions of the user's own that nobody registered cannot be told.
        with contextlib.suppress(ValueError, TypeError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            small.compile_from_config(model.get_compile_config())
    return small
