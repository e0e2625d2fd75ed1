"""Probes do not affect training: weights, files and counts stay the same."""

import copy
import itertools
import os

import keras
import numpy as np
import pytest

from kcomponents.optimizers import clipped
from kcomponents.probes import Probe, Statistic
from tests.backend_cases import once
from tests.probes.reading import Reader
from tests.probes.replay import models

BACKEND = keras.backend.backend()
OPTIONS = {"batch_size": 2, "epochs": 2, "verbose": 0}
KINDS = ["sequential", "functional", "subclassed", "nested", "custom_train_step"]


def compiled(name="sequential", optimizer="adam"):
    model, x, y = models[name]()
    model.compile(optimizer, "mse", jit_compile=BACKEND == "jax")
    return model, x, y


def state(model):
    """Return all numbers of a model and its optimizer."""
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def covers(model):
    """Return the names of methods that stand on instances instead of classes."""
    things = [model, model.optimizer, *model.layers]
    names = {"call", "train_step", "compute_loss", "apply", "_clip_gradients"}
    return {name for thing in things for name in names & vars(thing).keys()}


def same(ours, theirs):
    assert len(ours) == len(theirs)
    # Bit by bit in eager mode; a compiler may order sums of another program otherwise.
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=0 if BACKEND == "torch" else 1e-6)


@pytest.mark.filterwarnings("ignore:The loss of this model cannot be measured")
@pytest.mark.parametrize("name", KINDS)
def test_a_model_with_a_probe_trains_as_without(name):
    watched, x, y = compiled(name)
    keras.utils.set_random_seed(1)
    watched.fit(x, y, callbacks=[Reader()], **OPTIONS)
    plain, x, y = compiled(name)
    keras.utils.set_random_seed(1)
    plain.fit(x, y, **OPTIONS)
    same(state(watched), state(plain))
    assert not covers(watched)


def test_the_train_function_of_an_earlier_fit_is_used_again():
    model, x, y = compiled()
    model.fit(x, y, **OPTIONS)
    function = model.train_function
    model.fit(x, y, callbacks=[Reader()], **OPTIONS)
    assert model.train_function is function


class Fault(keras.callbacks.Callback):
    """Raises at one of the hooks."""

    def __init__(self, hook, error):
        super().__init__()
        setattr(self, hook, self.fail)
        self.error = error

    def fail(self, *args, **kwargs):
        raise self.error("stop")


def broken_data():
    yield np.ones((2, 4)), np.ones((2, 1))
    raise RuntimeError("the data broke")


@pytest.mark.parametrize(
    ("hook", "error"),
    [
        ("on_train_batch_end", RuntimeError),
        ("on_train_batch_end", KeyboardInterrupt),
        ("on_test_begin", RuntimeError),
        *once(
            ("on_test_begin", KeyboardInterrupt),
            *itertools.product(
                ["on_epoch_begin", "on_epoch_end"], [RuntimeError, KeyboardInterrupt]
            ),
        ),
    ],
)
def test_an_exception_in_another_callback_takes_everything_off(hook, error):
    model, x, y = compiled()
    counts = len(model.variables)
    callbacks = [Reader(), Fault(hook, error)]
    with pytest.raises(error):
        model.fit(x, y, callbacks=callbacks, validation_data=(x, y), **OPTIONS)
    assert not covers(model)
    plain, *_ = compiled()
    plain.fit(x, y, **OPTIONS)
    assert len(model.variables) == counts
    assert len(model.optimizer.variables) == len(plain.optimizer.variables)
    model.fit(x, y, **OPTIONS)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_while_training_begins_takes_everything_off(error):
    model, x, y = compiled()
    with pytest.raises(error) as kept:
        model.fit(x, y, callbacks=[Reader(), Fault("on_train_begin", error)], **OPTIONS)
    # Also while the traceback is kept.
    assert kept and not covers(model)


def test_an_exception_in_the_step_takes_everything_off():
    class Broken(keras.Model):
        def train_step(self, *args):
            raise RuntimeError("broken step")

    inputs = keras.Input((4,))
    model = Broken(inputs, keras.layers.Dense(1)(inputs))
    model.compile("adam", "mse")
    with pytest.raises(RuntimeError, match="broken step"):
        model.fit(np.ones((4, 4)), np.ones((4, 1)), verbose=0, callbacks=[Reader()])
    assert not covers(model)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_exception_in_the_data_takes_everything_off():
    model, *_ = compiled()
    # TensorFlow gives errors of a generator a type of its own.
    with pytest.raises(Exception, match="the data broke"):
        model.fit(broken_data(), steps_per_epoch=3, verbose=0, callbacks=[Reader()])
    assert not covers(model)


@pytest.mark.parametrize("optimizer", ["adam", "loss scale", "clipped"])
def test_files_written_in_the_middle_load_into_an_untouched_model(tmp_path, optimizer):
    makers = {
        "adam": lambda: keras.optimizers.Adam(0.01),
        "loss scale": lambda: keras.optimizers.LossScaleOptimizer(
            keras.optimizers.Adam(0.01), 8.0
        ),
        "clipped": lambda: clipped(keras.optimizers.Adam(0.01), global_clipnorm=1.0),
    }
    saved = {}
    for side in ("watched", "plain"):
        model, x, y = compiled("sequential", makers[optimizer]())
        keras.utils.set_random_seed(1)
        path = os.fspath(tmp_path / f"{side}.keras")
        batch = os.fspath(tmp_path / f"{side}_batch.weights.h5")
        callbacks = [
            keras.callbacks.ModelCheckpoint(path),
            keras.callbacks.ModelCheckpoint(batch, save_weights_only=True, save_freq=1),
        ]
        if side == "watched":
            callbacks.insert(0, Reader())
        model.fit(x, y, callbacks=callbacks, **OPTIONS)
        loaded = keras.saving.load_model(path)
        again, *_ = compiled("sequential", makers[optimizer]())
        again.optimizer.build(again.trainable_variables)
        again.load_weights(batch)
        saved[side] = state(loaded), state(again)
    for ours, theirs in zip(saved["watched"], saved["plain"], strict=True):
        same(ours, theirs)


def test_training_goes_on_from_a_backup(tmp_path):
    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path)

    model, x, y = compiled()

    class Late(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        model.fit(x, y, callbacks=[Reader(), backup(), Late()], **OPTIONS)
    again, x, y = compiled()
    again.fit(x, y, callbacks=[Reader(), backup()], **OPTIONS)
    assert int(keras.ops.convert_to_numpy(again.optimizer.iterations)) == 8


def test_early_stopping_restores_weights_beside_a_probe():
    model, x, y = compiled()
    stopping = keras.callbacks.EarlyStopping(
        "loss", patience=1, mode="max", restore_best_weights=True
    )
    options = {**OPTIONS, "epochs": 5}
    model.fit(x, y, callbacks=[Reader(), stopping], **options)
    plain, x, y = compiled()
    keras.utils.set_random_seed(0)
    assert len(model.get_weights()) == len(plain.get_weights())


def test_a_layer_inside_a_map_is_named_and_the_rest_works():
    class Mapped(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = keras.layers.Dense(3, "relu", name="inner")

        def build(self, shape):
            self.inner.build(shape)

        def call(self, inputs):
            return keras.ops.vectorized_map(
                lambda row: self.inner(row[None])[0], inputs
            )

    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(4, "relu", name="outer")(Mapped()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile("sgd", "mse", jit_compile=BACKEND == "jax")
    reader = Reader()
    with pytest.warns(UserWarning, match="cannot be measured: .*inner"):
        model.fit(np.ones((4, 4)), np.ones((4, 1)), verbose=0, callbacks=[reader])
    assert "outer" in reader.values["sums"]
    assert not [site for site in reader.values["sums"] if "inner" in site]


def test_an_unbuilt_model_says_how_to_build_it():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"model.build\(input_shape\)"):
        Probe().attach(model)


def test_a_model_without_optimizer_has_no_gradients_to_show():
    model, *_ = models["sequential"]()
    total = Statistic("total", "gradients", lambda v: v.total)
    with pytest.raises(ValueError, match="compiled with an optimizer"):
        Probe(total).attach(model)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("total", "gradient", len), "Did you mean .*'gradients'"),
        (("total", "gradients", len, "mean"), "Use one of 'sum', .*merge='mean'"),
    ],
)
def test_statistics_of_unknown_words_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Statistic(*arguments)


def test_statistics_of_one_name_are_refused():
    total = Statistic("total", "gradients", lambda v: v.total)
    with pytest.raises(ValueError, match="different names"):
        Probe(total, copy.copy(total))
