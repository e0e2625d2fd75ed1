"""Choice: one train function for measured steps, and one for all others."""

import functools
import itertools
import weakref

import keras

from kcomponents import _backends, _keras
from kcomponents._keras.callback_list import calling_list, guard_callbacks, guarded
from kcomponents.probes._layer_walk import watched_layers
from kcomponents.probes._method_covers import Shadow
from kcomponents.probes._model_taps import LayerTaps, LossTap
from kcomponents.probes._optimizer_tap import OptimizerTap
from kcomponents.probes.structure import unscaled


def counts_of(model):
    """Return how the steps of a model are counted, as in `kcomponents._backends`."""
    several = model.steps_per_execution > 1
    return "device" if several and _backends.counts == "steps" else _backends.counts


class Choice:
    """Calls the train function that measures the tallies due in this step.

    Args:
        make: Function that returns a new train function. Which tallies are due is fixed
            while it is traced.
        tallies: Sampled tallies, whose steps are counted here.
    """

    def __init__(self, make, tallies):
        self._tallies = tallies
        # Made now, because within a step the model's variables have no values on JAX,
        # which needs them for their sharding. Compiled at the first call.
        answers = itertools.product((True, False), repeat=len(tallies))
        self._functions = {due: make() for due in answers}

    def __call__(self, *args, **kwargs):
        due = tuple(tally.due() for tally in self._tallies)
        outputs = self._functions[due](*args, **kwargs)
        for tally in self._tallies:
            tally.count("steps")
        return outputs


# Dry run: call a model on symbolic inputs, so that its taps learn the shapes.


class _Call(keras.layers.Layer):
    """A layer that calls a function without tracking its variables."""

    def __init__(self, function):
        super().__init__()
        self.__dict__["function"] = function

    def call(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def dry_run(model):
    """Call a built model on symbolic inputs of the shapes it was built for.

    Nothing is computed and nothing changes. Errors of the model are raised.
    """
    args, kwargs = keras.tree.map_structure(_known_batch, _inputs(model))
    call = _Call(lambda *args, **kwargs: model(*args, training=False, **kwargs))
    call.compute_output_spec(*args, **kwargs)


def _inputs(model):
    if isinstance(model, keras.Sequential):
        return model.inputs, {}
    if hasattr(model, "operations"):
        return (model.input,), {}
    config = model.get_build_config()
    if "input_shape" in config:
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


# Hub: the taps on one model, shared by all of its probes.

_hubs = weakref.WeakKeyDictionary()


def hub_of(model):
    """Return the hub of a model in this `fit`, with its taps attached."""
    running = calling_list()
    hub = _hubs.get(model)
    if hub is not None and not hub.is_of(running):
        # Left over from a `fit` that ended with an exception.
        hub.detach()
        hub = None
    if hub is None:
        hub = _hubs[model] = Hub(model, running)
    return hub


def tapped_optimizer(model):
    """Return the optimizer that gets the gradients without loss scale, or None."""
    return unscaled(getattr(model, "optimizer", None))


class Hub:
    """Attaches taps to a model, passes their measurements to probes, detaches them."""

    def __init__(self, model, running):
        # A weak reference, so that the table of hubs does not keep models alive.
        self._model = weakref.ref(model)
        self._running = None if running is None else weakref.ref(running)
        self._function = model.train_function
        self._made = None
        self.probes = []
        self._training = 0
        # Weak references, as graphs that are gone before `fit` ends need no clean-up.
        self._graphs = weakref.WeakSet()
        self._shadow = Shadow()
        self._passengers = _Passengers(model, self._shadow)
        self.layers = LayerTaps(model, watched_layers(model), self._shadow)
        self.loss = LossTap(model, self._shadow, self._listeners)
        if (optimizer := tapped_optimizer(model)) is not None:
            OptimizerTap(optimizer, self._shadow, self._listeners, self._skips)
        self._shadow.cover(model, "train_step", self._cover_train_step)
        if running is not None:
            guard_callbacks(running, self.detach)

    def is_of(self, running):
        """Return whether the taps were attached in the `fit` of these callbacks."""
        if self._running is None or running is None:
            return self._running is running
        return self._running() is running

    def join(self, probe):
        """Add a probe."""
        self.probes.append(probe)
        self._passengers.change(self._tallies(True), self._tallies(False))
        sampled = [
            t for p in self.probes for t in p.of_optimizer if t.counts == "steps"
        ]
        function = Choice(self._make, sampled) if sampled else self._make()
        self._made = guarded(function, self.detach)
        self._model().train_function = self._made

    def _make(self):
        """Return a new train function, which is compiled at its first call."""
        model = self._model()
        before, step = model.train_function, model.train_step
        # The backend caches by function, so it needs a new function object.
        model.__dict__["train_step"] = functools.partial(step)
        try:
            model.make_train_function(force=True)
            return model.train_function
        finally:
            model.train_function, model.__dict__["train_step"] = before, step

    def leave(self, probe):
        """Remove a probe; after the last one, detach all taps."""
        self.probes = [other for other in self.probes if other is not probe]
        if not self.probes:
            self.detach()

    def detach(self):
        """Restore the model, even if probes are still attached."""
        model = self._model()
        self.probes = []
        if model is None or _hubs.get(model) is not self:
            return
        del _hubs[model]
        _backends.synchronize(model)
        self._shadow.lift()
        self._passengers.change([], [])
        if model.train_function is self._made:
            # The function compiled before can be used again.
            model.train_function = self._function
        _backends.let_go(self._graphs)
        # JAX keeps compiled functions that are part of a reference cycle.
        self._made = self._function = None

    def rehearse(self, observer):
        """Pass the calls of layers in a dry run to an observer."""
        self.layers.observer, self.layers.wanted = observer, None
        try:
            dry_run(self._model())
        finally:
            self.layers.observer = None

    def _listeners(self, source):
        if not self._training:
            return []
        return [t for probe in self.probes for t in probe.tallies.get(source, ())]

    def _skips(self):
        return self._training and any(probe.skip_nonfinite for probe in self.probes)

    def _observe(self, site, watched, view):
        for probe in self.probes:
            if tally := probe.outputs.get(site):
                tally.add(view)

    def _cover_train_step(self, original):
        def train_step(*args, **kwargs):
            # A counter, as several replicas may be inside a step at once.
            self._training += 1
            if (graph := _backends.graph()) is not None:
                self._graphs.add(graph)
            self.layers.wanted = {s for probe in self.probes for s in probe.outputs}
            self.layers.observer = self._observe if self.layers.wanted else None
            try:
                return original(*args, **kwargs)
            finally:
                self._training -= 1
                if not self._training:
                    self.layers.observer = None

        return train_step

    def _tallies(self, of_optimizer):
        found = [] if of_optimizer else [self.loss.count]
        for probe in self.probes:
            found += probe.of_optimizer if of_optimizer else probe.of_model
        return [variable for tally in found for variable in tally.carried]


class _Passengers:
    """Variables that the compiled step must pass through, on stateless backends."""

    def __init__(self, model, shadow):
        self._model = weakref.ref(model)
        self._optimizer = tapped_optimizer(model)
        self._in_optimizer, self._in_model = [], []
        if _backends.carries_state and self._optimizer is not None:
            for optimizer in {
                id(o): o for o in (model.optimizer, self._optimizer)
            }.values():
                for name in ("save_own_variables", "load_own_variables"):
                    shadow.cover(optimizer, name, self._cover_store)

    def change(self, in_optimizer, in_model):
        """Pass these variables through the step, instead of the previous ones."""
        if not _backends.carries_state:
            return
        _keras.leave_model(self._model(), self._in_model)
        _keras.board_model(self._model(), in_model)
        if self._optimizer is not None:
            _keras.leave_optimizer(self._optimizer, self._in_optimizer)
            _keras.board_optimizer(self._optimizer, in_optimizer)
        self._in_optimizer, self._in_model = in_optimizer, in_model

    def _cover_store(self, original):
        def use(store):
            with _keras.without(self._optimizer, self._in_optimizer):
                return original(store)

        return use
