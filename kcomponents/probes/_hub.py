"""Hub: the taps of one model, shared by all probes on it."""

import functools
import weakref

from kcomponents import _backends, _keras
from kcomponents.probes._choice import Choice
from kcomponents.probes._compiled import unscaled
from kcomponents.probes._dry_run import dry_run
from kcomponents.probes._guard import calling_list, guard_callbacks, guarded
from kcomponents.probes._layer_tap import LayerTaps
from kcomponents.probes._loss_tap import LossTap
from kcomponents.probes._optimizer_tap import OptimizerTap
from kcomponents.probes._shadow import Shadow
from kcomponents.probes._watched import watched_layers

_hubs = weakref.WeakKeyDictionary()


def hub_of(model):
    """Return the hub of a model in this `fit`; its taps go on with the first probe."""
    running = calling_list()
    hub = _hubs.get(model)
    if hub is not None and not hub.is_of(running):
        # Left over from a training that an exception ended.
        hub.take_off()
        hub = None
    if hub is None:
        hub = _hubs[model] = Hub(model, running)
    return hub


def tapped_optimizer(model):
    """Return the optimizer that sees gradients without loss scale, or None."""
    return unscaled(getattr(model, "optimizer", None))


class Hub:
    """Puts taps on a model, shows what they see to probes, and takes them off."""

    def __init__(self, model, running):
        # Weakly: the table of hubs must not keep models alive.
        self._model = weakref.ref(model)
        self._running = None if running is None else weakref.ref(running)
        self._function = model.train_function
        self._made = None
        self.probes = []
        self._training = 0
        # Weakly: one that is gone before the fit ends needs nothing.
        self._graphs = weakref.WeakSet()
        self._shadow = Shadow()
        self._passengers = _Passengers(model, self._shadow)
        self.layers = LayerTaps(model, watched_layers(model), self._shadow)
        self.loss = LossTap(model, self._shadow, self._listeners)
        if (optimizer := tapped_optimizer(model)) is not None:
            OptimizerTap(optimizer, self._shadow, self._listeners, self._skips)
        self._shadow.cover(model, "train_step", self._cover_train_step)
        if running is not None:
            guard_callbacks(running, self.take_off)

    def is_of(self, running):
        """Return whether these callbacks are those that the taps were put on for."""
        if self._running is None or running is None:
            return self._running is running
        return self._running() is running

    def join(self, probe):
        """Show the step to one more probe."""
        self.probes.append(probe)
        self._passengers.change(self._tallies(True), self._tallies(False))
        sampled = [
            t for p in self.probes for t in p.of_optimizer if t.counts == "steps"
        ]
        function = Choice(self._make, sampled) if sampled else self._make()
        self._made = guarded(function, self.take_off)
        self._model().train_function = self._made

    def _make(self):
        """Return a train function that is compiled anew."""
        model = self._model()
        before, step = model.train_function, model.train_step
        # What was compiled is kept by the function it was made of.
        model.__dict__["train_step"] = functools.partial(step)
        try:
            model.make_train_function(force=True)
            return model.train_function
        finally:
            model.train_function, model.__dict__["train_step"] = before, step

    def leave(self, probe):
        """Show the step to one probe less; the last one takes all off."""
        self.probes = [other for other in self.probes if other is not probe]
        if not self.probes:
            self.take_off()

    def take_off(self):
        """Leave the model as it was, whoever is still listening."""
        model = self._model()
        self.probes = []
        if model is None or _hubs.get(model) is not self:
            return
        del _hubs[model]
        _backends.synchronize(model)
        self._shadow.lift()
        self._passengers.change([], [])
        if model.train_function is self._made:
            # What was compiled before serves again.
            model.train_function = self._function
        _backends.let_go(self._graphs)
        # JAX does not let go of what is compiled as long as it leads back to itself.
        self._made = self._function = None

    def rehearse(self, observer):
        """Show the calls of layers, on shapes alone, to an observer."""
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
            # Counted, since replicas take turns in the middle of a step.
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
    """Variables that a compiled step must carry along where it carries its state."""

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
        """Carry these instead of those before."""
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
