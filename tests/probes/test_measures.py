"""Measures: which units are dead, for every part that asks."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kcomponents.callbacks import DeadReLUMonitor, TrainingDoctor
from kcomponents.probes.measures import is_dead, per_unit
from kcomponents.surgery import revive


def test_a_unit_is_dead_if_no_output_is_above_the_threshold():
    highest = np.array([-1.0, 0.0, 1e-30, 2.0, np.nan])
    assert is_dead(highest).tolist() == [True, True, False, False, False]
    assert is_dead(highest, 1.0).tolist() == [True, True, True, False, False]
    assert is_dead(highest, -0.5).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("axis, shape", [(-1, (2, 3, 4)), (1, (2, 3, 4)), (0, (5,))])
def test_outputs_of_a_unit_are_all_but_its_axis(axis, shape):
    outputs = np.random.default_rng(0).normal(size=shape).astype("float32")
    found = per_unit(np.max, outputs, axis)
    if len(shape) == 1:
        # One number per sample: one unit.
        expected = [outputs.max()]
    else:
        units = np.moveaxis(outputs, axis, 0)
        expected = [unit.max() for unit in units]
    np.testing.assert_array_equal(found, expected)
    tensor = per_unit(ops.max, ops.convert_to_tensor(outputs), axis)
    np.testing.assert_array_equal(ops.convert_to_numpy(tensor), expected)


def test_monitor_doctor_and_surgery_find_the_same_dead_units():
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(4, "relu", name="hidden")
    model = keras.Sequential([keras.Input((3,)), hidden, layers.Dense(1)])
    hidden.bias.assign([-99.0, 1.0, -99.0, 1.0])
    model.compile(keras.optimizers.SGD(1e-6), "mse")
    x = np.random.default_rng(0).uniform(size=(32, 3)).astype("float32")
    monitor, doctor = DeadReLUMonitor(), TrainingDoctor()
    model.fit(x, x[:, :1], verbose=0, callbacks=[monitor, doctor])
    assert list(monitor.dead_units.values()) == [[0, 2]]
    [reading] = [r for r in doctor.record.readings if "dead_units" in r.values]
    assert list(reading.values["dead_units"].values()) == [0.5]
    assert revive(model, x) == {"hidden": [0, 2]}
