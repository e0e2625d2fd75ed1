"""The layers and activations that are piecewise linear."""

import keras

from kcomponents import _keras, layers
from kcomponents._checks import fail

LINEAR = {
    keras.layers.InputLayer,
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    keras.layers.BatchNormalization,
    keras.layers.Normalization,
    keras.layers.Rescaling,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.ActivityRegularization,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.RepeatVector,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.UpSampling1D,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.AveragePooling3D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
    keras.layers.Add,
    keras.layers.Subtract,
    keras.layers.Average,
    keras.layers.Concatenate,
}
BENT = {
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.MaxPooling3D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalMaxPooling3D,
    layers.PReLU,
    layers.RReLU,
    layers.Maxout,
    layers.MaxoutDense,
    layers.MaxoutConv1D,
    layers.MaxoutConv2D,
    layers.MaxoutConv3D,
}
LINEAR_ACTIVATION = "linear"
BENT_ACTIVATIONS = {
    "relu",
    "relu6",
    "leaky_relu",
    "hard_tanh",
    "hard_sigmoid",
    "hard_shrink",
    "soft_shrink",
    "threshold",
}
# Layers whose units are active where their output is positive.
RECTIFIERS = {
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    layers.PReLU,
}
RECTIFYING = {"relu", "leaky_relu"}


def rectified(model):
    """Return a dict of layer name to output for the layers with rectifiers, in order.

    Raises:
        ValueError: If the model has no graph, or a layer is not piecewise linear.
    """
    found = {}
    for layer, _, outputs in _keras.calls_of(model):
        if isinstance(layer, keras.Model):
            rule = "`model` must not contain another model; use its layers instead."
            fail(rule, layer=layer.name)
        if not _is_piecewise(layer):
            fail(
                "All layers must be piecewise linear, such as `relu` or `Maxout`.",
                layer=layer.name,
                activation=_activation(layer),
            )
        if type(layer) in RECTIFIERS or _activation(layer) in RECTIFYING:
            found[layer.name] = outputs[0]
    return dict(reversed(found.items()))


def _is_piecewise(layer):
    if type(layer) is keras.layers.Activation:
        return _activation(layer) in BENT_ACTIVATIONS | {LINEAR_ACTIVATION}
    if type(layer) not in LINEAR | BENT:
        return False
    return _activation(layer) in {None, LINEAR_ACTIVATION} | BENT_ACTIVATIONS


def _activation(layer):
    return getattr(getattr(layer, "activation", None), "__name__", None)
