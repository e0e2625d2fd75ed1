"""Layers, optimizers and functions that are safe for models to be reused."""

PACKAGES = {"keras", "kcomponents"}

# Layers with all state in variables, and everything else in their config.
LAYERS = """
Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average
AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization Bidirectional
Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose
Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU
EinsumDense Embedding Flatten Functional GRU GRUCell GaussianDropout GaussianNoise
GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization Identity InputLayer LSTM
LSTMCell LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D
Maximum Minimum MultiHeadAttention Multiply PReLU Permute RMSNormalization ReLU
RepeatVector Rescaling Reshape SeparableConv1D SeparableConv2D Sequential SimpleRNN
SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D Subtract
TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D
ZeroPadding2D ZeroPadding3D
GradientClip Maxout MaxoutConv1D MaxoutConv2D MaxoutConv3D MaxoutDense RReLU
PreActivationResidual
""".split()

# Optimizers with all state in variables, independent of names.
OPTIMIZERS = """
Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer Nadam
RMSprop SGD
""".split()
OPTIMIZERS += [f"Clipped{name}" for name in OPTIMIZERS]


class _UnknownError(Exception):
    """The structure may miss a difference."""


def need(condition):
    """Raise an error unless the condition holds: the model cannot be reused."""
    if not condition:
        raise _UnknownError


def qualified_name(thing):
    """Return the name of a class or function of Keras or this package, else raise."""
    need(thing.__module__.split(".")[0] in PACKAGES)
    need("<locals>" not in thing.__qualname__)
    return f"{thing.__module__}.{thing.__qualname__}"


def overridden(thing, but=()):
    """Return the names of methods that an instance overrides."""
    names = set(vars(thing)) - set(but)
    return {name for name in names if callable(getattr(type(thing), name, None))}
