"""Outputs of layers that convolve inputs whose channels come first, on each backend."""

import keras


def outputs(layer, x):
    """Return what a layer outputs, on TensorFlow by XLA.

    Without it, TensorFlow convolves inputs with channels first only on some CPUs.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(layer, jit_compile=True)(x)
    return layer(x)
