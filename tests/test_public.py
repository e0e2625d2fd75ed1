"""Every public name: documented, with an example that runs, serializable, cheap."""

import inspect
import json
import re
import subprocess
import sys

import keras
import pytest

import kcomponents
from kcomponents import (
    activations,
    analysis,
    callbacks,
    clipping,
    constraints,
    doctor,
    inference,
    initializers,
    layers,
    optimizers,
    probes,
    record,
    regularizers,
    report,
    surgery,
    testing,
    training,
    treatment,
    tuning,
)

pytestmark = pytest.mark.any_backend

MODULES = (
    activations,
    analysis,
    callbacks,
    clipping,
    constraints,
    doctor,
    inference,
    initializers,
    layers,
    optimizers,
    probes,
    record,
    regularizers,
    report,
    surgery,
    testing,
    training,
    treatment,
    tuning,
)
NAMES = [
    (module, name)
    for module in MODULES
    for name in module.__all__
    # A constant, such as the tuple of all rules, has no docstring.
    if callable(getattr(module, name))
]
KINDS = {
    keras.layers.Layer: layers,
    keras.initializers.Initializer: initializers,
    keras.regularizers.Regularizer: regularizers,
    keras.constraints.Constraint: constraints,
}
# What a class cannot do without, so that it has no default.
NEEDED = {
    "Blocked": {"initializer": "orthogonal", "num_blocks": 4},
    "ElasticNet": {"strength": 0.01},
    "GradientClip": {"clipnorm": 1.0},
    "MCDropout": {"rate": 0.5},
    "MCSpatialDropout1D": {"rate": 0.5},
    "MCSpatialDropout2D": {"rate": 0.5},
    "MCSpatialDropout3D": {"rate": 0.5},
    "MaxoutConv1D": {"filters": 2, "kernel_size": 3},
    "MaxoutConv2D": {"filters": 2, "kernel_size": 3},
    "MaxoutConv3D": {"filters": 2, "kernel_size": 3},
    "MaxoutDense": {"units": 2},
    "PerPiece": {"initializer": "glorot_uniform", "num_pieces": 2},
    "PreActivationResidual": {"filters": 4},
    "ProximalGroup": {"threshold": 0.1},
    "SoftThreshold": {"threshold": 0.1},
}
# Book-keeping and test helpers of our own making: nobody to cite, nothing to refuse.
NO_SOURCE = {
    "AdaptiveBound",
    "BatchCheck",
    "Change",
    "Diagnosis",
    "Finding",
    "LinearRegion",
    "Patience",
    "Probe",
    "RateSuggestion",
    "Reading",
    "Record",
    "Remedy",
    "Resume",
    "Shake",
    "Statistic",
    "StopCriterion",
    "StopReason",
    "Treatment",
    "Trial",
    "apply",
    "compare",
    "describe",
    "examine",
    "get",
    "report",
    "size",
    "skills",
    "space",
    "structure",
    "to_html",
    "to_json",
    "to_text",
    "validate",
}
# Methods that Keras calls, with its own arguments.
CALLED_BY_KERAS = {
    "build",
    "call",
    "compute_mask",
    "compute_output_shape",
    "compute_output_spec",
    "from_config",
    "get_config",
}
# An enumeration's arguments are those of Python.
ENUMERATIONS = {"StopReason"}
NO_ERRORS = ENUMERATIONS | {
    "BatchCheck",
    "Change",
    "Diagnosis",
    "Finding",
    "LinearRegion",
    "RateSuggestion",
    "Remedy",
    "Shake",
    "Treatment",
    "Trial",
    "compiled",
    "gradient",
}
CLASSES = [
    (module, name)
    for module, name in NAMES
    if inspect.isclass(getattr(module, name))
    and issubclass(getattr(module, name), tuple(KINDS))
]


def ids(pair):
    return f"{pair[0].__name__.split('.')[1]}.{pair[1]}"


def text(module, name):
    return inspect.getdoc(getattr(module, name))


@pytest.mark.parametrize("pair", NAMES, ids=ids)
def test_the_docstring_opens_with_a_line_that_stands_alone(pair):
    first, *rest = text(*pair).split("\n")
    assert first.endswith(".") and len(first) <= 88
    assert not rest or rest[0] == ""


@pytest.mark.parametrize(
    "pair", [p for p in NAMES if p[1] not in ENUMERATIONS], ids=ids
)
def test_the_docstring_names_every_argument(pair):
    documented = text(*pair)
    for argument in inspect.signature(getattr(*pair)).parameters.values():
        stars = {argument.VAR_KEYWORD: r"\*\*", argument.VAR_POSITIONAL: r"\*"}
        name = stars.get(argument.kind, "") + argument.name
        pattern = rf"^\s+(\w+, )*{name}(, \w+)*:"
        found = re.search(pattern, documented, re.MULTILINE)
        assert found or argument.name == "self", f"{argument.name} is not explained"


def defaults(documented):
    """Yield names of arguments and their defaults, as a docstring gives them."""
    flags = re.DOTALL | re.MULTILINE
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", documented, flags)
    argument = r"^ {4}(\w+): (.*?)(?=^ {4}\S|\Z)"
    number = r"-?\d++(?:\.\d++)?+(?:e-?\d+)?+(?! to)"
    for name, text in re.findall(argument, section[1], flags) if section else ():
        if found := re.search(rf"Defaults\s+to\s+(?:`([^`]+)`|({number}))", text):
            yield name, re.sub(r"\s+", " ", found[1] or found[2])


@pytest.mark.parametrize("pair", NAMES, ids=ids)
def test_the_docstring_gives_the_defaults(pair):
    thing = getattr(*pair)
    methods = vars(thing).values() if inspect.isclass(thing) else ()
    for function in [thing, *filter(inspect.isfunction, methods)]:
        parameters = inspect.signature(function).parameters
        for name, told in defaults(inspect.getdoc(function) or ""):
            try:
                value = eval(told, {"__builtins__": {}})
            except NameError:
                # A default of Keras, or of another argument.
                continue
            assert value == parameters[name].default, f"{name}: {told}"


@pytest.mark.parametrize("pair", NAMES, ids=ids)
def test_the_docstring_has_an_example_that_runs(pair):
    # The examples themselves are run as doctests, with the rest of the suite.
    assert "Example" in text(*pair) and ">>> " in text(*pair)


@pytest.mark.parametrize("pair", NAMES, ids=ids)
def test_the_docstring_says_what_is_refused(pair):
    if inspect.signature(getattr(*pair)).parameters and pair[1] not in NO_ERRORS:
        assert re.search(r"^Raises:$", text(*pair), re.MULTILINE)


@pytest.mark.parametrize(
    "pair", [p for p in NAMES if p[0] is not testing and p[1] not in NO_SOURCE], ids=ids
)
def test_the_docstring_names_its_source(pair):
    assert re.search(r"^References?:", text(*pair), re.MULTILINE)


@pytest.mark.parametrize("pair", [p for p in CLASSES if p[0] is layers], ids=ids)
def test_the_docstring_of_a_layer_gives_its_shapes(pair):
    assert re.search(r"^Input shape:", text(*pair), re.MULTILINE)
    assert "utput shape:" in text(*pair)


@pytest.mark.parametrize("pair", CLASSES, ids=ids)
def test_a_class_is_registered_and_comes_back_from_its_config(pair):
    module, name = pair
    cls = getattr(module, name)
    assert keras.saving.get_registered_object(f"kcomponents>{name}") is cls
    thing = cls(**NEEDED.get(name, {}))
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(thing)))
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is cls
    assert copy.get_config() == thing.get_config()


@pytest.mark.parametrize("pair", [p for p in CLASSES if p[1] in NEEDED], ids=ids)
def test_what_has_no_default_is_really_needed(pair):
    with pytest.raises((TypeError, ValueError)):
        getattr(*pair)()


def signatures(module, name):
    """Yield the signatures that a user of a public name calls, with their names."""
    thing = getattr(module, name)
    if not inspect.isclass(thing):
        yield name, inspect.signature(thing)
        return
    for own in vars(thing):
        function = getattr(thing, own)
        called = own == "__init__" or not own.startswith("_")
        if called and own not in CALLED_BY_KERAS and inspect.isroutine(function):
            yield f"{name}.{own}", inspect.signature(function)


@pytest.mark.parametrize("pair", NAMES, ids=ids)
def test_every_parameter_is_annotated(pair):
    for name, signature in signatures(*pair):
        for parameter in signature.parameters.values():
            # Arguments of a base class of Keras.
            passed_on = parameter.kind is parameter.VAR_KEYWORD
            is_annotated = parameter.annotation is not parameter.empty
            message = f"{name}: {parameter.name} is not annotated"
            assert is_annotated or passed_on or parameter.name in ("self", "cls"), (
                message
            )


def test_every_subpackage_says_what_is_public():
    for module in MODULES:
        assert module.__all__ == sorted(module.__all__)
        if not hasattr(module, "__path__"):
            continue
        public = {
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and getattr(value, "__module__", "").startswith("kcomponents")
        }
        named = {n for n in module.__all__ if callable(getattr(module, n))}
        assert public == named


def test_importing_brings_in_nothing_heavy_that_keras_did_not():
    code = (
        "import sys, keras; names = lambda: {m.split('.')[0] for m in sys.modules};"
        "before = names(); import kcomponents; print(*names() - before)"
    )
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    added = set(answer.stdout.split())
    heavy = {"tensorflow", "jax", "torch", "keras_tuner", "matplotlib", "optax"}
    assert not added & heavy


def test_the_version_is_that_of_the_metadata():
    from importlib.metadata import version

    assert kcomponents.__version__ == version("kcomponents")
