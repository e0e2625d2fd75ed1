"""Chain: a temporary model of the layers of a stage; and corruption of its inputs."""

import keras
import numpy as np
from keras import ops


class Row(keras.layers.Layer):
    """Layers called one after the other, without the graph that `Sequential` records.

    Args:
        layers: List of layers. Each casts its own inputs.
    """

    def __init__(self, layers):
        super().__init__(autocast=False)
        self.layers = layers

    def call(self, x, training=None):
        for layer in self.layers:
            x = layer(x)
        return x


class Chain(keras.Model):
    """Model of layers called one after the other.

    Args:
        layers: List of layers. The dtype policy of the first one decides whether the
            loss is scaled.
    """

    def __init__(self, layers):
        super().__init__(dtype=layers[0].dtype_policy, autocast=False)
        self.row = Row(layers)

    def call(self, x, training=None):
        # Keras may call this without `__call__`. Then only the call of an inner layer
        # passes `training` on to the layers within it.
        return self.row(x, training=training)


class Corruption(keras.layers.Layer):
    """Set a fraction of the inputs to 0 in training, without scaling the others.

    `Dropout` scales them.
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
    """Return the layers of a stage, with a `Corruption` first if `share` is above 0."""
    policy = stage[0].dtype_policy
    return [Corruption(share, dtype=policy), *stage] if share else stage


def outputs_of(row, x, batch_size):
    """Return the outputs of layers for an array."""
    if not row:
        return x
    outputs = Chain(row).predict(x, batch_size, verbose=0)
    return np.asarray(outputs, keras.config.floatx())


def shape_after(row, x):
    """Return the output shape of layers for an array, without the batch axis."""
    return tuple(Chain(row)(x[:1], training=False).shape[1:]) if row else x.shape[1:]
