"""Layer taps: what layers with an activation take and give, seen in their `call`."""

import threading

import keras

from kcomponents import _backends
from kcomponents.probes._views import OutputView


class _Pass(threading.local):
    """A forward pass in the middle; each replica runs one in a thread of its own."""

    level = None

    def begin(self):
        """Forget the pass before."""
        self.level = _backends.trace_level()
        self.calls, self.outputs, self.pieces = {}, {}, {}

    def end(self):
        """Forget this one."""
        self.level = None
        self.outputs, self.pieces = {}, {}


class LayerTaps:
    """Shows each call of the watched layers to `observer`, while one is set.

    `observer(site, watched, view)`: a site is the path of a layer; a layer without
    weights that is called several times in one pass has one for each, `path:2` the
    second, since its units are others each time. `wanted`, if it is not None, is the
    set of sites to show.
    """

    def __init__(self, model, watched, shadow):
        self.observer = self.wanted = None
        self.refused = set()
        self.last = set()
        self._pass = _Pass()
        self._with_weights = {item.path for item in watched if item.layer.weights}
        shadow.cover(model, "call", self._cover_model)
        for item in watched:
            shadow.cover(item.layer, "call", self._cover_layer(item))
            if isinstance(inner := _pieces_of(item.layer), keras.layers.Layer):
                shadow.cover(inner, "call", self._cover_pieces(item))

    def _cover_model(self, original):
        def call(*args, **kwargs):
            if self.observer is None:
                return original(*args, **kwargs)
            self._pass.begin()
            try:
                outputs = original(*args, **kwargs)
                if self.wanted is None:
                    given = {id(y) for y in keras.tree.flatten(outputs)}
                    seen = self._pass.outputs.items()
                    self.last |= {site for site, y in seen if id(y) in given}
                return outputs
            finally:
                # Not to keep a step's tensors alive through the next one.
                self._pass.end()

        return call

    def _cover_layer(self, watched):
        def make(original):
            def call(*args, **kwargs):
                outputs = original(*args, **kwargs)
                if self.observer is not None and self._pass.level is not None:
                    self._see(watched, args, outputs)
                return outputs

            return call

        return make

    def _cover_pieces(self, watched):
        def make(original):
            def call(*args, **kwargs):
                outputs = original(*args, **kwargs)
                if self._pass.level is not None:
                    self._pass.pieces[watched.path] = outputs
                return outputs

            return call

        return make

    def _see(self, watched, args, outputs):
        site = self._site(watched)
        if self.wanted is not None and site not in self.wanted:
            return
        if _backends.trace_level() != self._pass.level:
            # What is computed inside a loop or a map cannot leave it.
            self.refused.add(site)
            return
        pieces = self._pass.pieces.pop(watched.path, args[0] if args else None)
        first = outputs
        if isinstance(outputs, (list, tuple, dict)):
            [first, *_] = keras.tree.flatten(outputs)
        if self.wanted is None:
            self._pass.outputs[site] = first
        view = OutputView(
            given=pieces,
            outputs=keras.ops.stop_gradient(first),
            activation=watched.activation,
            axis=watched.axis,
            layer=watched.layer,
        )
        self.observer(site, watched, view)

    def _site(self, watched):
        if watched.path in self._with_weights:
            return watched.path
        calls = self._pass.calls
        number = calls[watched.path] = calls.get(watched.path, 0) + 1
        return watched.path if number == 1 else f"{watched.path}:{number}"


def _pieces_of(layer):
    """Return the layer that computes the pieces of a fused maxout, if it is one."""
    return getattr(layer, "linear", None) if hasattr(layer, "num_pieces") else None
