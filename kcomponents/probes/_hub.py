"""Hub: the taps on one model, shared by all of its probes."""

import contextlib
import functools
import itertools
import weakref

from kcomponents import _backends, _keras
from kcomponents._keras.callback_list import running_callbacks
from kcomponents._keras.fit_guard import guard_fit
from kcomponents._keras.method_covers import MethodCovers
from kcomponents.probes._model_taps import BatchCount, LayerTaps, LossTap
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


class Watch:
    """Probes that watch the same steps, and what they share.

    Attributes:
        probes: List of `Probe`.
        batches: `BatchCount` of the batches that they watch.
        state: `ExtraState` with the variables of their tallies.
    """

    def __init__(self, model):
        self.probes = []
        self.batches = BatchCount(in_python=_backends.defers and not model.jit_compile)
        self.state = _keras.ExtraState(model)

    @property
    def in_model(self):
        """The variables of tallies that are filled in the forward pass."""
        tallies = [self.batches.tally]
        tallies += [t for probe in self.probes for t in probe.of_model]
        return [v for tally in tallies for v in tally.variables]

    @property
    def in_optimizer(self):
        """The variables of tallies that are filled in the optimizer."""
        tallies = [t for probe in self.probes for t in probe.of_optimizer]
        return [v for tally in tallies for v in tally.variables]

    def tallies_of(self, source):
        """Return the tallies of a source."""
        return [t for probe in self.probes for t in probe.tallies.get(source, ())]


class Hub:
    """Attaches taps to a model, passes their measurements to probes, detaches them.

    Sampled probes watch the same steps: those that at least one of them wants. All
    other steps are run by the train function that the model had, with all taps off, or
    by one that measures for the other probes. A step that sampled probes watch is run

    - by one more train function, which measures for all probes; or
    - where a compiled step is a function of its state, as before, after a function that
      measures the same step and drops the new state. A step that is not compiled may
      change objects of the user, so it must not run twice.
    """

    def __init__(self, model, running):
        # A weak reference, so that the table of hubs does not keep models alive.
        self._model = weakref.ref(model)
        self._running = None if running is None else weakref.ref(running)
        # Before anything is changed, as it is undone in reverse order.
        self._guard = guard_fit(model)
        self._function_before = model.train_function
        # The train function of the model now; of steps that sampled probes do not
        # watch, and of those that they do.
        self._function = self._unsampled = self._sampled = None
        # What compiles the function beside training, if something does.
        self._compilation = None
        self._batches_in_item = _keras.batches_in_item()
        self._always, self._sometimes = Watch(model), Watch(model)
        compiles = model.jit_compile and not model.run_eagerly
        self._measures_beside = _backends.carries_state and compiles
        if not self._measures_beside:
            self._sometimes.state = self._always.state
        # What watches the current step.
        self._watching = ()
        # The tap on the optimizer, if the model has one.
        self.optimizer = None
        # How many replicas are inside a training step.
        self._training = 0
        # The first error of a measurement.
        self.failure = None
        # Weak references, as graphs that are gone before `fit` ends need no clean-up.
        self._graphs, self._covers = weakref.WeakSet(), MethodCovers()
        try:
            self._attach(model)
        except BaseException:
            self._covers.remove()
            raise
        if self._guard is not None:
            self._guard.at_end(self.detach)
            self._guard.keep_plain_state(self._always.state.plain)

    def _attach(self, model):
        covers = self._covers
        self.layers = LayerTaps(model, covers, self.attempt)
        LossTap(model, covers, self._losses, self.attempt)
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

    @property
    def _probes(self):
        return [*self._always.probes, *self._sometimes.probes]

    def watch_of(self, probe):
        """Return the `Watch` to which a probe belongs."""
        return self._always if probe.schedule is None else self._sometimes

    def add(self, probe):
        """Add a probe, and prepare functions that measure for it."""
        watch = self.watch_of(probe)
        watch.probes.append(probe)
        watches = [watch]
        if watch.state is self._always.state is self._sometimes.state:
            watches = [self._always, self._sometimes]
        watch.state.replace(
            in_model=[v for each in watches for v in each.in_model],
            in_optimizer=[v for each in watches for v in each.in_optimizer],
        )
        if self._always.probes:
            self._unsampled = self._new_train_function(self._always)
        else:
            self._unsampled = self._plain_function()
        if not self._sometimes.probes:
            self._sampled = None
        elif self._measures_beside:
            self._sampled = self._new_measurement()
        else:
            self._sampled = self._new_train_function(self._sometimes)
        run = self._run
        self._function = run if self._guard is None else self._guard.step(run)
        self._model().train_function = self._function

    def remove(self, probe):
        """Remove a probe; after the last one, detach all taps."""
        for watch in (self._always, self._sometimes):
            watch.probes = [other for other in watch.probes if other is not probe]
        if not self._probes:
            self.detach()

    def detach(self):
        """Restore the model, even if probes are still attached."""
        model = self._model()
        self._always.probes = self._sometimes.probes = []
        if model is None or _hubs.get(model) is not self:
            return
        del _hubs[model]
        _backends.synchronize(model)
        self._covers.remove()
        if model.train_function is self._function:
            # The function compiled before can be used again.
            model.train_function = self._function_before
        _backends.release_graphs(self._graphs)
        # JAX keeps compiled functions that are part of a reference cycle.
        self._function = self._function_before = None
        self._unsampled = self._sampled = None

    def _plain_function(self):
        """Return the train function that the model had, or a new one."""
        plain = self._function_before
        if self._guard is not None:
            plain = self._guard.unguarded_function
        return plain or self._new_train_function(self._always)

    def _new_train_function(self, watch):
        """Return a new train function, which is compiled at its first call.

        It is made before training begins, because within an epoch the variables of a
        model have no values on JAX, which needs them for their sharding.
        """
        model = self._model()
        before, step = model.train_function, model.train_step
        # The backend caches by function, so it needs a new function object.
        model.__dict__["train_step"] = functools.partial(step)
        try:
            with watch.state.present():
                model.make_train_function(force=True)
            return model.train_function
        finally:
            model.train_function, model.__dict__["train_step"] = before, step

    def _new_measurement(self):
        """Return a function that measures a step and returns what it measured."""
        state, find_model = self._sometimes.state, self._model

        def measure(extended, batch):
            _, after = find_model().train_step(extended, batch)
            return state.values_in(after)

        return _backends.compiled(measure)

    def _run(self, *args):
        """Run one call of the train function, watched or not."""
        near = any([p.schedule.is_near() for p in self._sometimes.probes])
        sampled, function = self._count_call(), self._unsampled
        watching = [self._always] if self._always.probes else []
        if self._measures_beside:
            if sampled or near:
                use = self._measure if sampled else self._compile
                args = args[0], self._use_next(use, *args)
        elif sampled:
            watching.append(self._sometimes)
            function = self._sampled
        self._watch_with(watching)
        if not _backends.carries_state or not watching:
            return function(*args)
        state, data = args
        extra = watching[0].state
        logs, state = function(extra.extend(state), data)
        return logs, extra.strip(state)

    def _count_call(self):
        """Count a call of the train function; return if sampled probes watch it."""
        sampled = False
        for probe in self._always.probes:
            probe.calls += 1
            probe.watched += 1
        for probe in self._sometimes.probes:
            sampled |= probe.schedule.is_due()
            probe.schedule.count()
            probe.calls += 1
        for probe in self._sometimes.probes if sampled else ():
            probe.watched += 1
        return sampled

    def _use_next(self, use, state, data):
        """Call `use` for the step on the next batch; return the data with this batch.

        Args:
            use: Function of the extended state and a batch.
            state: The state before the step.
            data: Iterator of what a call of the train function takes.
        """
        item, extra = next(data), self._sometimes.state
        self._watch_with([self._sometimes])
        batches = self._batches_in_item
        self.attempt(lambda: use(extra.extend(state), batches(item)[0]))
        return itertools.chain([item], data)

    def _compile(self, state, batch):
        """Begin to compile the measurement beside training."""
        self._compilation = _backends.compile_aside(self._sampled, state, batch)

    def _measure(self, state, batch):
        """Measure a step."""
        if self._compilation is not None:
            # So that a diagnosis does not depend on how busy the machine is.
            self._compilation.join()
            self._compilation = None
        self._sometimes.state.keep(self._sampled(state, batch))

    def _watch_with(self, watching):
        """Let probes measure from now on, or take all taps off."""
        self._watching = watching
        if not watching and not self._covers.suspended:
            self._covers.suspend()
        elif watching and self._covers.suspended:
            self._covers.resume()

    def _cover_train_step(self, original):
        def train_step(*args, **kwargs):
            # A counter, as several replicas may be inside a step at once.
            self._training += 1
            if (graph := _backends.current_graph()) is not None:
                self._graphs.add(graph)
            probes = [probe for watch in self._watching for probe in watch.probes]
            self.layers.wanted = {s for probe in probes for s in probe.outputs}
            self.layers.observer = self._add_outputs if self.layers.wanted else None
            try:
                with contextlib.ExitStack() as stack:
                    for watch in self._watching:
                        stack.enter_context(watch.state.present())
                    return original(*args, **kwargs)
            finally:
                self._training -= 1
                if not self._training:
                    self.layers.observer = None

        return train_step

    def _add_outputs(self, site, watched, view):
        for watch in self._watching:
            for probe in watch.probes:
                if tally := probe.outputs.get(site):
                    tally.add(view)

    def _tallies_of(self, source):
        if not self._training or self.failure is not None:
            return []
        return [t for watch in self._watching for t in watch.tallies_of(source)]

    def _losses(self):
        """Return pairs: the number of the batch, and the tallies of its loss."""
        if not self._training or self.failure is not None:
            return []
        pairs = [(w.batches, w.tallies_of("losses")) for w in self._watching]
        return [(batches, tallies) for batches, tallies in pairs if tallies]

    def _skips(self):
        return self._training and any(probe.skip_nonfinite for probe in self._probes)
