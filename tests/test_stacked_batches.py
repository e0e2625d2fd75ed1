"""Data of which one item holds the batches of several steps, as Keras may have on JAX.

The trainer here does what such a version of Keras does: it compiles within
`_make_function`, takes one item for each call, and gets a list of its own class where
batches cannot be stacked.
"""

import importlib
import itertools

import keras
import numpy as np
import pytest

if keras.backend.backend() != "jax":
    pytest.skip("Only on JAX, Keras stacks batches", allow_module_level=True)

import jax

from kcomponents import _backends, _keras
from kcomponents.callbacks import EarlyStopping, GradientNormLogger, TrainingDoctor
from tests.callbacks import test_resume as resume
from tests.keras_versions import needs_keras


class Batches(list):
    """Batches that cannot be stacked."""


def items_of(batches, count):
    batches = iter(batches)
    while kept := list(itertools.islice(batches, count)):
        shapes = [jax.tree.map(np.shape, batch) for batch in kept]
        if len(kept) == count and shapes.count(shapes[0]) == count:
            yield jax.tree.map(lambda *leaves: np.stack(leaves), *kept)
        else:
            yield Batches(kept)


@pytest.fixture(autouse=True)
def stacking(monkeypatch):
    module = importlib.import_module("keras.src.backend.jax.trainer")
    trainer, epochs = module.JAXTrainer, module.JAXEpochIterator
    get_iterator = epochs._get_iterator

    def get_items(self):
        batches, count = get_iterator(self), self.steps_per_execution
        return batches if count == 1 else items_of(batches, count)

    def make_function(
        self, step_function, out_shardings=None, concatenate_outputs=False
    ):
        step_function = jax.jit(step_function, donate_argnums=0)

        def several(state, item):
            def body(state, batch):
                return step_function(state, batch)[::-1]

            state, outputs = jax.lax.scan(body, state, item)
            return jax.tree.map(lambda leaf: leaf[-1], outputs), state

        multi_step_fn = jax.jit(several, donate_argnums=0)

        def step(state, iterator):
            item = next(iterator)
            if self.steps_per_execution == 1:
                return step_function(state, item)
            if not isinstance(item, Batches):
                return multi_step_fn(state, item)
            for batch in item:
                outputs, state = step_function(state, batch)
            return outputs, state

        step.__module__ = module.__name__
        return step

    def maker(kind):
        name = f"{kind}_function"

        def make(self, force=False):
            if getattr(self, name) is None or force:
                step = getattr(self, f"{kind}_step")
                function = self._make_function(step, out_shardings=None)
                setattr(self, name, function)

        return make

    build = trainer._symbolic_build

    def build_with_a_batch(self, iterator=None, data_batch=None):
        if data_batch is None:
            data_batch = next(iter(iterator.data_adapter.get_jax_iterator()))
        build(self, data_batch=data_batch)

    monkeypatch.setattr(trainer, "_symbolic_build", build_with_a_batch)
    monkeypatch.setattr(epochs, "_get_iterator", get_items)
    monkeypatch.setattr(trainer, "_make_function", make_function)
    for kind in ("train", "test"):
        monkeypatch.setattr(trainer, f"make_{kind}_function", maker(kind))


class Numbered(keras.utils.PyDataset):
    """Seven batches, which can only be drawn, each with its number."""

    def __len__(self):
        return 7

    def __getitem__(self, index):
        if index == getattr(self, "broken", None):
            raise OSError("broken batch")
        x = np.random.default_rng(index).normal(size=(4, 2)).astype("float32")
        x[:, 1] = index
        return x, (x[:, :1] > 0).astype("float32")


def trained(*callbacks, count=3, epochs=2, data=None, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse", steps_per_execution=count)
    options = {"shuffle": False, "verbose": 0, "epochs": epochs, **options}
    history = model.fit(data or Numbered(), callbacks=list(callbacks), **options)
    return model, history.history


def state(model):
    return [v.numpy() for v in [*model.variables, *model.optimizer.variables]]


def assert_equal(model, other):
    for a, b in zip(state(model), state(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("count", [1, 3])
def test_the_doctor_reads_batches_and_training_loses_none(count):
    plain, _ = trained(count=count)
    doctor = TrainingDoctor()
    model, _ = trained(doctor, count=count)
    assert int(model.optimizer.iterations) == 14
    assert_equal(model, plain)
    facts = doctor.record.structure["data"]
    assert facts["sampled"] == 28 and facts["inputs"][0]["shape"] == [2]


class AtStart(keras.callbacks.Callback):
    def __init__(self, act):
        super().__init__()
        self.act = act

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self.act(_keras.running_fit()["epoch_iterator"])


def test_single_batches_are_shown_as_long_as_they_are_wanted():
    seen = []

    def read(batch):
        seen.append(batch[0].shape + (int(batch[0][0, 1]),))
        return 0 if len(seen) < 5 else None

    def show(epochs):
        _keras.show_first_batches(epochs, read, _backends.batch_iterator)

    model, _ = trained(AtStart(show), epochs=1)
    assert seen == [(4, 2, number) for number in range(5)]
    assert_equal(model, trained(epochs=1)[0])


@pytest.mark.parametrize("steps, last", [(3, 2), (6, 5)])
def test_steps_are_skipped_up_to_their_last_batch(steps, last):
    seen, begins = [], []

    def skip(epochs):
        _keras.skip_steps(epochs, steps, seen.append)

    noted = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: begins.append(batch)
    )
    model, _ = trained(AtStart(skip), noted, epochs=1)
    assert int(model.optimizer.iterations) == 7 - steps
    [(x, _)] = seen
    assert x.shape == (4, 2) and x[0, 1] == last
    assert begins == list(range(steps, 7, 3))


def test_an_epoch_is_drawn_to_its_end():
    drawn = []

    class Counted(Numbered):
        def __getitem__(self, index):
            drawn.append(index)
            return super().__getitem__(index)

    def draw(epochs):
        drawn.clear()
        _keras.draw_epoch(epochs)
        assert drawn[:7] == list(range(7))
        drawn.clear()

    trained(AtStart(draw), data=Counted(), epochs=1)
    assert drawn[:7] == list(range(7))


@pytest.mark.parametrize("save_freq", ["epoch", 1, 3])
def test_a_training_is_resumed_where_it_was(tmp_path, save_freq):
    def make():
        return resume.make_model(steps_per_execution=2)

    options = {"make": make, "feed": resume.generator_of_six}
    resume.check_resumes(tmp_path, save_freq, (2, 3), **options)


def test_monitors_measure_each_step():
    norms = [
        trained(GradientNormLogger(), count=count)[1]["grad_norm"] for count in (1, 3)
    ]
    np.testing.assert_allclose(norms[0], norms[1], rtol=1e-5)


@needs_keras("3.15", "is not the one that this stand-in for coming versions changes")
@pytest.mark.parametrize("broken, done", [(4, 3), (6, 6)])
def test_an_error_leaves_the_state_of_the_last_call(broken, done):
    data, part = Numbered(), Numbered()
    data.broken = broken
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse", steps_per_execution=3)
    stopper = EarlyStopping("loss")
    with pytest.raises(OSError, match="broken batch"):
        model.fit(data, shuffle=False, verbose=0, callbacks=[stopper])
    expected, _ = trained(data=part, epochs=1, steps_per_epoch=done)
    assert_equal(model, expected)


def test_validation_keeps_the_weights_if_it_fails():
    validation = Numbered()
    validation.broken = 5
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse", steps_per_execution=3)
    options = {"shuffle": False, "verbose": 0, "callbacks": [EarlyStopping("loss")]}
    with pytest.raises(OSError, match="broken batch"):
        model.fit(Numbered(), validation_data=validation, **options)
    assert_equal(model, trained(epochs=1)[0])
