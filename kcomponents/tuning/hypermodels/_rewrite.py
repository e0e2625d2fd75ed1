"""Replace the hidden activations of a model.

The model becomes a graph of layers; sites are its hidden activations; replacements are
the new layers.
"""

import dataclasses
import re

import keras

from kcomponents import activations
from kcomponents._activation_traits import COMPARING
from kcomponents._checks import fail
from kcomponents._keras import calls_of
from kcomponents._keras.models import compile_arguments, is_plain
from kcomponents.initializers import PerPiece
from kcomponents.layers import Maxout, PReLU, RReLU
from kcomponents.regularizers import exclude_from_decay
from kcomponents.tuning._choice_arguments import positive_root


def with_activation(model, hidden, exclude):
    """Return a model with another hidden activation, compiled like the given model.

    It shares unchanged layers with the given model, which must not be used again.
    """
    arguments = compile_arguments(model)
    new = _replace(model, hidden, exclude, all_hidden=False)
    if new is None:
        rule = "The model has no hidden activation to replace."
        fail(rule, model=model.name, exclude=list(exclude))
    if arguments:
        _compile(new, arguments)
    return new


def _replace(model, hidden, exclude, all_hidden):
    """Return the new model, or None if there is nothing to replace."""
    graph = Graph(model)
    hidden_sites = sites(graph, exclude, all_hidden=all_hidden)
    replacements = Replacements(graph, hidden_sites, hidden)
    last = () if all_hidden else last_layers(graph)
    for layer in graph.layers:
        # A frozen model is pretrained with its activations.
        if isinstance(layer, keras.Model) and is_plain(layer) and layer.trainable:
            inner = _replace(layer, hidden, exclude, id(layer) not in last)
            if inner is not None:
                _refuse_maxout(hidden, layer)
                replacements.layers[id(layer)] = inner, ()
    if not replacements.layers:
        return None
    try:
        return _assemble(model, replacements)
    except (TypeError, ValueError) as error:
        rule = f"The model cannot be built with `{hidden.identifier}`: {error}"
        raise ValueError(f"{rule} Received: model={model.name!r}") from error


def _refuse_maxout(hidden, layer):
    if hidden.pieces > 1:
        rule = "A maxout cannot change the widths of a model inside a model."
        fail(f"{rule} Set its `trainable` to False, or exclude it.", model=layer.name)


def _assemble(model, replacements):
    if isinstance(model, keras.Sequential):
        new = [replacements.of(layer) for layer in model.layers]
        layers = [each for layer, after in new for each in (layer, *after)]
        inputs = [_input(tensor) for tensor in model.inputs] if model.built else []
        trainable = model.trainable
        return keras.Sequential(
            [*inputs, *layers], name=model.name, trainable=trainable
        )

    following = {id(layer): after for layer, after in replacements.layers.values()}

    def call(layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        for after in following.get(id(layer), ()):
            outputs = after(outputs)
        return outputs

    # Otherwise cloning would copy the compile config, which may be impossible.
    model.compiled = False
    return keras.models.clone_model(
        model,
        clone_function=lambda layer: replacements.of(layer)[0],
        call_function=call,
    )


def _input(tensor):
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)


def _compile(model, arguments):
    optimizer = arguments["optimizer"]
    if isinstance(optimizer, keras.optimizers.Optimizer) and optimizer.built:
        # It is built for the weights of the given model.
        optimizer = type(optimizer).from_config(optimizer.get_config())
    model.compile(**{**arguments, "optimizer": optimizer})
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if model.built and inner.weight_decay:
        # Earlier exclusions do not cover new weights, such as PReLU slopes.
        exclude_from_decay(inner, model)


# New layers for the layers whose activation is replaced

# Initializers whose scale depends on the activation; others are kept.
SCALED = (
    keras.initializers.VarianceScaling,
    keras.initializers.RandomNormal,
    keras.initializers.RandomUniform,
    keras.initializers.TruncatedNormal,
)


class Replacements:
    """The new layer and the layers after it, for each layer that changes."""

    def __init__(self, graph, sites, hidden):
        self.hidden = hidden
        # ID of the old layer → new layer, layers after it.
        self.layers = {}
        if sites and hidden.pieces > 1:
            self._place_maxouts(graph, sites)
            return
        for site in sites:
            self._place(site, graph.ndim(site.layer))

    def of(self, layer):
        """Return the new layer (the layer itself if unchanged) and the layers after."""
        return self.layers.get(id(layer), (layer, ()))

    def _place(self, site, ndim):
        function = activations.get(self.hidden.identifier)
        if site.layer is not site.source:
            self.layers[id(site.layer)] = self.hidden.layer(ndim), ()
            activation, after = "linear", ()
        elif isinstance(function, keras.layers.Layer):
            activation, after = "linear", (self.hidden.layer(ndim),)
        else:
            activation, after = keras.activations.serialize(function), ()
        if site.source is not None:
            changes = {"activation": activation, **self._initializer(site.source)}
            self.layers[id(site.source)] = copy_layer(site.source, changes), after

    def _initializer(self, layer):
        """Return the layer's new initializer as an entry of its config, if any."""
        config = layer.get_config().get("kernel_initializer")
        if not isinstance(keras.initializers.get(config), SCALED):
            return {}
        initializer = self.hidden.kernel_initializer()
        return {"kernel_initializer": keras.initializers.serialize(initializer)}

    def _place_maxouts(self, graph, sites):
        sources = [_maxout_source(site) for site in sites]
        scale = _scale(graph, sources, self.hidden.pieces)
        for layer in graph.layers:
            if _reads(graph, layer, sources) and not fits_any_width(layer):
                self.layers[id(layer)] = copy_layer(layer, {}), ()
        for site in sites:
            changes = self._maxout_changes(site.source, scale)
            first = getattr(site.source, "data_format", "") == "channels_first"
            maxout = Maxout(self.hidden.pieces, axis=1 if first else -1)
            if site.layer is site.source:
                after = (maxout,)
            else:
                after = ()
                self.layers[id(site.layer)] = maxout, ()
            self.layers[id(site.source)] = copy_layer(site.source, changes), after

    def _maxout_changes(self, layer, scale):
        """Return the changes of a layer's config for `pieces` times narrower units."""
        pieces, config = self.hidden.pieces, layer.get_config()
        name = "units" if "units" in config else "filters"
        width = max(1, round(config[name] * scale)) * pieces
        initializer = self._initializer(layer).get("kernel_initializer")
        initializer = PerPiece(initializer or config["kernel_initializer"], pieces)
        initializer = keras.initializers.serialize(initializer)
        return {name: width, "activation": "linear", "kernel_initializer": initializer}


def copy_layer(layer, changes):
    """Return a new layer with the same config, except for these changes."""
    return type(layer).from_config({**layer.get_config(), **changes})


def fits_any_width(layer):
    """Return whether a layer can be reused for another number of channels."""
    return not isinstance(layer, keras.layers.Layer) or not layer.weights


def _maxout_source(site):
    source = site.source
    if not isinstance(source, MAXOUT_SOURCES) or getattr(source, "groups", 1) > 1:
        fail(
            "A maxout can only replace the activation of a `Dense` or `Conv` layer"
            " without groups, whose output no other layer reads. Add the layer to"
            " `exclude`, or use `tuning.activation` in `build`.",
            layer=site.layer.name,
        )
    return source


def _reads(graph, layer, sources):
    before = graph.weighted_before(layer)
    return any(other is source for other in before for source in sources)


def _scale(graph, sources, pieces):
    """Return the factor of all widths that keeps the number of weights."""
    if not all(getattr(layer, "built", True) for layer in graph.layers):
        # Right for deep networks of equal widths.
        return pieces**-0.5
    only_wide = only_reading = both = 0
    for layer in graph.layers:
        if fits_any_width(layer):
            continue
        wide = any(layer is source for source in sources)
        reads = _reads(graph, layer, sources)
        weights = layer.count_params()
        both += weights * (wide and reads)
        only_wide += weights * (wide and not reads)
        only_reading += weights * (reads and not wide)
    line = pieces * only_wide + only_reading
    return positive_root(pieces * both, line, -only_wide - only_reading - both)


# The hidden activations of a model, and the layers that feed them

_layers = keras.layers
# Layers that can become a maxout, layers with an `activation` argument, and activation
# layers.
MAXOUT_SOURCES = (_layers.Dense, _layers.Conv1D, _layers.Conv2D, _layers.Conv3D)
WITH_ACTIVATION = (
    *MAXOUT_SOURCES,
    _layers.EinsumDense,
    *(_layers.Conv1DTranspose, _layers.Conv2DTranspose, _layers.Conv3DTranspose),
    *(_layers.SeparableConv1D, _layers.SeparableConv2D),
    *(_layers.DepthwiseConv1D, _layers.DepthwiseConv2D),
)
ACTIVATION_LAYERS = (
    *(_layers.Activation, _layers.ReLU, _layers.LeakyReLU, _layers.ELU),
    *(_layers.PReLU, PReLU, RReLU),
)
# A softmax compares units, in attention or an output: it is no hidden activation.
NOT_HIDDEN = {"linear", *COMPARING}


@dataclasses.dataclass(frozen=True)
class HiddenSite:
    """A hidden activation: the layer that applies it, and the layer that feeds it.

    `source` is `layer` itself if it has an `activation` argument, and None if no single
    layer feeds it.
    """

    layer: keras.layers.Layer
    source: keras.layers.Layer | None


def sites(graph, exclude=(), *, all_hidden=False):
    """Return the sites of a graph, without the last activations.

    With `all_hidden`, for a model inside a model, these are included.
    """
    last = set() if all_hidden else last_layers(graph)
    return [
        HiddenSite(layer, _source(graph, layer))
        for layer in graph.layers
        if id(layer) not in last and _is_active(layer)
        if not _is_excluded(layer, exclude) and not _is_gate(graph, layer)
    ]


def _is_excluded(layer, patterns):
    return any(re.search(pattern, layer.name) for pattern in patterns)


def _is_gate(graph, layer):
    """Return whether the activation is a sigmoid gate, read by `Multiply` only."""
    if "sigmoid" not in getattr(_activation(layer), "__name__", ""):
        return False
    readers = graph.readers(layer)
    # Both `keras.layers.Multiply` and the operation `*`.
    return bool(readers) and all(type(r).__name__ == "Multiply" for r in readers)


def _activation(layer):
    return getattr(layer, "activation", None)


def _is_active(layer):
    if isinstance(layer, (_layers.Activation, *WITH_ACTIVATION)):
        # A layer or another callable counts as an activation too.
        return getattr(_activation(layer), "__name__", "") not in NOT_HIDDEN
    return isinstance(layer, ACTIVATION_LAYERS)


def last_layers(graph):
    """Return IDs of the last layers with a kernel or activation, and those after."""
    found, waiting = set(), list(graph.last)
    while waiting:
        layer = waiting.pop()
        found.add(id(layer))
        if not isinstance(layer, ACTIVATION_LAYERS) and not _has_kernel(layer):
            waiting += graph.before(layer)
    return found


def _has_kernel(layer):
    # Also for a layer that is not built yet.
    kinds = *WITH_ACTIVATION, keras.Model
    return isinstance(layer, kinds) or not is_channelwise(layer)


def _source(graph, layer):
    """Return the layer that alone feeds an activation, or None.

    It is the layer itself if it has an `activation` argument, else a linear layer.
    """
    if isinstance(layer, WITH_ACTIVATION):
        return layer
    while len(before := graph.before(layer)) == 1:
        [layer] = before
        if len(graph.readers(layer)) > 1:
            return None
        if isinstance(layer, WITH_ACTIVATION):
            linear = getattr(_activation(layer), "__name__", "") == "linear"
            return layer if linear else None
        if isinstance(layer, keras.Model) or not is_channelwise(layer):
            return None
    return None


# The layers of a model and their connections


class Graph:
    """Layers of a `Sequential` or functional model, in no particular order.

    Args:
        model: Keras model. A `Sequential` model need not be built.
    """

    def __init__(self, model):
        if not is_plain(model):
            fail(
                "The model must be `Sequential` or functional. For a subclassed model,"
                " use `tuning.activation` in `build`.",
                model=type(model).__name__,
            )
        self.layers, self._before, self.last = [], {}, []
        self._ndim = {}
        if model.built:
            self._ndim = {
                id(maker): len(outputs[0].shape)
                for maker, _, outputs in calls_of(model)
            }
        if isinstance(model, keras.Sequential):
            self._read_sequential(model)
        else:
            self._read_functional(model)

    def _read_sequential(self, model):
        self.layers = list(model.layers)
        for layer, before in zip(self.layers[1:], self.layers, strict=False):
            self._before[id(layer)] = [before]
        self.last = self.layers[-1:]

    def _read_functional(self, model):
        calls = calls_of(model)
        makers = {id(t): maker for maker, _, outputs in calls for t in outputs}
        self.layers = list({id(maker): maker for maker, _, _ in calls}.values())
        for maker, read, _ in calls:
            before = self._before.setdefault(id(maker), [])
            before += [makers[id(tensor)] for tensor in read if id(tensor) in makers]
        self.last = [makers[id(t)] for t in model.outputs if id(t) in makers]

    def ndim(self, layer):
        """Return the number of axes of a layer's output."""
        return self._ndim.get(id(layer), getattr(layer, "rank", 0) + 2)

    def before(self, layer):
        """Return the layers whose outputs a layer reads."""
        return self._before.get(id(layer), [])

    def readers(self, layer):
        """Return the layers that read a layer's output."""
        return [other for other in self.layers if layer in self.before(other)]

    def weighted_before(self, layer, found=None):
        """Return the nearest layers with kernels before a layer."""
        found = [] if found is None else found
        for before in self.before(layer):
            if is_channelwise(before):
                self.weighted_before(before, found)
            elif before not in found:
                found.append(before)
        return found


def is_channelwise(layer):
    """Return whether a layer has no kernel, and keeps its channels apart."""
    if isinstance(layer, CHANNELWISE) or not isinstance(layer, keras.layers.Layer):
        return True
    # A layer that is not built yet may have weights later.
    has_none = layer.built or type(layer).build is keras.layers.Layer.build
    return has_none and not layer.weights


# Layers with weights, but without a kernel.
CHANNELWISE = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.RMSNormalization,
    keras.layers.UnitNormalization,
    keras.layers.PReLU,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
)
