"""Parts: the new layers for the layers whose activation is replaced."""

import keras

from kcomponents import activations
from kcomponents._check import fail
from kcomponents.initializers import PerPiece
from kcomponents.layers import Maxout
from kcomponents.tuning._rewriting.sites import WIDE
from kcomponents.tuning._spaces.width import positive_root

# Initializers whose scale depends on the activation; others are kept.
SCALED = (
    keras.initializers.VarianceScaling,
    keras.initializers.RandomNormal,
    keras.initializers.RandomUniform,
    keras.initializers.TruncatedNormal,
)


class Parts:
    """The new layer and the layers after it, for each layer that changes."""

    def __init__(self, graph, sites, hidden):
        self.hidden = hidden
        # ID of the old layer → new layer, layers after it.
        self.replaced = {}
        if sites and hidden.pieces > 1:
            self._place_maxouts(graph, sites)
            return
        for site in sites:
            self._place(site, graph.ndim(site.layer))

    def of(self, layer):
        """Return the new layer (the layer itself if unchanged) and the layers after."""
        return self.replaced.get(id(layer), (layer, ()))

    def _place(self, site, ndim):
        function = activations.get(self.hidden.identifier)
        if site.layer is not site.source:
            self.replaced[id(site.layer)] = self.hidden.layer(ndim), ()
            activation, after = "linear", ()
        elif isinstance(function, keras.layers.Layer):
            activation, after = "linear", (self.hidden.layer(ndim),)
        else:
            activation, after = keras.activations.serialize(function), ()
        if site.source is not None:
            changes = {"activation": activation, **self._initializer(site.source)}
            self.replaced[id(site.source)] = copied(site.source, changes), after

    def _initializer(self, layer):
        """Return the layer's new initializer as an entry of its config, if any."""
        config = layer.get_config().get("kernel_initializer")
        if not isinstance(keras.initializers.get(config), SCALED):
            return {}
        initializer = self.hidden.kernel_initializer()
        return {"kernel_initializer": keras.initializers.serialize(initializer)}

    def _place_maxouts(self, graph, sites):
        sources = [_wide(site) for site in sites]
        scale = _scale(graph, sources, self.hidden.pieces)
        for layer in graph.layers:
            if _reads(graph, layer, sources) and not passes_any_width(layer):
                self.replaced[id(layer)] = copied(layer, {}), ()
        for site in sites:
            changes = self._widened(site.source, scale)
            first = getattr(site.source, "data_format", "") == "channels_first"
            maxout = Maxout(self.hidden.pieces, axis=1 if first else -1)
            if site.layer is site.source:
                after = (maxout,)
            else:
                after = ()
                self.replaced[id(site.layer)] = maxout, ()
            self.replaced[id(site.source)] = copied(site.source, changes), after

    def _widened(self, layer, scale):
        """Return the changes of a layer's config for `pieces` times narrower units."""
        pieces, config = self.hidden.pieces, layer.get_config()
        name = "units" if "units" in config else "filters"
        width = max(1, round(config[name] * scale)) * pieces
        initializer = self._initializer(layer).get("kernel_initializer")
        initializer = PerPiece(initializer or config["kernel_initializer"], pieces)
        initializer = keras.initializers.serialize(initializer)
        return {name: width, "activation": "linear", "kernel_initializer": initializer}


def copied(layer, changes):
    """Return a new layer with the same config, except for these changes."""
    return type(layer).from_config({**layer.get_config(), **changes})


def passes_any_width(layer):
    """Return whether a layer can be reused for another number of channels."""
    return not isinstance(layer, keras.layers.Layer) or not layer.weights


def _wide(site):
    source = site.source
    if not isinstance(source, WIDE) or getattr(source, "groups", 1) > 1:
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
        if passes_any_width(layer):
            continue
        wide = any(layer is source for source in sources)
        reads = _reads(graph, layer, sources)
        weights = layer.count_params()
        both += weights * (wide and reads)
        only_wide += weights * (wide and not reads)
        only_reading += weights * (reads and not wide)
    line = pieces * only_wide + only_reading
    return positive_root(pieces * both, line, -only_wide - only_reading - both)
