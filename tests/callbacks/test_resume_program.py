"""`Resume`: changed programs and states made by hand are named before training."""

import logging
import os
import re
import shutil

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents._state_file import read_state, write_state
from kcomponents.callbacks import EarlyStopping, Resume
from kcomponents.callbacks._program import changes_of, program_of
from kcomponents.callbacks.resume import KIND
from tests.callbacks.crashing import CrashAfter, Stopped

BACKEND = keras.backend.backend()
DATA = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
OPTIMIZERS = keras.optimizers


def mean_error(targets, predictions):
    return keras.ops.mean(keras.ops.abs(targets - predictions), -1)


def make(
    optimizer=None,
    loss="mse",
    activation="relu",
    rate=0.3,
    seed=1,
    layer_seed=None,
    policy=None,
    metrics=("mae",),
    **settings,
):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, activation, dtype=policy),
            layers.Dropout(rate, seed=layer_seed, dtype=policy),
            layers.Dense(1, dtype=policy),
        ]
    )
    optimizer = OPTIMIZERS.RMSprop(0.01) if optimizer is None else optimizer
    model.compile(optimizer, loss, metrics=list(metrics), **settings)
    return model


def stopper():
    return EarlyStopping("loss", patience=9, restore_best_weights=True)


def fit(model, *callbacks, rows=40, epochs=4, **options):
    callbacks = [stopper(), *callbacks]
    options = {"batch_size": 8, "verbose": 0, "callbacks": callbacks, **options}
    x = DATA[:rows]
    return model.fit(x, x[:, :1], epochs=epochs, **options)


class NoTraining(keras.callbacks.Callback):
    """Ends `fit` before the first batch."""

    def on_train_begin(self, logs=None):
        raise Stopped


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Save a state after the first epoch, and one within the second epoch."""
    folders = {}
    for name, batches in (("between", 7), ("within", 8)):
        folders[name] = tmp_path_factory.mktemp(name)
        frequency = "epoch" if name == "between" else 2
        with pytest.raises(Stopped):
            fit(make(), Resume(folders[name], frequency), CrashAfter(batches))
    return folders


def schedule(steps):
    return OPTIMIZERS.schedules.ExponentialDecay(0.1, steps, 0.9)


# Name of the change → arguments of `make`, arguments of `fit`, words of the message,
# and when it is refused.
CHANGES = {
    "optimizer": (
        {"optimizer": lambda: OPTIMIZERS.SGD(0.01, momentum=0.9)},
        {},
        "optimizer class: 'SGD', saved 'RMSprop'",
        "always",
    ),
    "policy": (
        {"policy": "mixed_bfloat16"},
        {},
        "dtype of layer 'dense.*': 'mixed_bfloat16', saved 'float32'",
        "always",
    ),
    "learning rate": (
        {"optimizer": lambda: OPTIMIZERS.RMSprop(0.1)},
        {},
        r"learning rate \(the saved one is used\): 0.1, saved 0.01",
        "never",
    ),
    "clipping": (
        {"optimizer": lambda: OPTIMIZERS.RMSprop(0.01, clipnorm=1.0)},
        {},
        "optimizer clipnorm: 1.0, saved None",
        "never",
    ),
    "loss": (
        {"loss": "mae"},
        {},
        "loss: 'MeanAbsoluteError', saved 'MeanSquaredError'",
        "never",
    ),
    "own loss": (
        {"loss": mean_error},
        {},
        "loss: 'custom:mean_error'",
        "never",
    ),
    "metric": ({"metrics": ["mse"]}, {}, "metrics: 'mse', saved 'mae'", "never"),
    "activation": (
        {"activation": "tanh"},
        {},
        "activation of layer 'dense.*': 'tanh', saved 'relu'",
        "never",
    ),
    "rate": ({"rate": 0.5}, {}, "rate of layer 'dropout.*': 0.5, saved 0.3", "never"),
    "seed": ({"seed": 2}, {}, "seed: 2, saved 1", "within"),
    "batch size": ({}, {"batch_size": 10}, "batch size: 10, saved 8", "within"),
    "more data": ({}, {"rows": 38}, "samples: 38, saved 40", "within"),
    "shuffle": ({}, {"shuffle": False}, "shuffle: False, saved True", "within"),
    "steps": ({}, {"steps_per_epoch": 4}, "steps per epoch: 4, saved 5", "within"),
    "validation": (
        {},
        {"validation_data": (DATA, DATA[:, :1])},
        "validation data: True, saved False",
        "never",
    ),
    "class weights": ({}, {"class_weight": {0: 2.0}}, "class weights", "never"),
}


@pytest.mark.parametrize("when", ["between", "within"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_program_is_named_before_training(tmp_path, saved, change, when):
    settings, options, words, refused = CHANGES[change]
    settings = dict(settings)
    if callable(settings.get("optimizer")):
        settings["optimizer"] = settings["optimizer"]()
    shutil.copytree(saved[when], tmp_path / "run")
    files = {p: (tmp_path / "run" / p).read_bytes() for p in os.listdir(saved[when])}
    model, resume = make(**settings), Resume(tmp_path / "run", 2)
    if refused in ("always", when):
        with pytest.raises(ValueError, match=f"Different now:.*{words}.*backup_dir="):
            fit(model, resume, CrashAfter(1), **options)
        assert int(model.optimizer.iterations.numpy()) == 0
    else:
        with pytest.warns(RuntimeWarning, match=f"has changed since:.*{words}"):
            with pytest.raises(Stopped):
                fit(model, resume, NoTraining(), **options)
    kept = {p: (tmp_path / "run" / p).read_bytes() for p in files}
    assert kept == files


def test_the_same_program_is_resumed_in_silence(tmp_path, saved):
    # Layers of the second model have other numbers in their names.
    for when in saved:
        shutil.copytree(saved[when], tmp_path / when)
        with pytest.raises(Stopped):
            fit(make(), Resume(tmp_path / when, 2), NoTraining(), epochs=9)


def program(model, **fit_arguments):
    arguments = {"x": DATA, "batch_size": 8, "shuffle": True, **fit_arguments}
    return program_of(model, arguments, {"epochs": 4, "steps": 5}, [])


@pytest.mark.parametrize(
    "first, second, words",
    [
        (
            {"layer_seed": 3},
            {"layer_seed": 4},
            "seed .*of layer 'dropout.*: 4, saved 3",
        ),
        ({"layer_seed": 3}, {"layer_seed": 3}, None),
        ({"loss": lambda y, p: p}, {"loss": lambda y, p: y}, None),
        ({"loss": mean_error}, {"loss": mean_error}, None),
        (
            {"optimizer": OPTIMIZERS.SGD(schedule(10))},
            {"optimizer": OPTIMIZERS.SGD(schedule(20))},
            "learning rate decay_steps: 20, saved 10",
        ),
        (
            {"optimizer": OPTIMIZERS.SGD(schedule(10))},
            {"optimizer": OPTIMIZERS.SGD(schedule(10))},
            None,
        ),
        (
            {"optimizer": OPTIMIZERS.SGD(weight_decay=0.1)},
            {"optimizer": OPTIMIZERS.SGD(weight_decay=0.2)},
            "optimizer weight_decay: 0.2, saved 0.1",
        ),
    ],
)
def test_settings_are_compared(first, second, words):
    saved, now = program(make(**first)), program(make(**second))
    _, changed = changes_of(saved, now, False)
    assert bool(changed) == (words is not None), changed
    if words:
        with pytest.raises(ValueError, match=words):
            raise ValueError("; ".join(changed))


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (None, 0.1, "kernel_regularizer of layer 'dense.*': {.*}, saved None"),
        (0.1, None, "kernel_regularizer of layer 'dense.*': None, saved {.*}"),
        (0.1, 0.2, "kernel_regularizer l2 of layer 'dense.*': 0.2, saved 0.1"),
    ],
)
def test_a_regularizer_that_is_new_gone_or_stronger_is_named(first, second, words):
    programs = []
    for strength in (first, second):
        rule = strength and keras.regularizers.L2(strength)
        model = keras.Sequential([layers.Dense(1, kernel_regularizer=rule)])
        model.compile("sgd", "mse")
        model.build((None, 4))
        programs.append(program(model))
    _, [changed] = changes_of(*programs, False)
    assert re.fullmatch(words, changed)


def test_settings_that_only_one_version_of_keras_has_are_left_out():
    saved, now = program(make()), program(make())
    now["layers"][0]["config"]["new_setting"] = 1
    now["optimizers"][0]["config"]["new_setting"] = 1
    saved["fit"]["old_setting"] = 1
    del saved["metrics"]
    assert changes_of(saved, now, True) == ([], [])


def test_another_backend_is_refused():
    saved, now = program(make()), program(make())
    saved["backend"] = "another"
    [refused], _ = changes_of(saved, now, False)
    assert refused == f"backend: '{BACKEND}', saved 'another'"


def test_more_epochs_alone_are_no_change():
    saved, now = program(make()), program(make())
    now["fit"]["epochs"] = 9
    assert changes_of(saved, now, True) == ([], [])


def test_a_learning_rate_from_the_end_of_the_last_fit_is_no_change():
    saved = program(make())
    now = program(make(OPTIMIZERS.RMSprop(0.005)))
    assert changes_of(saved, now, False, saved_rate=0.005) == ([], [])


def test_a_warning_is_given_once(tmp_path, saved):
    shutil.copytree(saved["between"], tmp_path / "run")
    with pytest.warns(RuntimeWarning, match="rate of layer"):
        with pytest.raises(Stopped):
            fit(make(rate=0.5), Resume(tmp_path / "run"), CrashAfter(6))
    with pytest.raises(Stopped):
        fit(make(rate=0.5), Resume(tmp_path / "run"), NoTraining())


def test_a_state_of_an_earlier_version_is_read(tmp_path, saved):
    state = read_state(saved["within"] / "state.npz", KIND)
    del state["program"]
    write_state(tmp_path / "state.npz", KIND, state)
    assert fit(make(), Resume(tmp_path)).epoch == [0, 1, 2, 3]


# Saved states made by hand


def stopper_state(**change):
    return {"callbacks": {"EarlyStopping-1": {**stopper().get_state(), **change}}}


HAND_MADE = {
    "epoch": ({"epoch": -5}, "`epoch` must be an integer of at least 0.*epoch=-5"),
    "boolean": ({"step": True}, "`step` must be an integer of at least 0"),
    "first epoch": ({"first_epoch": 9}, "`epoch` must be at least `first_epoch`"),
    "step": ({"step": 10**6}, "`step` must be less than the 5 steps.*step=1000000"),
    "steps": ({"step": 5}, "`step` must be less than the 5 steps.*step=5"),
    "no randoms": ({"randoms": []}, "`randoms` must have 2 states"),
    "odd randoms": ({"randoms": [{}, {}]}, r"`randoms\[0\]` must be states of random"),
    "program": ({"program": 3}, "`program` must be facts as this version writes"),
    "odd program": (
        {"program": {"fit": 3, "layers": [4]}},
        "`program` must be facts as this version writes them",
    ),
    "empty program": ({"program": {}}, None),
    "numbers": ({"variables": [1.0, 2.0]}, "`variables` must be a list of arrays"),
    "words": ({"metrics": ["a"]}, "`metrics` must be a list of arrays"),
    "variables": ({"variables": [np.zeros(3)]}, "must be from a model with the same"),
    "metrics": ({"metrics": [np.zeros(())]}, "`metrics` must be the values of the"),
    "no metrics": ({"metrics": []}, "`metrics` must be the values of the metrics"),
    "history": ({"callbacks": {"History-1": 5}}, "saved state of `History-1` must be"),
    "stopper": (
        {"callbacks": {"EarlyStopping-1": {"best": "a"}}},
        "saved state of `EarlyStopping-1` must be",
    ),
    "best weights": (
        stopper_state(best_weights={"values": [1], "with_optimizer": False}),
        "saved state of `EarlyStopping-1` must be.*`best_weights` must be arrays",
    ),
    "weights of another model": (
        stopper_state(best_weights={"values": [np.zeros(3)], "with_optimizer": False}),
        "saved state of `EarlyStopping-1` must be.*with the same variables",
    ),
    "list": (
        {"callbacks": {"History-1": {"epoch": 3, "history": []}}},
        "`epoch` must be a list",
    ),
}


@pytest.mark.parametrize("name", HAND_MADE)
def test_a_state_made_by_hand_is_refused_before_training(tmp_path, saved, name):
    change, words = HAND_MADE[name]
    state = read_state(saved["within"] / "state.npz", KIND)
    write_state(tmp_path / "state.npz", KIND, {**state, **change})
    content = (tmp_path / "state.npz").read_bytes()
    callbacks = [Resume(tmp_path), CrashAfter(1)]
    error = Stopped if words is None else ValueError
    with pytest.raises(error, match=words):
        fit(make(), *callbacks)
    assert (tmp_path / "state.npz").read_bytes() == content
    if words is not None and name != "variables":
        with pytest.raises(ValueError, match="Received: path=.*state.npz"):
            fit(make(), *callbacks)


def test_a_run_without_an_epoch_is_resumed(tmp_path):
    fit(make(), Resume(tmp_path), epochs=0)
    assert fit(make(), Resume(tmp_path), epochs=1).epoch == [0]


# Stopped runs, and models that are not built


def test_a_stopped_run_says_that_more_epochs_do_not_continue_it(tmp_path, caplog):
    def early():
        return EarlyStopping("loss", stopping_threshold=1e9)

    fit(make(), early(), Resume(tmp_path))
    with caplog.at_level(logging.WARNING):
        found = fit(make(), early(), Resume(tmp_path), epochs=20)
    assert found.epoch == [0]
    assert "A callback has stopped this run" in caplog.text
    assert "whatever `epochs` is. To train again, delete" in caplog.text


@pytest.mark.skipif(
    BACKEND == "tensorflow", reason="TensorFlow builds a model only after `fit` began"
)
def test_a_model_that_keras_builds_in_fit_is_resumed(tmp_path):
    def unbuilt():
        keras.utils.set_random_seed(1)
        parts = [layers.Dense(6, "relu"), layers.Dropout(0.3), layers.Dense(1)]
        model = keras.Sequential(parts)
        model.compile("adam", "mse")
        return model

    whole = unbuilt()
    history = fit(whole).history
    with pytest.raises(Stopped):
        fit(unbuilt(), Resume(tmp_path, 2), CrashAfter(8))
    model = unbuilt()
    assert fit(model, Resume(tmp_path, 2)).history == history
    for a, b in zip(whole.variables, model.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
