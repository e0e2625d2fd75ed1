"""The calls that a probe adds to a training change no state of model or process."""

import random

import keras
import numpy as np
import pytest

from kcomponents import _backends, _keras
from kcomponents import layers as ours
from kcomponents.callbacks import DeadReLUMonitor
from kcomponents.probes import Probe, Statistic
from kcomponents.probes.inference_probe import InferenceProbe
from tests.probes.models import normal

BACKEND = keras.backend.backend()
LARGEST = Statistic("largest", "outputs", lambda v: keras.ops.max(v.outputs), "max")


class Restless(keras.layers.Layer):
    """Changes all kinds of state whenever it is called."""

    def __init__(self, metric):
        super().__init__()
        self.seed = keras.random.SeedGenerator(1)
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)
        # JAX does not train a layer that holds a metric.
        self.mean = keras.metrics.Mean(name="mean") if metric else None

    def call(self, x):
        number = random.random() + np.random.random()
        self.calls.assign(self.calls + 1.0)
        if self.mean is not None:
            self.mean.update_state(x)
        self.add_loss(keras.ops.sum(x))
        drawn = keras.random.normal(keras.ops.shape(x), seed=self.seed)
        if BACKEND == "torch":
            # Not possible on symbolic tensors: Keras runs the model instead.
            assert bool(keras.ops.all(x == x))
        if BACKEND != "jax":
            # JAX refuses to trace numbers without a seed.
            drawn = drawn + keras.random.normal(keras.ops.shape(x))
        return x + 0.0 * drawn + 0.0 * number


def restless(metric=True):
    """Return a model whose layers change their state in each call."""
    inner = [
        ours.MaxoutDense(4, 2),
        ours.MCDropout(0.5),
        Restless(metric),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(3, "relu"),
    ]
    model = keras.Sequential([keras.Input((3,)), *inner, keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"], jit_compile=False)
    return model


def whole_state(model):
    """Return all state that a call of a model may change."""
    generator = _keras.global_seeds()
    variables = [*model.variables, *model.metrics_variables]
    python, (_, keys, *place) = random.getstate(), np.random.get_state()
    return {
        "variables": [np.array(v.numpy()).tolist() for v in variables],
        "seeds": None if generator is None else np.array(generator.numpy()).tolist(),
        "backend": repr(keras.tree.map_structure(np.sum, _backends.random_state())),
        "random": python,
        "numpy": (keys.tolist(), place),
        "losses": len(model.losses),
        "attributes": [sorted(vars(layer)) for layer in model.layers],
        "built": [layer.built for layer in model.layers],
    }


def attached(model):
    """Attach a probe on training and detach it again."""
    model.make_train_function()
    probe = Probe(LARGEST)
    probe.attach(model)
    probe.detach()


def read(model):
    """Read a probe on data."""
    probe = InferenceProbe(LARGEST, data=normal(3))
    probe.attach(model)
    assert probe.read().values["largest"]
    probe.detach()


@pytest.mark.parametrize("use", [attached, read])
@pytest.mark.parametrize("drawn", [False, True])
def test_a_probe_changes_no_state(use, drawn):
    model = restless()
    if drawn:
        keras.random.normal((1,))
    before = whole_state(model)
    use(model)
    assert whole_state(model) == before


def test_a_training_of_random_layers_is_the_same_with_a_monitor():
    def losses(*callbacks):
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(0)
        model = restless(metric=False)
        arrays, callbacks = (normal(3), normal(1)), list(callbacks)
        found = model.fit(*arrays, epochs=2, verbose=0, callbacks=callbacks)
        return found.history["loss"]

    plain = losses()
    assert losses(DeadReLUMonitor()) == pytest.approx(plain, rel=1e-6)
    assert losses(DeadReLUMonitor(normal(3))) == pytest.approx(plain, rel=1e-6)
