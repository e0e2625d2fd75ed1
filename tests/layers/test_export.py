"""Every layer can be exported as a SavedModel, to ONNX or as an ExportedProgram."""

import importlib.util

import keras
import numpy as np
import pytest

from kcomponents import layers
from kcomponents.testing.common import same, sample
from tests.keras_versions import needs_keras

IMAGE = (2, 6, 6, 4)
CASES = {
    "Maxout": ({}, (2, 3, 4)),
    "Maxout, unequal": ({"group_sizes": [1, 3]}, (2, 3, 4)),
    "MaxoutDense": ({"units": 3}, (2, 4)),
    "MaxoutConv1D": ({"filters": 3, "kernel_size": 2}, (2, 6, 4)),
    "MaxoutConv2D": ({"filters": 3, "kernel_size": 3}, IMAGE),
    "MaxoutConv3D": ({"filters": 3, "kernel_size": 2}, (2, 4, 4, 4, 2)),
    "PReLU": ({}, IMAGE),
    "RReLU": ({}, (2, 3, 4)),
    "GradientClip": ({"clipnorm": 1.0}, (2, 4)),
    "PreActivationResidual": ({"filters": 8, "strides": 2}, IMAGE),
    "PreActivationResidual, dense": ({"filters": 4}, (2, 4)),
}


# Backend → format → the packages that Keras needs to write it, and we to read it.
NEEDS = {
    "tensorflow": {"onnx": ["tf2onnx", "onnxruntime"], "tf_saved_model": []},
    "jax": {"onnx": ["jax2onnx", "onnxruntime"], "tf_saved_model": ["tensorflow"]},
    "torch": {"onnx": ["onnxscript", "onnxruntime"], "torch": []},
}


def is_too_new():
    """Return whether JAX writes a version of StableHLO that TensorFlow cannot read."""
    if keras.backend.backend() != "jax":
        return False
    import jax
    import tensorflow

    read = tuple(map(int, tensorflow.__version__.split(".")[:2]))
    return jax.__version_info__ >= (0, 12) and read < (2, 22)


def formats():
    """Return the formats that Keras writes on this backend, as parameters."""
    parameters = []
    for form, packages in NEEDS[keras.backend.backend()].items():
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        reason = f"Keras needs {missing} for this format, which is not installed"
        marks = [pytest.mark.skipif(bool(missing), reason=reason)]
        if form == "tf_saved_model" and not missing:
            reason = "This TensorFlow cannot read what so new a JAX writes"
            marks.append(pytest.mark.skipif(is_too_new(), reason=reason))
        if form == "torch":
            marks.append(needs_keras("3.15", "does not export to PyTorch"))
        parameters.append(pytest.param(form, marks=marks))
    return parameters


# Keras cannot export its own layers of this kind either.
NO_ONNX = {
    "torch": {"Maxout, unequal": "keras.ops.take", "MaxoutConv3D": "Conv3D"},
    "jax": {"MaxoutConv3D": "Conv3D"},
}


def runner(path, form):
    """Return an exported model as a function of arrays, without Keras."""
    if form == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        return lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]
    if form == "torch":
        import torch

        module = torch.export.load(path).module()
        return lambda x: module(torch.tensor(x)).detach().numpy()
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    return lambda x: loaded.serve(x).numpy()


@pytest.mark.filterwarnings("ignore")  # Converters warn of their own affairs.
@pytest.mark.parametrize("form", formats())
@pytest.mark.parametrize("case", CASES)
def test_an_exported_layer_has_the_outputs_of_the_layer(case, form, tmp_path):
    arguments, shape = CASES[case]
    missing = NO_ONNX.get(keras.backend.backend(), {}).get(case)
    if form == "onnx" and missing:
        pytest.skip(f"Keras has no ONNX for {missing} on this backend")
    layer = getattr(layers, case.split(",")[0])(**arguments)
    model = keras.Sequential([keras.Input(shape[1:]), layer])
    model.set_weights([w + 0.1 * sample(w.shape) for w in model.get_weights()])
    # Keras on torch exports for a batch of one.
    x = sample((1, *shape[1:]))
    expected = model(x)
    path = str(tmp_path / {"torch": "model.pt2", "onnx": "model.onnx"}.get(form, "m"))
    model.export(path, format=form, verbose=False)
    same(runner(path, form)(x), expected, "the exported model answers differently")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", formats()[-1:])
def test_exported_monte_carlo_dropout_draws_new_masks(form, tmp_path):
    model = keras.Sequential([keras.Input((1000,)), layers.MCDropout(0.3)])
    ones = np.ones((1, 1000), "float32")
    model(ones)
    path = str(tmp_path / "m.pt2")
    model.export(path, format=form, verbose=False)
    run = runner(path, form)
    first, second = run(ones), run(ones)
    assert abs((first == 0).mean() - 0.3) < 0.06
    assert (first != second).any()
