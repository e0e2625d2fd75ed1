"""Parts of a residual block: its layers, and functions that run them in sequence."""

import keras

from kcomponents import activations
from kcomponents._check import fail, positive_int
from kcomponents.initializers._seeds import independent_copies

CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
NORMALIZATIONS = {
    "batch": keras.layers.BatchNormalization,
    "layer": keras.layers.LayerNormalization,
}


def sizes(name, value):
    """Return one size for all spatial axes, or a tuple with one size per axis."""
    if isinstance(value, (list, tuple)):
        return tuple(positive_int(name, size) for size in value)
    return positive_int(name, value)


def all_one(value):
    """Return whether a size, or each size of a tuple, is 1."""
    return value == 1 or (isinstance(value, tuple) and set(value) == {1})


def plain(identifier):
    """Return the config of an activation layer; return anything else unchanged."""
    if not isinstance(identifier, keras.layers.Layer):
        return identifier
    config = keras.saving.serialize_keras_object(identifier)
    # Copies with the same name would have weights with the same path.
    config["config"].pop("name", None)
    return config


def spatial_rank(block, input_shape):
    """Return the number of spatial axes, or raise a ValueError for a wrong shape."""
    rank = len(input_shape) - 2
    if not 0 <= rank <= 3:
        fail("The input must have two to five axes.", input_shape=input_shape)
    if input_shape[block.axis] is None:
        fail("The channels of the input must be known.", input_shape=input_shape)
    given = {name: getattr(block, name) for name in ("strides", "dilation_rate")}
    if rank == 0 and not all(map(all_one, given.values())):
        fail("`strides` and `dilation_rate` must be 1 without spatial axes.", **given)
    return rank


def kernels(block, rank):
    """Return the weight layers of the branch, and the bypass projection as the last."""
    plan = [(block.filters, block.kernel_size)] * 2
    if block.bottleneck:
        narrow = block.filters // 4
        plan = [(narrow, 1), (narrow, block.kernel_size), (block.filters, 1)]
    plan.append((block.filters, 1))
    initializers = independent_copies(block.kernel_initializer, len(plan))
    strides = [block.strides, *[1] * (len(plan) - 2), block.strides]
    plan = zip(plan, strides, initializers, strict=True)
    return [_kernel(block, rank, *size, *rest) for size, *rest in plan]


def _kernel(block, rank, filters, size, strides, initializer):
    plain = block.normalization is None
    options = {
        "use_bias": plain if block.use_bias is None else block.use_bias,
        "kernel_initializer": initializer,
        "kernel_regularizer": block.kernel_regularizer,
        "kernel_constraint": block.kernel_constraint,
        "dtype": block.dtype_policy,
    }
    if rank == 0:
        return keras.layers.Dense(filters, **options)
    dilation = 1 if size == 1 else block.dilation_rate
    options.update(padding="same", dilation_rate=dilation)
    options.update(data_format=block.data_format)
    layer = CONVOLUTIONS[rank - 1](filters, size, strides, **options)
    # Keras's convolutions drop masks, even if every time step keeps its position.
    layer.supports_masking = all_one(strides)
    return layer


def normalizations(block):
    """Return a list with one normalization layer, or an empty list."""
    if block.normalization is None:
        return []
    make = NORMALIZATIONS[block.normalization]
    return [make(axis=block.axis, dtype=block.dtype_policy)]


def activation(block):
    """Return a new activation layer."""
    layer = activations.get(block.activation, as_layer=True)
    layer.dtype_policy = block.dtype_policy
    return layer


def dropouts(block, rate, noise_shape=None, offset=0):
    """Return a list with one dropout layer; empty if the rate is 0."""
    # With the same seed, two dropout layers would draw the same masks.
    seed = None if block.seed is None else block.seed + offset
    make = keras.layers.Dropout
    return [make(rate, noise_shape, seed, dtype=block.dtype_policy)] if rate else []


def strided(block, shape):
    """Return the output shape of kernels with the block's strides, as a list."""
    axes = [a for a in range(1, len(shape)) if a != block.axis % len(shape)]
    strides = block.strides
    if not isinstance(strides, tuple):
        strides = (strides,) * len(axes)
    shape = list(shape)
    for axis, stride in zip(axes, strides, strict=True):
        shape[axis] = shape[axis] and -(-shape[axis] // stride)
    return shape


def build(chain, shape):
    """Build layers in sequence and return the output shape of the last."""
    for layer in chain:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape


def run(chain, outputs, training):
    """Call layers in sequence."""
    for layer in chain:
        outputs = layer(outputs, training=training)
    return outputs
