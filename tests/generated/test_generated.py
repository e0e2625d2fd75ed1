"""Random programs train with our callbacks as they train without them."""

import json

import keras
import numpy as np
import pytest

from kcomponents import callbacks
from tests.generated import comparison, programs
from tests.generated.__main__ import main, read
from tests.random_cases import cases

BACKEND = programs.BACKEND
# A few of the hundreds that `--full` and `python -m tests.generated` run.
SEEDS = {
    "torch": range(2000, 2010),
    "jax": [2001, 2002, 2004, 2005],
    "tensorflow": [0, 2, 6, 7],
}
SMALL = {
    "seed": 1,
    "model": "functional",
    "inputs": "vector",
    "layers": ["dropout", "batch_norm"],
    "frozen": False,
    "policy": "float32",
    "task": "regression",
    "optimizer": "adam",
    "wrapped": None,
    "ema": None,
    "accumulate": None,
    "loss_scale": False,
    "schedule": False,
    "steps_per_execution": 1,
    "eager": False,
    "source": "arrays",
    "uneven": False,
    "validation": False,
    "weights": None,
    "epochs": 1,
    "fits": 1,
    "fault": None,
    "kept": False,
    "callbacks": {"GradientNormLogger": {}},
}
# Programs that differed once.
MENDED = {
    "names of optimizer variables under a loss scale": {"loss_scale": True},
    "a list of extra variables on the optimizer": {"layers": ["dense"]},
    "covers of methods after StopIteration": {"fault": "stop_iteration"},
    "covers of methods where an exception is kept": {"fault": "data", "kept": True},
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", cases(SEEDS[BACKEND], range(200)))
def test_a_random_program_trains_as_without_our_callbacks(seed):
    assert comparison.differences(programs.draw(seed)) == []


@pytest.mark.parametrize("settings", MENDED.values(), ids=MENDED)
def test_a_program_that_differed_once_trains_as_without(settings):
    assert comparison.differences({**SMALL, **settings}) == []


class Meddling(keras.callbacks.Callback):
    """Changes one thing at the end of training."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def on_train_end(self, logs=None):
        self.change(self.model)


def shift_weights(model):
    weight = model.trainable_variables[0]
    weight.assign(weight + 1e-6)


def shift_moments(model):
    model.optimizer.variables[-1].assign(model.optimizer.variables[-1] + 1e-6)


def count_a_seed(model):
    keras.random.uniform(())


def draw_from_numpy(model):
    np.random.random()


def leave_an_attribute(model):
    model.optimizer.watched = True


def leave_a_method(model):
    layer = model.layers[1]
    layer.__dict__["call"] = layer.call


def add_to_the_history(model):
    model.history.history["loss"][-1] += 1e-6


def patch_a_class(model):
    keras.layers.Dense.watched = True


def change_the_config(model):
    model.layers[1].trainable = False


CHANGES = [
    shift_weights,
    shift_moments,
    count_a_seed,
    draw_from_numpy,
    leave_an_attribute,
    leave_a_method,
    add_to_the_history,
    patch_a_class,
    change_the_config,
]


@pytest.mark.any_backend
@pytest.mark.parametrize("change", CHANGES)
def test_the_comparison_finds_a_callback_that_meddles(change, monkeypatch):
    monkeypatch.setattr(programs, "callbacks_of", lambda *_: [Meddling(change)])
    monkeypatch.setattr(keras.layers.Dense, "watched", False, raising=False)
    assert comparison.differences(SMALL)


@pytest.mark.any_backend
def test_the_comparison_finds_nothing_in_a_callback_that_does_nothing(monkeypatch):
    monkeypatch.setattr(programs, "callbacks_of", lambda *_: [Meddling(lambda _: 0)])
    assert comparison.differences(SMALL) == []


@pytest.mark.any_backend
def test_settings_of_a_seed_stay_the_same_and_can_be_written():
    for seed in range(50):
        case = programs.draw(seed)
        assert json.loads(json.dumps(case)) == case == programs.draw(seed)


@pytest.mark.any_backend
def test_the_script_writes_a_line_for_each_program_and_goes_on(
    tmp_path, capsys, monkeypatch
):
    path = tmp_path / "programs.jsonl"
    monkeypatch.setattr("tests.generated.__main__.differences", lambda case: [])
    assert main(["--models", "2", "--output", str(path)]) == 0
    monkeypatch.setattr("tests.generated.__main__.differences", lambda case: ["loss"])
    assert main(["--models", "3", "--output", str(path)]) == 1
    assert [row["differences"] for row in read(path).values()] == [[], [], ["loss"]]
    assert "3 programs, 1 of them differ" in capsys.readouterr().out


# These are there to change what is trained.
CHANGING = {"Revive", "WarmUp"}


@pytest.mark.any_backend
def test_every_callback_of_the_package_is_drawn():
    drawn = set().union(*(programs.draw(seed)["callbacks"] for seed in range(100)))
    kinds = [getattr(callbacks, name) for name in callbacks.__all__]
    kinds = [kind for kind in kinds if isinstance(kind, type)]
    base = keras.callbacks.Callback
    found = {kind.__name__ for kind in kinds if issubclass(kind, base)}
    assert drawn == found - CHANGING
