"""Probe: measures statistics inside the compiled training step of a model."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kcomponents import _backends, _console, _keras
from kcomponents._checks import fail, positive_int
from kcomponents.probes._hub import hub_of
from kcomponents.probes._schedule import EveryNth, Schedule, calls_per_step
from kcomponents.probes._tally import Tally
from kcomponents.probes._views import ClippedView, GradientView, LossView, UpdateView
from kcomponents.probes.layer_walk import WatchedLayer
from kcomponents.probes.statistic import Statistic
from kcomponents.probes.structure import is_built
from kcomponents.record import Reading

OPTIMIZER_SOURCES = ("gradients", "batch_gradients", "clipped_gradients", "updates")


class Probe:
    """Measures statistics inside the compiled training step of a model.

    Attach it in a callback's `on_train_begin`, and detach it in `on_train_end`.
    Training is not affected. The numbers stay on the device until you read them. Only
    training steps are measured, not validation.

    Args:
        *statistics: `kcomponents.probes.Statistic` objects with different names.
        watch: Function that takes a watched layer (with the attributes `path`, `layer`,
            `activation` and `axis`) and returns whether to measure its outputs.
            Defaults to every layer with an activation function.
        sample: Integer. One of `sample` optimizer steps is measured, starting with the
            first step after a reset; the train function that the model had runs the
            others. A step that one sampled probe measures is measured by all. All steps
            of one execution (`steps_per_execution`) are measured or none. Defaults to
            `None`, every step.
        skip_nonfinite: Boolean, whether batches with NaN or infinite gradients leave
            weights and optimizer unchanged. Requires a statistic of source
            `"batch_gradients"`. Defaults to `False`.

    Raises:
        ValueError: If two statistics have the same name, or `sample` is invalid.

    Example:
        >>> import keras
        >>> from kcomponents.probes import Probe
        >>> from kcomponents.probes import Statistic
        >>> largest = Statistic("largest", "gradients", lambda v: v.total, "max")
        >>> probe = Probe(largest)
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> model.make_train_function()
        >>> probe.attach(model)
        >>> probe.read().values
        {'largest': {'all': -inf}}
        >>> probe.detach()
    """

    def __init__(
        self,
        *statistics: Statistic,
        watch: Callable[[WatchedLayer], bool] = lambda watched: True,
        sample: int | Schedule | None = None,
        skip_nonfinite: bool = False,
    ):
        names = [statistic.name for statistic in statistics]
        if len(set(names)) < len(names):
            fail("Statistics must have different names.", names=names)
        if isinstance(sample, int | float):
            sample = positive_int("sample", sample)
        self.statistics, self.watch = statistics, watch
        self.sample, self.skip_nonfinite = sample, skip_nonfinite
        # When to measure, or None for each step.
        self.schedule = None
        # The calls of the train function since a reset: all, and those measured.
        self.calls = self.watched = 0
        self._clear()

    def _clear(self):
        self.model = self._hub = None
        # The hub reads these: source → tallies, site of a layer → tally or layer.
        self.tallies, self.outputs, self.sites = {}, {}, {}

    def attach(self, model: keras.Model) -> None:
        """Start to measure the training steps of a model.

        Args:
            model: Keras model, compiled and built.

        Raises:
            ValueError: If the model is not built, or if it has no optimizer and a
                statistic needs one.
        """
        self.detach()
        self._prepare(model)
        optimizer = _keras.unscaled_optimizer(model)
        self.schedule, self.calls, self.watched = self.sample, 0, 0
        if isinstance(self.sample, int):
            each, window = self.sample == 1, calls_per_step(model, optimizer)
            self.schedule = None if each else EveryNth(self.sample, window)
        defers = _backends.defers and not model.jit_compile
        self.model, self._hub = model, hub_of(model)
        try:
            with _backends.scope(model):
                self.tallies = _tallies_by_source(
                    self.statistics, self.variables, defers
                )
                self.outputs, self.sites = _tallies_by_site(
                    model, self.statistics, self._hub, self.watch, defers
                )
            self._hub.add(self)
        except BaseException:
            self.detach()
            raise

    def read(self, epoch: int = 0, step: int = 0) -> Reading:
        """Return the numbers since the last reset, as a `Reading` of plain values.

        Args:
            epoch: Integer, stored in the reading, counted from 0. Defaults to 0.
            step: Integer, stored in the reading. Defaults to 0.

        Returns:
            `kcomponents.record.Reading`. Its `values` is a dict of statistic name to a
            dict of name to value: variable paths if the statistic is per variable,
            layer paths for `"outputs"`, otherwise `"all"`.
        """
        self._watch.state.flush()
        self._drop_refused()
        tallies = self._all_tallies()
        self._raise_failure(tallies)
        for tally in tallies:
            tally.settle()
        fetched = iter(_backends.fetch([v for t in tallies for v in t.variables]))
        sites = [None] * len(self._tallies_without_site()) + list(self.outputs)
        values = {statistic.name: {} for statistic in self.statistics}
        for tally, site in zip(tallies, sites, strict=True):
            found = tally.values([next(fetched) for _ in tally.variables])
            for statistic, value in found.items():
                names = self._names(statistic, value, site)
                values[statistic.name].update(names)
        return Reading(epoch=epoch, step=step, values=values)

    def reset(self) -> None:
        """Reset all numbers."""
        self._watch.state.flush()
        for tally in self._all_tallies():
            tally.reset()
        self.calls = self.watched = 0
        if self.schedule is not None:
            self.schedule.reset()

    def get_state(self) -> dict[str, Any]:
        """Return what was measured since the last reset, to continue from it later.

        Returns:
            Dict of plain values and arrays.
        """
        self._watch.state.flush()
        return {
            "calls": [self.calls, self.watched],
            "schedule": None if self.schedule is None else self.schedule.get_state(),
            "sources": {
                source: [tally.get_state() for tally in tallies]
                for source, tallies in self.tallies.items()
            },
            "outputs": {site: t.get_state() for site, t in self.outputs.items()},
            "batches": self._watch.batches.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state that `get_state` returned.

        Layers are matched by their order, as their names may differ.

        Args:
            state: Dict that `get_state` returned.

        Raises:
            ValueError: If the state is of other statistics, layers or variables.
        """
        self._watch.state.flush()
        own = [t for tallies in self.tallies.values() for t in tallies]
        saved = [s for states in state["sources"].values() for s in states]
        sources = list(self.tallies), [len(t) for t in self.tallies.values()]
        of_saved = list(state["sources"]), [len(s) for s in state["sources"].values()]
        count = len(state["outputs"])
        if sources != of_saved or len(self.outputs) != count:
            rule = "The saved measurements must be of the same statistics and layers."
            fail(rule, layers=list(self.outputs), saved=list(state["outputs"]))
        own += [*self.outputs.values(), self._watch.batches]
        saved += [*state["outputs"].values(), state["batches"]]
        for tally, values in zip(own, saved, strict=True):
            tally.set_state(values)
        self.calls, self.watched = map(int, state["calls"])
        if self.schedule is not None:
            self.schedule.set_state(state["schedule"])

    def detach(self) -> None:
        """Stop measuring. After its last probe, the model is as it was before."""
        if self._hub is not None:
            self._hub.remove(self)
        self._clear()

    @property
    def _watch(self):
        return self._hub.watch_of(self)

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables whose gradients and updates are measured, in order."""
        optimizer = _keras.unscaled_optimizer(self.model)
        return [] if optimizer is None else _keras.optimized_variables(optimizer)

    @property
    def optimizer_used(self) -> bool:
        """Whether the optimizer of `compile` got gradients in this `fit` so far.

        It gets none if a `train_step` uses other optimizers.
        """
        return self._hub.optimizer is not None and self._hub.optimizer.used

    @property
    def paths(self) -> list[str]:
        """The paths of these variables; repeated ones get a number, from 2."""
        names = []
        for variable in self.variables:
            numbered = (f"{variable.path}:{n}" for n in itertools.count(2))
            choices = itertools.chain([variable.path], numbered)
            names.append(next(name for name in choices if name not in names))
        return names

    @property
    def last_layers(self) -> set[str]:
        """The paths of watched layers whose outputs are outputs of the model."""
        return self._hub.layers.last & self.sites.keys()

    @property
    def of_optimizer(self):
        """Tallies that are filled in the optimizer."""
        return [t for s in OPTIMIZER_SOURCES for t in self.tallies.get(s, ())]

    @property
    def of_model(self):
        """Tallies that are filled in the forward pass."""
        return [*self.tallies.get("losses", ()), *self.outputs.values()]

    def _raise_failure(self, tallies):
        """Raise the error that ended the measurement within a step, if there is one."""
        failures = [self._hub.failure, *(tally.failure for tally in tallies)]
        for failure in failures:
            if failure is not None:
                raise failure

    def _drop_refused(self):
        """Remove layers that turned out to run inside a loop or map, and warn."""
        for site in self._hub.layers.refused & self.outputs.keys():
            del self.outputs[site], self.sites[site]
            _warn_of([site])

    def _names(self, statistic, value, site):
        """Return name → plain value: of each variable, of a layer, or of all."""
        if not statistic.per_variable:
            return {site or "all": value.tolist()}
        # Without trainable variables, the vector has a number that stands for none.
        paths = self.paths
        return dict(zip(paths, value.tolist(), strict=True)) if paths else {}

    def _tallies_without_site(self):
        return [*self.of_optimizer, *self.tallies.get("losses", ())]

    def _all_tallies(self):
        return [*self._tallies_without_site(), *self.outputs.values()]

    def _prepare(self, model):
        if not (model.variables and is_built(model)):
            fail(
                "`model` must be built before it can be monitored. Add a `keras.Input`,"
                " call `model.build(input_shape)`, or call the model on a batch.",
                model=model.name,
            )
        optimizer = _keras.unscaled_optimizer(model)
        if optimizer is None and any(
            s.source in OPTIMIZER_SOURCES for s in self.statistics
        ):
            fail(
                "`model` must be compiled with an optimizer to measure its gradients "
                "or updates.",
                optimizer=None,
            )
        _keras.build_optimizer(model)


def _tallies_by_source(statistics, variables, defers):
    """Return source → list with its tally, for all sources but layer outputs."""
    zeros = np.zeros(max(len(variables), 1), "float32")
    # Makers of views with the right shapes, to find the shapes of the statistics.
    views = {
        "gradients": lambda v: GradientView(squares=v, step=1.0),
        "batch_gradients": lambda v: GradientView(squares=v, step=1.0),
        "clipped_gradients": lambda v: ClippedView(squares=v, unclipped=v),
        "updates": lambda v: UpdateView(squares=v, weights=v, applied=0.0),
        "losses": lambda v: LossView(loss=v[0], step=1.0),
    }
    found = {}
    for source, view in views.items():
        if own := [s for s in statistics if s.source == source]:
            shapes = {s: _shape(s, view, zeros) for s in own}
            replicas = source == "losses"
            found[source] = [Tally(shapes, replicas=replicas, defers=defers)]
    return found


def _shape(statistic, view, zeros):
    return _backends.shape_of(
        lambda: view(ops.convert_to_tensor(zeros)).measured(statistic)
    )


def _tallies_by_site(model, statistics, hub, watch, defers):
    """Return site → tally and site → watched layer, for layer outputs."""
    own = [s for s in statistics if s.source == "outputs"]
    sites, shapes = {}, {}
    if not own:
        return {}, {}

    def observe(site, watched, view):
        if watch(watched):
            sites[site] = watched
            shapes[site] = {s: view.measured(s).shape for s in own}

    try:
        hub.layers.dry_run(model, observe)
    except Exception as error:
        _console.warn(f"Layer outputs cannot be measured: {error}", stacklevel=4)
    if refused := sorted(hub.layers.refused):
        _warn_of(refused)
    options = {"replicas": True, "defers": defers}
    return {site: Tally(found, **options) for site, found in shapes.items()}, sites


def _warn_of(sites):
    """Warn of layers whose outputs cannot be measured."""
    _console.warn(
        "The outputs of layers inside a loop or map cannot be measured: "
        f"{', '.join(sites)}.",
        stacklevel=5,
    )
