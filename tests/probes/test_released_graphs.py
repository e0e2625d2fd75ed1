"""Functions and graphs compiled for a monitored run are freed after it."""

import gc
import weakref

import keras
import numpy as np
import pytest

from kcomponents import _backends
from kcomponents.callbacks import TrainingDoctor
from kcomponents.layers import PReLU
from kcomponents.optimizers import clipped


def test_the_train_function_of_a_watched_fit_is_not_kept():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "relu")])
    model.compile("sgd", "mse")
    seen = []

    def see(batch, logs):
        seen.append(weakref.ref(model.train_function))

    x = np.ones((4, 3), "float32")
    look = keras.callbacks.LambdaCallback(on_train_batch_end=see)
    watching = [TrainingDoctor(), look]
    model.fit(x, x[:, :2], epochs=2, verbose=0, callbacks=watching)
    del watching, look
    gc.collect()
    assert len(seen) == 2 and seen[0]() is None


pytestmark = pytest.mark.usefixtures("small_heap")
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="other backends keep no graphs",
)


def watched_fit(model):
    x = np.ones((4, 3), "float32")
    model.fit(x, x[:, :2], verbose=0, callbacks=[TrainingDoctor()])


@on_tensorflow
def test_a_watched_fit_leaves_no_graph_behind():
    # Layers with gradients of their own, and in a branch the clipped step.
    layers = [keras.Input((3,)), keras.layers.Dense(4), PReLU(), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile(clipped(keras.optimizers.SGD(), global_clipnorm=1.0), "mse")
    graphs, step = [], model.train_step

    def train_step(data):
        graphs.append(weakref.ref(_backends.current_graph()))
        return step(data)

    model.train_step = train_step
    watched_fit(model)
    gc.collect()
    assert graphs and not [graph for graph in graphs if graph()]


@on_tensorflow
def test_a_compiled_function_within_the_step_can_be_differentiated_after_it():
    import tensorflow as tf

    @tf.custom_gradient
    def doubled(x):
        return x, lambda slope: 2.0 * slope

    @tf.function
    def error(truth, output):
        return tf.reduce_mean(doubled(output) - truth)

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", loss=error)
    watched_fit(model)
    truth, output = tf.zeros((4, 2)), tf.Variable(tf.ones((4, 2)))
    with tf.GradientTape() as tape:
        value = tf.function(error)(truth, output)
    assert tape.gradient(value, output).numpy().tolist() == [[0.25, 0.25]] * 4
