"""Taps on a model: the outputs of its layers, and the loss of each batch."""

import threading

import keras
from keras import ops

from kcomponents import _backends, _console, _keras
from kcomponents.probes._side_effects import without_side_effects
from kcomponents.probes._tally import Tally
from kcomponents.probes._views import LossView, OutputView
from kcomponents.probes.layer_walk import watched_layers
from kcomponents.probes.statistic import Statistic


class _Pass(threading.local):
    """The current forward pass; each replica runs in its own thread."""

    level = None

    def start(self):
        """Start a new pass."""
        self.level = _backends.trace_level()
        self.calls, self.outputs, self.pieces = {}, {}, {}

    def end(self):
        """Drop the tensors of this pass."""
        self.level = None
        self.outputs, self.pieces = {}, {}


def _call(measure, *args):
    return measure(*args)


class LayerTaps:
    """Passes each call of the watched layers to `observer`, if one is set.

    It is called as `observer(site, watched, view)`. A site is the path of a layer. If a
    layer without weights is called several times in one pass, each call has a site,
    such as `path:2` for the second, because its units differ. `wanted` is the set of
    sites to pass on, or None for all. `attempt(measure, *args)` calls `measure`, and
    may keep its errors away from the model.
    """

    def __init__(self, model, covers, attempt=_call):
        self.observer = self.wanted = None
        self._attempt = attempt
        self.refused = set()
        self.last = set()
        self._pass = _Pass()
        watched = watched_layers(model)
        self._with_weights = {item.path for item in watched if _has_weights(item.layer)}
        for called in _called_models(model):
            covers.cover(called, "call", self._cover_model)
        for item in watched:
            covers.cover(item.layer, "call", self._cover_layer(item))
            if isinstance(inner := _pieces_of(item.layer), keras.layers.Layer):
                covers.cover(inner, "call", self._cover_pieces(item))

    def dry_run(self, model, observer):
        """Call the model on symbolic inputs, and pass its layers to an observer.

        Errors of the model are raised.
        """
        self.observer, self.wanted = observer, None
        try:
            for called in _called_models(model):
                _dry_run(called)
        finally:
            self.observer = None

    def _cover_model(self, original):
        def call(*args, **kwargs):
            if self.observer is None:
                return original(*args, **kwargs)
            self._pass.start()
            try:
                outputs = original(*args, **kwargs)
                if self.wanted is None:
                    returned = {id(y) for y in keras.tree.flatten(outputs)}
                    of_sites = self._pass.outputs.items()
                    self.last |= {site for site, y in of_sites if id(y) in returned}
                return outputs
            finally:
                # So that the tensors of a step are freed before the next one.
                self._pass.end()

        return call

    def _cover_layer(self, watched):
        def make(original):
            def call(*args, **kwargs):
                outputs = original(*args, **kwargs)
                if self.observer is not None and self._pass.level is not None:
                    # The errors of a dry run are raised: PyTorch needs them.
                    attempt = _call if self.wanted is None else self._attempt
                    attempt(self._pass_on, watched, args, outputs)
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

    def _pass_on(self, watched, args, outputs):
        """Pass one call of a layer to the observer."""
        site = self._site(watched)
        if self.wanted is not None and site not in self.wanted:
            return
        if _backends.trace_level() != self._pass.level:
            # Tensors inside a loop or map cannot be used outside it.
            self.refused.add(site)
            return
        pieces = self._pass.pieces.pop(watched.path, args[0] if args else None)
        first = outputs
        if isinstance(outputs, (list, tuple, dict)):
            [first, *_] = keras.tree.flatten(outputs)
        if self.wanted is None:
            self._pass.outputs[site] = first
        view = OutputView(
            inputs_with_gradient=pieces,
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


def _has_weights(layer):
    # An operation of a graph has none.
    return bool(getattr(layer, "weights", None))


def _pieces_of(layer):
    """Return the inner layer that computes the pieces of a fused maxout, or None."""
    return getattr(layer, "linear", None) if hasattr(layer, "num_pieces") else None


def _called_models(model):
    """Return the model, or those that its `train_step` calls if it never is itself."""
    if _was_called(model):
        return [model]
    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return [called for each in inner for called in _called_models(each)]


def _was_called(model):
    """Return whether the shapes of the inputs of a built model are known."""
    if isinstance(model, keras.Sequential) or hasattr(model, "operations"):
        return True
    config = model.get_build_config() or {}
    return bool(config.get("input_shape") or config.get("shapes_dict"))


def _dry_run(model):
    """Call a built model on symbolic inputs of the shapes it was built for.

    Nothing is computed and nothing changes.
    """
    args, kwargs = keras.tree.map_structure(_known_batch, _inputs(model))
    call = _Call(lambda *args, **kwargs: model(*args, training=False, **kwargs))
    # On PyTorch, Keras runs a model that does not run on symbolic tensors.
    with without_side_effects():
        call.compute_output_spec(*args, **kwargs)


def _inputs(model):
    if isinstance(model, keras.Sequential):
        return model.inputs, {}
    if hasattr(model, "operations"):
        return (model.input,), {}
    config = model.get_build_config()
    if config.get("input_shape"):
        return (_specs(config["input_shape"]),), {}
    shapes = config["shapes_dict"]
    return (), {name.removesuffix("_shape"): _specs(s) for name, s in shapes.items()}


def _known_batch(tensor):
    """Return a symbolic tensor of batch size 2, if only the batch size is unknown.

    JAX would trace again, and keep the trace, for each unknown size.
    """
    batch, *others = tensor.shape or [0]
    if batch is not None or None in others:
        return tensor
    known = (2, *others)
    return keras.KerasTensor(known, tensor.dtype, sparse=tensor.sparse)


def _specs(shapes):
    if isinstance(shapes, dict):
        return {name: _specs(shape) for name, shape in shapes.items()}
    if shapes and isinstance(shapes[0], (list, tuple, dict)):
        return [_specs(shape) for shape in shapes]
    return keras.KerasTensor(tuple(shapes))


class _Call(keras.layers.Layer):
    """A layer that calls a function without tracking its variables."""

    def __init__(self, function):
        super().__init__()
        self.__dict__["function"] = function

    def call(self, *args, **kwargs):
        return self.function(*args, **kwargs)


# On stateless backends the forward pass cannot read the optimizer's count of steps.
BATCHES = Statistic("batches", "losses", lambda view: 1.0)


class BatchCount:
    """Counts the batches whose losses are measured.

    Args:
        in_python: Boolean, whether a step runs in Python, which can count.
    """

    def __init__(self, in_python):
        self.tally, self.in_python = Tally({BATCHES: ()}, replicas=True), in_python
        self._calls = 0

    def next(self):
        """Count one batch, and return its number."""
        if self.in_python:
            self._calls += 1
            return float(self._calls)
        [count] = self.tally.variables
        number = count.value[0] + 1.0
        self.tally.add(LossView(loss=0.0, step=number))
        return number

    def get_state(self):
        """Return the count, as plain values and arrays."""
        return {"calls": self._calls, "tally": self.tally.get_state()}

    def set_state(self, state):
        """Continue from a state that `get_state` returned."""
        self._calls = int(state["calls"])
        self.tally.set_state(state["tally"])


class LossTap:
    """Adds the loss of each training batch to the tallies that `losses` returns.

    It returns pairs of a `BatchCount` and a list of tallies.
    """

    def __init__(self, model, covers, losses, attempt):
        self._losses, self._attempt = losses, attempt
        covers.cover(model, "compute_loss", self._cover)

    def _cover(self, original):
        def compute_loss(*args, **kwargs):
            loss = original(*args, **kwargs)
            if losses := self._losses():
                self._attempt(self._add, loss, losses)
            return loss

        return compute_loss

    def _add(self, loss, losses):
        if _backends.carries_state and not _keras.in_stateless_scope():
            _console.warn(
                "The loss of this model cannot be measured: its `train_step` calls "
                "`compute_loss` outside of a `keras.StatelessScope`. Call "
                "`stateless_compute_loss` instead.",
                stacklevel=3,
            )
            return
        loss = ops.stop_gradient(loss)
        for batches, tallies in losses:
            view = LossView(loss=loss, step=batches.next())
            for tally in tallies:
                tally.add(view)
