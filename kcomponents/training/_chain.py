"""Chain: layers in a row, for the time of a stage; and corruption in front of them."""

import keras
import numpy as np
from keras import ops


class Row(keras.layers.Layer):
    """Layers in a row, which do not remember it; those of a `Sequential` would.

    Args:
        layers: List of layers. Each casts its inputs by itself.
    """

    def __init__(self, layers):
        super().__init__(autocast=False)
        self.layers = layers

    def call(self, x, training=None):
        for layer in self.layers:
            x = layer(x)
        return x


class Chain(keras.Model):
    """Model of layers in a row.

    Args:
        layers: List of layers. The policy of the first one decides on a loss scale.
    """

    def __init__(self, layers):
        super().__init__(dtype=layers[0].dtype_policy, autocast=False)
        self.row = Row(layers)

    def call(self, x, training=None):
        # Keras may run this without `__call__`: then only a layer within tells those
        # within it that they are trained.
        return self.row(x, training=training)


class Corruption(keras.layers.Layer):
    """Set a share of the inputs to 0 in training, and leave the others as they are.

    `Dropout` would scale them.
    """

    def __init__(self, share, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.share = share
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        if not training:
            return inputs
        drawn = keras.random.uniform(ops.shape(inputs), seed=self.seed_generator)
        return inputs * ops.cast(drawn >= self.share, inputs.dtype)


def corrupted(stage, share):
    """Return the layers of a stage, behind one that corrupts their inputs."""
    policy = stage[0].dtype_policy
    return [Corruption(share, dtype=policy), *stage] if share else stage


def outputs_of(row, x, batch_size):
    """Return what layers make of an array."""
    if not row:
        return x
    outputs = Chain(row).predict(x, batch_size, verbose=0)
    return np.asarray(outputs, keras.config.floatx())


def shape_after(row, x):
    """Return the shape of what layers make of an array, without batch."""
    return tuple(Chain(row)(x[:1], training=False).shape[1:]) if row else x.shape[1:]
