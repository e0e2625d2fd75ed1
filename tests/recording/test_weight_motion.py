"""Distances of weights from where they started, compared with numpy."""

import math

import keras
import numpy as np
import pytest

from kcomponents._recording.weight_motion import ELEMENTS, WeightMotion


def dense(units=3, features=2, **options):
    """Return a model of one layer, and its kernel."""
    layer = keras.layers.Dense(units, name="last", **options)
    return keras.Sequential([keras.Input((features,)), layer]), layer.kernel


def test_a_distance_is_relative_to_the_size_at_the_start():
    model, kernel = dense()
    start = keras.ops.convert_to_numpy(kernel.value).copy()
    motion = WeightMotion(model)
    kernel.assign(start * 1.5)
    found = motion.read()
    assert found == {kernel.path: pytest.approx(0.5)}
    kernel.assign(start * 1.5 + 1.0)
    found = motion.read()
    far = np.linalg.norm(start * 0.5 + 1.0) / np.linalg.norm(start)
    assert found[kernel.path] == pytest.approx(far, rel=1e-5)


def test_weights_that_do_not_move_have_distance_zero():
    model, kernel = dense()
    motion = WeightMotion(model)
    assert motion.read() == {kernel.path: 0.0}
    kernel.assign(kernel.value * 2)
    assert motion.read() == {kernel.path: pytest.approx(1.0)}


def test_weights_that_start_at_zero_move_by_infinity():
    model, kernel = dense(kernel_initializer="zeros")
    motion = WeightMotion(model)
    assert motion.read() == {kernel.path: 0.0}
    kernel.assign(kernel.value + 1)
    assert motion.read() == {kernel.path: math.inf}


def test_kernels_are_compared_frozen_or_not_and_nothing_else():
    stack = [
        keras.layers.Dense(3, name="first", trainable=False),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(2, name="last"),
    ]
    model = keras.Sequential([keras.Input((4,)), *stack])
    paths = list(WeightMotion(model).read())
    assert paths == [stack[0].kernel.path, stack[-1].kernel.path]


def test_some_elements_of_a_large_kernel_stand_for_all():
    model, kernel = dense(units=40, features=60)
    start = keras.ops.convert_to_numpy(kernel.value).copy()
    motion = WeightMotion(model)
    step = start.size // ELEMENTS
    moved = start.reshape(-1).copy()
    moved[::step] *= 3
    kernel.assign(moved.reshape(start.shape))
    assert motion.read()[kernel.path] == pytest.approx(2.0)
    # The others are not read.
    moved[::step] = start.reshape(-1)[::step]
    moved[1::step] = 7
    kernel.assign(moved.reshape(start.shape))
    assert motion.read()[kernel.path] == 0.0


def test_a_step_of_training_moves_weights_by_its_update():
    model, kernel = dense(units=1)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    start = keras.ops.convert_to_numpy(kernel.value).copy()
    motion = WeightMotion(model)
    model.fit(np.ones((4, 2)), np.full((4, 1), 5.0), verbose=0)
    moved = np.linalg.norm(keras.ops.convert_to_numpy(kernel.value) - start)
    found = motion.read()[kernel.path]
    assert found > 0.1
    assert found == pytest.approx(moved / np.linalg.norm(start), rel=1e-5)
