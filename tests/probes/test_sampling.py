"""Sampled probes leave all other steps to the train function as Keras made it."""

import keras
import numpy as np
import pytest

from kcomponents import _backends
from kcomponents.probes import Probe, Statistic
from tests.keras_own import takes_several_steps
from tests.probes.reading import STATISTICS, Reader
from tests.probes.replay import models

layers = keras.layers
OPTIONS = {"batch_size": 2, "epochs": 2, "verbose": 0, "shuffle": False}


class Sampled(Reader):
    """Reads, after each epoch, a probe that samples."""

    def __init__(self, sample, *statistics):
        super().__init__(*statistics)
        self.sample = sample

    def on_train_begin(self, logs=None):
        self.readings, self.watched = [], []
        self.probe = Probe(*self.statistics, sample=self.sample)
        self.probe.attach(self.model)

    def on_epoch_end(self, epoch, logs=None):
        self.watched.append((self.probe.watched, self.probe.calls))
        super().on_epoch_end(epoch, logs)


class Counted(layers.Dense):
    """Counts how often it is called in Python, in training."""

    calls = 0

    def call(self, inputs, training=False):
        Counted.calls += bool(training)
        return super().call(inputs)


LOSS = Statistic("loss", "losses", lambda view: view.loss)
CALLS = 16 if _backends.defers else 2


def calls_in(callbacks):
    """Train 16 steps, and return how often a layer is called in Python."""
    model = keras.Sequential([keras.Input((4,)), Counted(3)])
    model.compile("sgd", "mse", jit_compile=_backends.carries_state)
    Counted.calls = 0
    model.fit(np.ones((16, 4)), np.ones((16, 3)), callbacks=callbacks, **OPTIONS)
    return Counted.calls


def compiled(kind="sequential", **options):
    model, x, y = models[kind]()
    model.compile("adam", "mse", **options)
    return model, x, y


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def assert_trained_as_without(model):
    plain, x, y = compiled()
    plain.fit(x, y, **OPTIONS)
    for ours, theirs in zip(state(model), state(plain), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("sample", [0, 1.5, -2])
def test_a_sample_must_be_a_positive_integer(sample):
    with pytest.raises(ValueError, match="sample"):
        Probe(sample=sample)


@pytest.mark.parametrize("eager", [False, True])
def test_training_is_bit_by_bit_the_same_as_without(eager):
    def trained(*callbacks):
        keras.utils.set_random_seed(1)
        model, x, y = compiled(run_eagerly=eager)
        keras.utils.set_random_seed(1)
        model.fit(x, y, callbacks=list(callbacks), **OPTIONS)
        return state(model)

    for ours, theirs in zip(trained(Sampled(3)), trained(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_sample_has_the_values_of_its_steps():
    model, x, y = compiled()
    sampled = Sampled(4)
    # One step, the first, of the 4 of an epoch.
    model.fit(x, y, callbacks=[sampled], **{**OPTIONS, "epochs": 1})
    model, x, y = compiled()
    whole = Reader()
    model.fit(x[:2], y[:2], callbacks=[whole], **{**OPTIONS, "epochs": 1})
    assert sampled.watched == [(1, 4)]
    for statistic in STATISTICS:
        ours, theirs = (c.values[statistic.name] for c in (sampled, whole))
        for a, b in zip(ours.values(), theirs.values(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_any_number_of_sampled_probes_compiles_one_more_step():
    # One trace by each of the two functions, or one call by each of the 16 steps.
    assert calls_in([Sampled(n, LOSS) for n in (2, 3, 5)]) == CALLS


def test_between_watched_steps_nothing_stands_on_layers_and_optimizer():
    model, x, y = compiled(run_eagerly=True)
    found = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            things = [self._model.layers[0], self._model.optimizer]
            found.append(
                [name in vars(t) for t in things for name in ("call", "apply")]
            )

    model.fit(x, y, callbacks=[Sampled(3), Look()], **{**OPTIONS, "epochs": 1})
    on, off = [True, False, False, True], [False] * 4
    assert found == [on, off, off, on]


class Alternating(keras.Sequential):
    """Takes note, in Python, of each of its steps."""

    def train_step(self, *args):
        self.seen.append(len(self.seen))
        return super().train_step(*args)


def test_a_step_that_is_not_compiled_runs_once():
    model = Alternating([keras.Input((4,)), layers.Dense(3)])
    model.__dict__["seen"] = []
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(np.ones((8, 4)), np.ones((8, 3)), callbacks=[Sampled(2)], **OPTIONS)
    assert model.seen == [*range(8)]


@pytest.mark.parametrize("eager", [False, True])
def test_a_sampled_probe_beside_one_of_each_step(eager):
    model, x, y = compiled(run_eagerly=eager)
    each, some = Reader(), Sampled(3)
    model.fit(x, y, callbacks=[each, some], **OPTIONS)
    assert [r.values["steps"]["all"] for r in each.readings] == [4, 4]
    assert [r.values["batches"]["all"] for r in each.readings] == [4, 4]
    assert [r.values["steps"]["all"] for r in some.readings] == [2, 2]
    assert some.watched == [(2, 4), (2, 4)]
    plain, x, y = compiled()
    only = Reader()
    plain.fit(x, y, callbacks=[only], **OPTIONS)
    for a, b in zip(each.readings, only.readings, strict=True):
        np.testing.assert_allclose(
            a.values["losses"]["all"], b.values["losses"]["all"], rtol=1e-5
        )


def test_several_steps_in_one_execution_are_watched_together():
    if not takes_several_steps():
        pytest.skip("Keras refuses it on this backend")
    model, x, y = compiled(steps_per_execution=2)
    sampled = Sampled(2)
    model.fit(x, y, callbacks=[sampled], **OPTIONS)
    assert sampled.watched == [(1, 2), (1, 2)]
    # On JAX the first of them.
    count = 1.0 if _backends.carries_state else 2.0
    assert [r.values["batches"]["all"] for r in sampled.readings] == [count, count]


def test_what_fails_in_a_watched_step_leaves_the_training_as_it_is():
    def fails(view):
        raise RuntimeError("Not to be measured")

    model, x, y = compiled()
    probe = Probe(Statistic("own", "outputs", lambda view: 1.0), sample=2)
    probe.attach(model)
    for tally in probe.outputs.values():
        tally.add = fails
    model.fit(x, y, **OPTIONS)
    with pytest.raises(RuntimeError, match="Not to be measured"):
        probe.read()
    probe.detach()
    assert_trained_as_without(model)


class Late:
    """A schedule with one watched step, which is compiled beside training."""

    near, due = 1, 3

    def __init__(self):
        self.calls = 0

    def is_due(self):
        return self.calls == self.due

    def is_near(self):
        return self.calls == self.near

    def count(self):
        self.calls += 1

    def reset(self):
        pass

    def get_state(self):
        return self.calls

    def set_state(self, state):
        self.calls = state


def test_a_step_that_was_compiled_beside_training_is_compiled_once():
    late = Sampled(Late(), LOSS)
    assert calls_in([late]) == CALLS
    assert late.watched == [(1, 8), (0, 8)]


def test_an_error_while_compiling_beside_training_is_raised_by_the_probe(monkeypatch):
    if not _backends.carries_state:
        pytest.skip("This backend compiles nothing beside training")

    def fails(*arguments):
        raise RuntimeError("No memory")

    monkeypatch.setattr(_backends, "compile_aside", fails)
    model, x, y = compiled()
    probe = Probe(Statistic("own", "outputs", lambda view: 1.0), sample=Late())
    probe.attach(model)
    model.fit(x, y, **OPTIONS)
    with pytest.raises(RuntimeError, match="No memory"):
        probe.read()
    probe.detach()
    assert_trained_as_without(model)
