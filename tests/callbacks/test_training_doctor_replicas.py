"""`TrainingDoctor` on two devices, in a process of its own."""

import functools
import json

import keras
import numpy as np
import pytest

from kcomponents.callbacks import TrainingDoctor
from tests.two_devices import answers_of, strategy_of_two

BACKEND = keras.backend.backend()
pytestmark = pytest.mark.skipif(
    BACKEND == "torch", reason="Keras trains on one device a process with PyTorch"
)
KINDS = ("arrays", "batches")


@functools.cache
def answers():
    return answers_of(__file__)


@pytest.mark.parametrize("kind", KINDS)
def test_leaves_a_training_on_two_devices_as_it_is(kind):
    without, under = answers()[kind]
    for a, b in zip(without["state"], under["state"], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_two_devices_are_judged_as_one():
    assert answers()["devices"] == 2
    assert answers()["arrays"][1]["rules"] == ["wrong_loss_or_output_activation"]


def batches(x, y):
    while True:
        for start in range(0, len(x), 8):
            yield x[start : start + 8], y[start : start + 8]


def fit(kind, *callbacks):
    """Train, and return the state that came of it."""
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(5, "relu")
    last = keras.layers.Dense(1, "relu")
    model = keras.Sequential([keras.Input((3,)), hidden, last])
    model.compile("adam", "binary_crossentropy")
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    y = (x[:, :1] > 0).astype("float32")
    data = {"x": x, "y": y, "batch_size": 8}
    if kind == "batches" and BACKEND == "jax":
        data = {"x": batches(x, y), "steps_per_epoch": 5}
    if kind == "batches" and BACKEND == "tensorflow":
        import tensorflow as tf

        data = {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(8)}
    settings = {"epochs": 3, "shuffle": False, "verbose": 0}
    model.fit(**data, **settings, callbacks=list(callbacks))
    variables = [*model.variables, *model.optimizer.variables]
    rules = [f.label for c in callbacks for f in c.diagnosis.findings]
    return {"state": [v.numpy().tolist() for v in variables], "rules": rules}


def on_tensorflow():
    strategy = strategy_of_two()
    with strategy.scope():
        found = {kind: (fit(kind), fit(kind, TrainingDoctor())) for kind in KINDS}
    return found | {"devices": strategy.num_replicas_in_sync}


def on_jax():
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    found = {kind: (fit(kind), fit(kind, TrainingDoctor())) for kind in KINDS}
    return found | {"devices": len(keras.distribution.list_devices())}


if __name__ == "__main__":
    print(json.dumps({"tensorflow": on_tensorflow, "jax": on_jax}[BACKEND]()))
