"""Hub: the taps on one model, shared by all of its probes."""

import functools
import itertools
import weakref

from kcomponents import _backends, _keras
from kcomponents._keras.callback_list import running_callbacks
from kcomponents._keras.fit_guard import guard_fit
from kcomponents._keras.method_covers import MethodCovers
from kcomponents.probes._model_taps import LayerTaps, LossTap
from kcomponents.probes._optimizer_tap import OptimizerTap

_hubs = weakref.WeakKeyDictionary()


def hub_of(model):
    """Return the hub of a model in this `fit`, with its taps attached."""
    running = running_callbacks()
    hub = _hubs.get(model)
    if hub is not None and not hub.is_of(running):
        # Left over from a `fit` that ended with an exception.
        hub.detach()
        hub = None
    if hub is None:
        hub = _hubs[model] = Hub(model, running)
    return hub


class Hub:
    """Attaches taps to a model, passes their measurements to probes, detaches them."""

    def __init__(self, model, running):
        # A weak reference, so that the table of hubs does not keep models alive.
        self._model = weakref.ref(model)
        self._running = None if running is None else weakref.ref(running)
        # Before anything is changed, as it is undone in reverse order.
        self._guard = guard_fit(model)
        self._function_before = model.train_function
        self._function = None
        self.probes = []
        # The tap on the optimizer, if the model has one.
        self.optimizer = None
        # How many replicas are inside a training step.
        self._training = 0
        # The first error of a measurement.
        self.failure = None
        # Weak references, as graphs that are gone before `fit` ends need no clean-up.
        self._graphs = weakref.WeakSet()
        self._covers = MethodCovers()
        try:
            self._attach(model)
        except BaseException:
            self._covers.remove()
            raise
        if self._guard is not None:
            self._guard.at_end(self.detach)

    def _attach(self, model):
        covers = self._covers
        self._extra_variables = _ExtraVariables(model, covers)
        self.layers = LayerTaps(model, covers, self.attempt)
        self.loss = LossTap(model, covers, self._tallies_of, self.attempt)
        if (optimizer := _keras.unscaled_optimizer(model)) is not None:
            taps = self._tallies_of, self._skips, self.attempt
            self.optimizer = OptimizerTap(optimizer, covers, *taps, model.optimizer)
        covers.cover(model, "train_step", self._cover_train_step)

    def is_of(self, running):
        """Return whether the taps were attached in the `fit` of these callbacks."""
        if self._running is None or running is None:
            return self._running is running
        return self._running() is running

    def attempt(self, measure, *args):
        """Call a function that measures; an error must not end the step.

        After the first error nothing more is measured. It is raised when a probe is
        read.
        """
        if self.failure is not None:
            return None
        try:
            return measure(*args)
        except Warning:
            raise
        except Exception as error:
            self.failure = error
            return None

    def add(self, probe):
        """Add a probe, and prepare a train function that measures for it."""
        self.probes.append(probe)
        in_model = [self.loss.count]
        in_model += [t for probe in self.probes for t in probe.of_model]
        in_optimizer = [t for probe in self.probes for t in probe.of_optimizer]
        self._extra_variables.replace(
            in_optimizer=[v for tally in in_optimizer for v in tally.state_variables],
            in_model=[v for tally in in_model for v in tally.state_variables],
        )
        sampled = [tally for tally in in_optimizer if tally.counts == "steps"]
        make = self._new_train_function
        function = SampledTrainFunction(make, sampled) if sampled else make()
        self._function = function if self._guard is None else self._guard.step(function)
        self._model().train_function = self._function

    def remove(self, probe):
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
        self._covers.remove()
        self._extra_variables.replace([], [])
        if model.train_function is self._function:
            # The function compiled before can be used again.
            model.train_function = self._function_before
        _backends.release_graphs(self._graphs)
        # JAX keeps compiled functions that are part of a reference cycle.
        self._function = self._function_before = None

    def _new_train_function(self):
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

    def _cover_train_step(self, original):
        def train_step(*args, **kwargs):
            # A counter, as several replicas may be inside a step at once.
            self._training += 1
            if (graph := _backends.current_graph()) is not None:
                self._graphs.add(graph)
            self.layers.wanted = {s for probe in self.probes for s in probe.outputs}
            self.layers.observer = self._add_outputs if self.layers.wanted else None
            try:
                return original(*args, **kwargs)
            finally:
                self._training -= 1
                if not self._training:
                    self.layers.observer = None

        return train_step

    def _add_outputs(self, site, watched, view):
        for probe in self.probes:
            if tally := probe.outputs.get(site):
                tally.add(view)

    def _tallies_of(self, source):
        if not self._training or self.failure is not None:
            return []
        return [t for probe in self.probes for t in probe.tallies.get(source, ())]

    def _skips(self):
        return self._training and any(probe.skip_nonfinite for probe in self.probes)


class SampledTrainFunction:
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
        cases = itertools.product((True, False), repeat=len(tallies))
        self._functions = {due: make() for due in cases}

    def __call__(self, *args, **kwargs):
        due = tuple(tally.due() for tally in self._tallies)
        outputs = self._functions[due](*args, **kwargs)
        for tally in self._tallies:
            tally.count("steps")
        return outputs


def counts_of(model):
    """Return how the steps of a model are counted, as in `kcomponents._backends`."""
    several = model.steps_per_execution > 1
    return "device" if several and _backends.counts == "steps" else _backends.counts


class _ExtraVariables:
    """Variables that the compiled step must pass through, on stateless backends."""

    def __init__(self, model, covers):
        self._model = weakref.ref(model)
        self._optimizer = _keras.unscaled_optimizer(model)
        self._in_optimizer, self._in_model = [], []
        if _backends.carries_state and self._optimizer is not None:
            optimizers = {id(o): o for o in (model.optimizer, self._optimizer)}
            for optimizer in optimizers.values():
                for name in ("save_own_variables", "load_own_variables"):
                    covers.cover(optimizer, name, self._cover_store)

    def replace(self, in_optimizer, in_model):
        """Pass these variables through the step, instead of the previous ones."""
        if not _backends.carries_state:
            return
        _keras.remove_from_model(self._model(), self._in_model)
        _keras.add_to_model(self._model(), in_model)
        if self._optimizer is not None:
            _keras.remove_from_optimizer(self._optimizer, self._in_optimizer)
            _keras.add_to_optimizer(self._optimizer, in_optimizer)
        _keras.record_shardings(self._model())
        self._in_optimizer, self._in_model = in_optimizer, in_model

    def _cover_store(self, original):
        def use(store):
            with _keras.without_variables(self._optimizer, self._in_optimizer):
                return original(store)

        return use
