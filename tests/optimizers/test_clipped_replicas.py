"""`clipped` on several devices: the bound holds for the sum over replicas.

Devices are split before the backend starts, hence in a process of its own: this file,
run as a script, prints its answers as JSON.
"""

import functools
import json

import keras
import numpy as np
import pytest

from kcomponents.optimizers import clipped
from tests.two_devices import answers_of

BACKEND = keras.backend.backend()
tensorflow_only = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="MirroredStrategy belongs to TensorFlow"
)
jax_only = pytest.mark.skipif(BACKEND != "jax", reason="DataParallel needs JAX")


@functools.cache
def answers():
    return answers_of(__file__)


@tensorflow_only
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_the_sum_over_replicas_is_clipped(mode):
    moved = answers()[mode]["orthogonal"]
    np.testing.assert_allclose(moved, [-(0.5**0.5)] * 2, rtol=1e-6)


@tensorflow_only
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_gradient_that_is_not_finite_on_one_replica_skips_the_step_on_all(mode):
    assert answers()[mode]["broken"] == [0, 0]


@tensorflow_only
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_entries_that_are_not_finite_become_zero_in_the_sum(mode):
    np.testing.assert_allclose(answers()[mode]["zeroed"], [0, -1], atol=1e-6)


@tensorflow_only
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_rows_of_an_embedding_are_summed_over_replicas(mode):
    # Adagrad divides by the root of 0.1 + g * g, so that a sum of parts would show.
    g = np.array([0.6, 0.8])
    expected = [0, 0, *(-g / np.sqrt(0.1 + g * g)), 0, 0]
    np.testing.assert_allclose(answers()[mode]["sparse"], expected, rtol=1e-4)


@tensorflow_only
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_the_norm_of_the_sum_is_what_an_adaptive_bound_remembers(mode):
    # The bound of the first two steps is their norm.
    np.testing.assert_allclose(answers()[mode]["adaptive"], [-300, -300], rtol=1e-6)


@tensorflow_only
def test_accumulated_gradients_are_summed_over_replicas():
    # Keras itself accumulates under this strategy in eager mode only.
    moved = answers()["eager"]["accumulated"]
    np.testing.assert_allclose(moved, [-(0.5**0.5)] * 2, rtol=1e-6)


@tensorflow_only
def test_loss_scaling_and_moving_averages_work_with_clipping():
    found = answers()["fit"]
    assert found["iterations"] == 4
    np.testing.assert_allclose(found["two"], found["one"], rtol=1e-3, atol=1e-5)


@jax_only
def test_data_parallel_training_equals_training_on_one_device():
    found = answers()
    assert found["devices"] == 2
    np.testing.assert_allclose(found["two"], found["one"], rtol=1e-4, atol=1e-6)


def fit(policy="float32", optimizer="sgd", **arguments):
    """Return the weights and the number of steps of a short fit."""
    keras.utils.set_random_seed(0)
    first = keras.layers.Dense(4, "tanh", dtype=policy)
    model = keras.Sequential([keras.Input((3,)), first, keras.layers.Dense(1)])
    optimizer = keras.optimizers.get(
        {"class_name": optimizer, "config": {"learning_rate": 0.1, **arguments}}
    )
    optimizer = clipped(optimizer, global_clipnorm=0.1)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, 16.0)
    model.compile(optimizer, "mse")
    x = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
    model.fit(x, x[:, :1], batch_size=8, epochs=2, shuffle=False, verbose=0)
    steps = keras.ops.convert_to_numpy(optimizer.iterations)
    return [float(w) for v in model.get_weights() for w in v.ravel()], int(steps)


def on_tensorflow():
    import tensorflow as tf

    [cpu] = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    def moved(mode, optimizer, first, second, steps=1, **bounds):
        with strategy.scope():
            variable = keras.Variable(np.zeros(first.shape, "float32"))
            optimizer = clipped(optimizer, **(bounds or {"global_clipnorm": 1.0}))
            optimizer.build([variable])

        def replica():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            choose = functools.partial(tf.where, tf.equal(number, 0))
            gradient = tf.nest.map_structure(
                choose, first, second, expand_composites=True
            )
            optimizer.apply([gradient], [variable])

        def step():
            strategy.run(replica)

        step = tf.function(step) if mode == "graph" else step
        for _ in range(steps):
            step()
        return keras.ops.convert_to_numpy(variable).ravel().tolist()

    def sgd(**arguments):
        return keras.optimizers.SGD(1.0, **arguments)

    def slices(*row):
        shape = tf.constant([3, 2])
        return tf.IndexedSlices(
            tf.constant([row, (0.0, 0.0)]), tf.constant([1, 2]), shape
        )

    pair = tf.constant([100.0, 0.0]), tf.constant([0.0, 100.0])
    broken = tf.constant([1.0, 1.0]), tf.constant([np.inf, 1.0])
    found = {
        mode: {
            "orthogonal": moved(mode, sgd(), *pair),
            "broken": moved(mode, sgd(weight_decay=0.1), *broken),
            "zeroed": moved(
                mode, sgd(), *broken, global_clipnorm=1.0, nonfinite="zero"
            ),
            "adaptive": moved(
                mode, sgd(), *pair, steps=3, adaptive="percentile", clipvalue=100.0
            ),
            "sparse": moved(
                mode, keras.optimizers.Adagrad(1.0), slices(3.0, 0.0), slices(0.0, 4.0)
            ),
        }
        for mode in ("eager", "graph")
    }
    accumulating = sgd(gradient_accumulation_steps=2)
    found["eager"]["accumulated"] = moved("eager", accumulating, *pair, steps=2)
    one, _ = fit("mixed_float16", use_ema=True)
    with strategy.scope():
        two, steps = fit("mixed_float16", use_ema=True)
    return {**found, "fit": {"one": one, "two": two, "iterations": steps}}


def on_jax():
    one, _ = fit(optimizer="adam", use_ema=True)
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    two, _ = fit(optimizer="adam", use_ema=True)
    devices = len(keras.distribution.list_devices())
    return {"one": one, "two": two, "devices": devices}


if __name__ == "__main__":
    print(json.dumps({"tensorflow": on_tensorflow, "jax": on_jax}[BACKEND]()))
