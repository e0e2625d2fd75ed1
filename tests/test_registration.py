"""`import kcomponents` loads nothing, and yet Keras finds every registered class."""

import ast
import inspect
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import kcomponents

# None of the processes does anything that a backend changes.
pytestmark = pytest.mark.any_backend

REGISTERED = {
    name.removeprefix("kcomponents>"): cls
    for name, cls in keras.saving.get_custom_objects().items()
    if name.startswith("kcomponents>")
}
ARGUMENTS = {
    "Blocked": {"initializer": "orthogonal", "num_blocks": 2},
    "Clipped": {"clipnorm": 1.0},
    "ElasticNet": {"strength": 0.01},
    "GradientClip": {"clipnorm": 1.0},
    # With another rate, each call would have other outputs.
    "MCDropout": {"rate": 0.0},
    "MCSpatialDropout1D": {"rate": 0.0},
    "MCSpatialDropout2D": {"rate": 0.0},
    "MCSpatialDropout3D": {"rate": 0.0},
    "MaxoutConv1D": {"filters": 2, "kernel_size": 1},
    "MaxoutConv2D": {"filters": 2, "kernel_size": 1},
    "MaxoutConv3D": {"filters": 2, "kernel_size": 1},
    "MaxoutDense": {"units": 2},
    "PerPiece": {"initializer": "glorot_uniform", "num_pieces": 2},
    "PreActivationResidual": {"filters": 4},
    "ProximalGroup": {"threshold": 0.1},
    "SoftThreshold": {"threshold": 0.1},
}
# Layers for inputs with more axes than `(batch, channels)`.
AXES = {name: int(name[-2]) for name in REGISTERED if name.endswith("D")}


def run(code, *arguments):
    """Run Python code in a new process and return what it prints, read as JSON."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def model_with(name):
    """Return a model that contains an object of a registered class."""
    cls, arguments = REGISTERED[name], ARGUMENTS.get(name, {})
    inputs = keras.Input((3,) * AXES.get(name, 0) + (4,))
    optimizer = "sgd"
    if issubclass(cls, keras.layers.Layer):
        layer = cls(**arguments)
    elif issubclass(cls, keras.initializers.Initializer):
        kernel = (1, 1) if name == "ConvIdentity" else ()
        make = keras.layers.Conv2D if kernel else keras.layers.Dense
        inputs = keras.Input((3, 3, 4)) if kernel else inputs
        layer = make(4, *kernel[:1], kernel_initializer=cls(**arguments))
    elif issubclass(cls, keras.regularizers.Regularizer):
        layer = keras.layers.Dense(4, kernel_regularizer=cls(**arguments))
    elif issubclass(cls, keras.constraints.Constraint):
        layer = keras.layers.Dense(4, kernel_constraint=cls(**arguments))
    else:
        layer = keras.layers.Dense(4)
        optimizer = kcomponents.optimizers.clipped(keras.optimizers.SGD(), **arguments)
    model = keras.Model(inputs, layer(inputs))
    model.compile(optimizer, "mse")
    return model


# Each model is loaded by a process of its own, as of one that has imported only Keras.
LOAD = """
import json, os, pathlib, sys, traceback
import keras
import numpy as np

def load(path):
    import kcomponents
    by_name = keras.saving.get_registered_object(f"kcomponents>{path.stem}")
    by_string = keras.saving.deserialize_keras_object(f"kcomponents>{path.stem}")
    assert by_name is by_string is not None, by_name
    model = keras.saving.load_model(path)
    x = np.ones([2, *model.input_shape[1:]], "float32")
    return by_name.__name__, keras.ops.convert_to_numpy(model(x)).tolist()

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    if not os.fork():
        try:
            found = load(path)
        except BaseException:
            found = None, traceback.format_exc()
        path.with_suffix(".json").write_text(json.dumps(found))
        os._exit(0)
    os.wait()
print("[]")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Save a model with each registered class, and load all in other processes."""
    folder = tmp_path_factory.mktemp("models")
    for name in REGISTERED:
        model = model_with(name)
        x = np.ones([2, *model.input_shape[1:]], "float32")
        np.save(folder / f"{name}.npy", keras.ops.convert_to_numpy(model(x)))
        model.save(folder / f"{name}.keras")
    run(LOAD, folder)
    return folder


@pytest.mark.parametrize("name", sorted(REGISTERED))
def test_a_model_loads_after_import_kcomponents_alone(name, folder):
    found, outputs = json.loads((folder / f"{name}.json").read_text())
    assert found == REGISTERED[name].__name__, outputs
    np.testing.assert_allclose(outputs, np.load(folder / f"{name}.npy"), rtol=1e-6)


IMPORTS = """
import json, sys
{}
modules = sorted(name for name in sys.modules if name.startswith("kcomponents."))
print(json.dumps([modules, "keras" in sys.modules, "numpy" in sys.modules]))
"""


def test_import_kcomponents_loads_no_part_and_no_keras():
    modules, has_keras, has_numpy = run(IMPORTS.format("import kcomponents"))
    plain = ["_console", "_registration", "_text", "_version"]
    assert modules == [f"kcomponents.{name}" for name in plain]
    assert not has_keras and not has_numpy


@pytest.mark.parametrize("part", ["doctor", "record", "report", "__main__"])
def test_parts_that_read_records_do_not_import_keras(part):
    modules, has_keras, _ = run(IMPORTS.format(f"import kcomponents.{part}"))
    assert f"kcomponents.{part}" in modules and not has_keras


REGISTER = """
import json, sys
{}
import keras
found = keras.saving.get_registered_object("kcomponents>L2")
print(json.dumps([found.__name__, sorted(keras.saving.get_custom_objects())]))
"""


@pytest.mark.parametrize(
    "code",
    [
        "import keras, kcomponents",
        # While such a module is imported, others cannot import all of it yet.
        "import kcomponents._tensors",
        "import kcomponents.clipping",
        "from kcomponents.layers import maxout",
        "import kcomponents; kcomponents.TrainingDoctor",
    ],
)
def test_every_order_of_imports_registers_all_classes(code):
    found, names = run(REGISTER.format(code))
    assert found == "L2"
    assert {f"kcomponents>{name}" for name in REGISTERED} <= set(names)


def test_keras_can_be_imported_if_a_part_cannot():
    code = "import sys, kcomponents; sys.modules['kcomponents.layers'] = None"
    code += "\nimport keras\nprint('[true]' if keras.layers.Dense else '[]')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[true]"
    assert "kcomponents.layers could not be imported" in done.stderr


def test_names_at_the_top_are_those_that_editors_see():
    tree = ast.parse(pathlib.Path(inspect.getfile(kcomponents)).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.asname for node in block.body for alias in node.names}
    assert seen == set(kcomponents.__all__)
    assert {*kcomponents.__all__, "__version__"} <= set(dir(kcomponents))
    for name in kcomponents.__all__:
        assert getattr(kcomponents, name) is not None


def test_classes_at_the_top_are_those_of_the_parts():
    assert kcomponents.TrainingDoctor is kcomponents.callbacks.TrainingDoctor
    assert kcomponents.Search is kcomponents.tuning.Search
    with pytest.raises(AttributeError, match="no attribute 'Serach'"):
        kcomponents.Serach  # noqa: B018
