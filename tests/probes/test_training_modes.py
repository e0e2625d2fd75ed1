"""In each training mode, a probe measures the same as a handwritten loop."""

import shutil
from functools import partial

import keras
import numpy as np
import pytest
from keras import optimizers

from kcomponents.optimizers import clipped
from kcomponents.probes import Probe, Statistic
from tests.keras_own import takes_several_steps
from tests.keras_versions import needs_keras
from tests.probes.reading import Reader, expected_of, near
from tests.probes.replay import models, steps
from tests.random_cases import cases

BACKEND = keras.backend.backend()
OPTIMIZERS = {
    "adam": lambda: optimizers.Adam(0.01),
    "clipnorm": lambda: optimizers.SGD(0.1, clipnorm=0.1),
    "global_clipnorm": lambda: optimizers.Adam(0.01, global_clipnorm=0.1),
    "clipvalue": lambda: optimizers.SGD(0.1, clipvalue=0.02),
    "accumulation": lambda: optimizers.SGD(
        0.1, momentum=0.9, gradient_accumulation_steps=2, global_clipnorm=0.1
    ),
    "loss scale": lambda: optimizers.SGD(0.1, loss_scale_factor=64.0, clipnorm=0.1),
    "decay": lambda: optimizers.AdamW(0.01, weight_decay=0.1),
    "average": lambda: optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=3),
    # Overflows in the first steps, which are skipped.
    "dynamic scale": lambda: optimizers.LossScaleOptimizer(
        optimizers.Adam(0.01, global_clipnorm=0.1), 3e38
    ),
}
MODES = {
    "eager": {"run_eagerly": True},
    "graph": {"jit_compile": False},
    "compiled": {"jit_compile": True},
    "auto": {"jit_compile": "auto"},
    "several steps": {"steps_per_execution": 3},
}
if BACKEND == "torch":
    # `torch.compile` needs a compiler of C++, and warns of itself.
    others = ["compiled"] if shutil.which("g++") else []
    others += ["several steps"] if takes_several_steps() else []
    MODES = {mode: MODES[mode] for mode in ("eager", "auto", *others)}
MARKS = [pytest.mark.filterwarnings("ignore")] if BACKEND == "torch" else []
MARKS += [needs_keras("3.12", "cannot be compiled by PyTorch", backend="torch")]
if BACKEND == "jax":
    # Without compilation JAX dispatches each operation by itself.
    MODES = {mode: MODES[mode] for mode in ("auto", "several steps")}
OPTIONS = {"batch_size": 2, "shuffle": False, "verbose": 0}


def compiled(optimizer, name="sequential", **settings):
    model, x, y = models[name]()
    settings = {"jit_compile": BACKEND == "jax", **settings}
    if settings.get("run_eagerly"):
        del settings["jit_compile"]
    model.compile(optimizer, "mse", **settings)
    return model, x, y


def batches_of(x, y):
    return [(x[i : i + 2], y[i : i + 2]) for i in range(0, len(x), 2)]


def check(reading, replayed):
    for statistic, expected in expected_of(replayed).items():
        # A change of weights is a difference of near numbers in float32.
        loose = {"rtol": 1e-3, "atol": 1e-9} if statistic == "moved" else {}
        near(reading.values[statistic], expected, statistic, **loose)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_readings_equal_a_loop_by_hand_with(name):
    model, x, y = compiled(OPTIMIZERS[name]())
    replayed = steps(model, batches_of(x, y))
    assert any(step.skipped for step in replayed) == (name == "dynamic scale")
    watched, x, y = compiled(OPTIMIZERS[name]())
    reader = Reader()
    watched.fit(x, y, callbacks=[reader], **OPTIONS)
    check(reader.readings[0], replayed)
    for ours, theirs in zip(watched.weights, model.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "mode",
    [pytest.param(mode, marks=MARKS if mode == "compiled" else []) for mode in MODES],
)
def test_readings_equal_a_loop_by_hand_in_mode(mode, monkeypatch):
    if BACKEND == "torch":
        import torch

        # The default writes C++ code, and takes a minute and more.
        backend = cases("aot_eager", "inductor")
        monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    model, x, y = compiled(optimizers.SGD(0.1, clipnorm=0.1))
    replayed = steps(model, batches_of(x, y))
    watched, x, y = compiled(optimizers.SGD(0.1, clipnorm=0.1), **MODES[mode])
    reader = Reader()
    watched.fit(x, y, callbacks=[reader], **OPTIONS)
    check(reader.readings[0], replayed)
    assert reader.values["batches"]["all"] == 4


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_gives_unscaled_gradients(policy):
    keras.config.set_dtype_policy(policy)

    def optimizer():
        # `compile` wraps it in one that scales the loss under mixed_float16.
        inner = optimizers.SGD(0.1)
        if policy == "mixed_float16":
            return optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
        return inner

    # Compiled half precision keeps more bits than eager: compared within its own.
    model, x, y = compiled(optimizer(), run_eagerly=BACKEND == "tensorflow")
    replayed = steps(model, batches_of(x, y))
    watched, x, y = compiled(optimizer(), run_eagerly=BACKEND == "tensorflow")
    reader = Reader()
    watched.fit(x, y, callbacks=[reader], **OPTIONS)
    check(reader.readings[0], replayed)


@pytest.mark.parametrize("steps_accumulated", [None, 2])
@pytest.mark.parametrize("bounds", [{"global_clipnorm": 0.1}, {"clipnorm": 0.05}])
def test_a_clipped_optimizer_shows_both_norms(bounds, steps_accumulated):
    settings = {"gradient_accumulation_steps": steps_accumulated}
    model, x, y = compiled(optimizers.SGD(0.1, **bounds, **settings))
    replayed = steps(model, batches_of(x, y))
    ours = clipped(optimizers.SGD(0.1, **settings), **bounds)
    watched, x, y = compiled(ours)
    reader = Reader()
    watched.fit(x, y, callbacks=[reader], **OPTIONS)
    check(reader.readings[0], replayed)


def test_a_step_that_a_clipped_optimizer_skips_is_seen_but_not_applied():
    watched, x, y = compiled(clipped(optimizers.SGD(0.1), global_clipnorm=1.0))
    x[2] = np.inf
    reader = Reader()
    watched.fit(x, y, callbacks=[reader], **OPTIONS)
    found = {name: reader.values[name]["all"] for name in ("steps", "applied")}
    assert found == {"steps": 4, "applied": 3}
    assert not np.isfinite(reader.values["total_max"]["all"])
    assert np.isfinite(reader.values["before"]["all"])


@pytest.mark.parametrize("name", ["clipnorm", "loss scale"])
def test_without_accumulation_the_gradients_of_a_batch_are_those_of_the_step(name):
    model, x, y = compiled(OPTIMIZERS[name]())
    replayed = steps(model, batches_of(x, y))
    watched, x, y = compiled(OPTIMIZERS[name]())
    of_batch = Statistic(
        "squares", "batch_gradients", lambda v: v.squares, per_variable=True
    )
    reader = Reader(of_batch)
    watched.fit(x, y, callbacks=[reader], **OPTIONS)
    near(reader.values["squares"], expected_of(replayed)["squares"])


def test_a_sampled_probe_measures_one_of_so_many_steps():
    model, x, y = compiled(optimizers.SGD(0.1), run_eagerly=True)
    statistics = [
        Statistic("updates", "updates", lambda view: view.applied),
        Statistic("gradients", "gradients", lambda view: 1.0),
        Statistic("losses", "losses", lambda view: 1.0),
        Statistic("outputs", "outputs", lambda view: 1.0),
    ]
    probe = Probe(*statistics, sample=3)
    probe.attach(model)
    # Of 8 steps the 1st, the 4th and the 7th.
    model.fit(x, y, epochs=2, **OPTIONS)
    found = probe.read().values
    assert probe.watched == 3
    assert {n for values in found.values() for n in values.values()} == {3.0}
    probe.reset()
    assert probe.watched == 0
    probe.detach()


@pytest.mark.skipif(BACKEND != "torch", reason="other backends compile the step")
def test_a_step_that_is_not_compiled_takes_one_operation_more_for_its_loss():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.calls += not function.__name__.startswith("detach")
            return function(*args, **(kwargs or {}))

    def operations(*statistics):
        model, x, y = compiled(optimizers.SGD(0.1))
        probe = Probe(*statistics)
        probe.attach(model)
        with Count() as count:
            model.fit(x, y, **OPTIONS)
        probe.detach()
        return count.calls

    # Each of four losses is copied until those of many steps are joined, to memory that
    # takes two operations to allocate.
    more = operations(Statistic("sum", "losses", lambda v: v.loss)) - operations()
    assert more == 4 + 2


def test_each_epoch_and_each_fit_starts_anew():
    model, x, y = compiled(optimizers.SGD(0.1))
    reader = Reader()
    for _ in range(3):
        model.fit(x, y, epochs=2, callbacks=[reader], **OPTIONS)
        assert [r.values["steps"]["all"] for r in reader.readings] == [4, 4]


@needs_keras("3.12", "fails if a callback evaluates before the first step", "jax")
def test_validation_and_evaluation_do_not_count():
    model, x, y = compiled(optimizers.SGD(0.1))

    class Between(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            model.evaluate(x, y, verbose=0)
            model.predict(x, verbose=0)

    reader, alone = Reader(), Reader()
    data = {"validation_data": (x, y)}
    model.fit(x, y, epochs=2, callbacks=[reader, Between()], **data, **OPTIONS)
    model, x, y = compiled(optimizers.SGD(0.1))
    model.fit(x, y, epochs=2, callbacks=[alone], **OPTIONS)
    for ours, theirs in zip(reader.readings, alone.readings, strict=True):
        for name in ours.values:
            near(ours.values[name], theirs.values[name], name)


def test_several_probes_share_the_taps():
    model, x, y = compiled(optimizers.SGD(0.1))
    one, other = Reader(), Reader()
    calls = []

    class Count(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            calls.append(model.train_step.__wrapped__)

    model.fit(x, y, callbacks=[one, other, Count()], **OPTIONS)
    # One cover, and beneath it the method itself.
    assert calls == [type(model).train_step.__get__(model)]
    for name in one.values:
        near(one.values[name], other.values[name], name)


class Batches(keras.utils.PyDataset):
    def __init__(self, data):
        super().__init__()
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data[index]


def generate(batches):
    yield from batches


@pytest.mark.parametrize("kind", [Batches, generate])
def test_datasets_and_generators_are_counted_as_they_come(kind):
    model, x, y = compiled(optimizers.SGD(0.1))
    reader = Reader()
    data = kind(batches_of(x, y))
    options = {"steps_per_epoch": 4, "shuffle": False, "verbose": 0}
    model.fit(data, callbacks=[reader], **options)
    assert reader.values["steps"]["all"] == reader.values["batches"]["all"] == 4
