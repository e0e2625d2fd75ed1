"""Run a test file as a script on two devices, split before the backend starts."""

import json
import os
import pathlib
import subprocess
import sys

import keras

from tests.tensorflow_data import turn_autotuning_off

ROOT = pathlib.Path(__file__).parents[1]


def answers_of(file):
    """Return what the file, run as a script, prints as JSON in its last line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if keras.backend.backend() == "jax":
        # TensorFlow is told by the script itself.
        environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, file], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def strategy_of_two():
    """Split the CPU for TensorFlow, and return a strategy on both halves."""
    import tensorflow as tf

    [cpu] = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    # Each device has an iterator of its own.
    turn_autotuning_off()
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
