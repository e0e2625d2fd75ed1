"""New layers in the place of those whose activation is replaced."""

import keras

from kcomponents import activations
from kcomponents._check import fail
from kcomponents.initializers import PerPiece
from kcomponents.layers import Maxout
from kcomponents.tuning._rewriting.sites import WIDE
from kcomponents.tuning._spaces.width import positive_root

# Draws whose scale is that of an activation; others are meant as they are.
SCALED = (
    keras.initializers.VarianceScaling,
    keras.initializers.RandomNormal,
    keras.initializers.RandomUniform,
    keras.initializers.TruncatedNormal,
)


class Parts:
    """The new layer and what follows it, for each layer of a model that changes."""

    def __init__(self, graph, sites, hidden):
        self.hidden = hidden
        self.found = {}
        if sites and hidden.pieces > 1:
            self._place_maxouts(graph, sites)
            return
        for site in sites:
            self._place(site, graph.ndim(site.layer))

    def of(self, layer):
        """Return a layer's place taker, itself if there is none, and what follows."""
        return self.found.get(id(layer), (layer, ()))

    def _place(self, site, ndim):
        function = activations.get(self.hidden.identifier)
        if site.layer is not site.source:
            self.found[id(site.layer)] = self.hidden.layer(ndim), ()
            told, behind = "linear", ()
        elif isinstance(function, keras.layers.Layer):
            told, behind = "linear", (self.hidden.layer(ndim),)
        else:
            told, behind = keras.activations.serialize(function), ()
        if site.source is not None:
            changes = {"activation": told, **self._initializer(site.source)}
            self.found[id(site.source)] = copied(site.source, changes), behind

    def _initializer(self, layer):
        """Return the entry of a config, if the layer's initializer is to change."""
        config = layer.get_config().get("kernel_initializer")
        if not isinstance(keras.initializers.get(config), SCALED):
            return {}
        found = self.hidden.kernel_initializer()
        return {"kernel_initializer": keras.initializers.serialize(found)}

    def _place_maxouts(self, graph, sites):
        sources = [_wide(site) for site in sites]
        scale = _scale(graph, sources, self.hidden.pieces)
        for layer in graph.layers:
            if _reads(graph, layer, sources) and not passes_any_width(layer):
                self.found[id(layer)] = copied(layer, {}), ()
        for site in sites:
            changes = self._widened(site.source, scale)
            first = getattr(site.source, "data_format", "") == "channels_first"
            largest = Maxout(self.hidden.pieces, axis=1 if first else -1)
            if site.layer is site.source:
                self.found[id(site.source)] = copied(site.source, changes), (largest,)
            else:
                self.found[id(site.source)] = copied(site.source, changes), ()
                self.found[id(site.layer)] = largest, ()

    def _widened(self, layer, scale):
        """Return what a layer's config must say for all pieces of narrowed units."""
        pieces, config = self.hidden.pieces, layer.get_config()
        name = "units" if "units" in config else "filters"
        width = max(1, round(config[name] * scale)) * pieces
        drawn = self._initializer(layer).get("kernel_initializer")
        drawn = PerPiece(drawn or config["kernel_initializer"], pieces)
        drawn = keras.initializers.serialize(drawn)
        return {name: width, "activation": "linear", "kernel_initializer": drawn}


def copied(layer, changes):
    """Return a fresh layer of the same config but for these entries."""
    return type(layer).from_config({**layer.get_config(), **changes})


def passes_any_width(layer):
    """Tell what need not be made anew for another number of channels."""
    return not isinstance(layer, keras.layers.Layer) or not layer.weights


def _wide(site):
    source = site.source
    if not isinstance(source, WIDE) or getattr(source, "groups", 1) > 1:
        fail(
            "A maxout takes the place of an activation behind a `Dense` or a `Conv`"
            " without groups, read by nothing else. Leave the layer out by"
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
        # What it comes to for a deep net of equal widths.
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
