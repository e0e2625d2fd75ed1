"""Probes on several devices measure the global batch.

Virtual devices must be created before the backend starts, so the fits run in another
process: this file, run as a script, prints the results as JSON.
"""

import functools
import json

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.optimizers import clipped
from kcomponents.probes import Probe, Statistic
from tests.two_devices import answers_of, strategy_of_two

BACKEND = keras.backend.backend()
STATISTICS = (
    Statistic("squares", "gradients", lambda v: v.squares, per_variable=True),
    Statistic("largest", "gradients", lambda v: v.total, "max"),
    Statistic("steps", "gradients", lambda v: 1.0),
    Statistic("clipped", "clipped_gradients", lambda v: v.total),
    Statistic("moved", "updates", lambda v: v.squares, per_variable=True),
    Statistic("highest", "outputs", lambda v: ops.max(ops.relu(v.outputs), 0), "max"),
    Statistic("fired", "outputs", lambda v: ops.sum(ops.sign(v.outputs), 0)),
    Statistic("losses", "losses", lambda v: v.loss),
)
pytestmark = pytest.mark.skipif(
    BACKEND == "torch", reason="Keras trains on one device a process with PyTorch"
)


@functools.cache
def answers():
    return answers_of(__file__)


CASES = ["plain", "clipped by Keras", "clipped by ours", "loss scale"]


@pytest.mark.parametrize("case", CASES)
def test_two_devices_measure_what_one_measures(case):
    one, two = answers()[case]
    assert one.keys() == two.keys()
    for name in one:
        assert one[name].keys() == two[name].keys(), name
        for path, value in one[name].items():
            found = two[name][path]
            np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-7, err_msg=name)


def test_two_devices_take_part():
    assert answers()["devices"] == 2


class Reader(keras.callbacks.Callback):
    """Reads a probe after each epoch and keeps the last reading."""

    def on_train_begin(self, logs=None):
        self.probe = Probe(*STATISTICS)
        self.probe.attach(self.model)

    def on_epoch_end(self, epoch, logs=None):
        self.values = self.probe.read().values
        self.probe.reset()

    def on_train_end(self, logs=None):
        self.probe.detach()


def fit(case):
    """Train for two epochs and return the readings of the second."""
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(5, "relu", name="hidden")
    last = keras.layers.Dense(1, name="last")
    model = keras.Sequential([keras.Input((3,)), hidden, last], name="net")
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    if case == "clipped by Keras":
        # A bound that does not bind: Keras clips on each replica before it sums, so
        # that two devices would train differently.
        optimizer = keras.optimizers.SGD(0.1, global_clipnorm=100.0)
    elif case == "clipped by ours":
        optimizer = clipped(optimizer, global_clipnorm=0.1)
    elif case == "loss scale":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, 64.0)
    model.compile(optimizer, "mse")
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    y = x[:, :1] * 3
    reader = Reader()
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    model.fit(x, y, callbacks=[reader], **options)
    return reader.values


def on_tensorflow():
    strategy = strategy_of_two()
    found = {"devices": strategy.num_replicas_in_sync}
    for case in CASES:
        one = fit(case)
        with strategy.scope():
            two = fit(case)
        found[case] = one, two
    return found


def on_jax():
    ones = {case: fit(case) for case in CASES}
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    twos = {case: fit(case) for case in CASES}
    devices = len(keras.distribution.list_devices())
    return {"devices": devices} | {case: (ones[case], twos[case]) for case in CASES}


if __name__ == "__main__":
    print(json.dumps({"tensorflow": on_tensorflow, "jax": on_jax}[BACKEND]()))
