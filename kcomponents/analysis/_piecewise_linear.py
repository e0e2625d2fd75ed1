"""The layers and activations of piecewise linear networks."""

import keras

from kcomponents import _keras, layers
from kcomponents._activation_traits import TRAITS
from kcomponents._checks import fail

LINEAR_LAYERS = {
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
PIECEWISE_LINEAR_LAYERS = {
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
# Layers whose units are active where their output is positive.
RECTIFIERS = {
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    layers.PReLU,
}
ACTIVATIONS = {
    name
    for name, traits in TRAITS.items()
    if traits.piecewise_linear and traits.reads == "unit"
}
RECTIFIER_ACTIVATIONS = {
    name for name in ACTIVATIONS if TRAITS[name].homogeneous and TRAITS[name].inactive
}


def rectifier_outputs(model):
    """Return a dict of layer name to output for the layers with rectifiers, in order.

    Raises:
        ValueError: If the model has no graph, or a layer is not piecewise linear.
    """
    found = {}
    for layer, _, outputs in _keras.calls_of(model):
        if isinstance(layer, keras.Model):
            rule = "`model` must not contain another model; use its layers instead."
            fail(rule, layer=layer.name)
        activation = _activation(layer)
        if not _is_piecewise_linear(layer, activation):
            fail(
                "All layers must be piecewise linear, such as `relu` or `Maxout`.",
                layer=layer.name,
                activation=activation,
            )
        if type(layer) in RECTIFIERS or activation in RECTIFIER_ACTIVATIONS:
            found[layer.name] = outputs[0]
    return dict(reversed(found.items()))


def _is_piecewise_linear(layer, activation):
    if type(layer) is keras.layers.Activation:
        return activation in ACTIVATIONS
    known = type(layer) in LINEAR_LAYERS | PIECEWISE_LINEAR_LAYERS
    return known and (activation is None or activation in ACTIVATIONS)


def _activation(layer):
    return getattr(getattr(layer, "activation", None), "__name__", None)
