"""The structure of a compiled model: everything that its compiled steps depend on.

A model has no structure, and is not reused, if anything about it is uncertain.
"""

import functools
import json
import re
import types
import warnings

import keras
import numpy as np

from kcomponents import _keras
from kcomponents._backends.model_reuse import can_reuse
from kcomponents._keras.model_reuse import (
    BUILDS,
    compile_arguments_for_reuse,
    own_variables,
    rematerializes,
    uses_weight_decay,
)
from kcomponents.tuning._reuse.numbers import (
    FACTORS,
    FORMULAS,
    FormulaCall,
    reads_variable,
)

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

# Attributes with the steps of a model, and methods that Keras itself overrides.
_STEPS = {"train_function", "test_function", "predict_function"}
_OWN = {"build", "loss", "quantize"}
_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    functools.partial,
)
_PLAIN = str | int | float | None
# Class → entries of its config that a step reads from a variable.
_READ = {cls.__name__: (formula.name,) for cls, formula in FORMULAS.items()}
_READ |= {cls.__name__: names for cls, names in FACTORS.items()}


def structure_of(model, cached=False):
    """Return a string that is equal for equal structures, or None if uncertain.

    Args:
        model: Compiled Keras model.
        cached: Boolean, whether a compiled step already reads its numbers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return json.dumps(_structure(model, cached), sort_keys=True)
    except Exception:
        # If even the config is not available, nothing is certain.
        return None


def _structure(model, cached):
    need(isinstance(model, keras.Model) and model.compiled and model.built)
    need(model.optimizer is not None and can_reuse(model))
    names, seen = Names(), {}
    several = len(model.outputs) > 1, len(model.inputs) > 1
    config = keras.config
    return {
        "layers": [_layer(layer, cached, seen) for layer in _keras.layers_of(model)],
        "model": _object(model, names),
        "outputs": model.output_names if several[0] else None,
        "inputs": [tensor.name for tensor in model.inputs] if several[1] else None,
        "optimizer": _optimizer(model.optimizer, model.trainable_variables),
        "compiled": {
            name: _compiled(value, names)
            for name, value in compile_arguments_for_reuse(model).items()
            if name in ("loss", "loss_weights", "metrics", "weighted_metrics")
        },
        "steps": [model.run_eagerly, model.steps_per_execution, model.jit_compile],
        "settings": [
            keras.backend.backend(),
            config.floatx(),
            config.epsilon(),
            config.image_data_format(),
        ],
    }


def _layer(layer, cached, seen):
    cls = type(layer)
    need(cls.__name__ in LAYERS and not rematerializes(layer))
    need(cached or not reads_variable(layer))
    need(overridden(layer, _OWN) <= _own_overrides(layer, cached))
    formula, public = FORMULAS.get(cls), {}
    known = _OWN | _STEPS | set(BUILDS)
    for name, value in vars(layer).items():
        if isinstance(value, _FUNCTIONS) and name not in known:
            qualified_name(value)
        elif not name.startswith("_") and isinstance(value, _PLAIN):
            public[name] = value
    if isinstance(layer, keras.Model):
        public = {}
    if formula:
        need(0 <= public.pop(formula.name) < formula.below)
    public.pop("name", None)
    # Noise layers have only random states, and none at rate 0.
    variables = [] if formula else own_variables(layer)
    described = [_variable(variable, seen) for variable in variables]
    activity = _object(layer.activity_regularizer)
    settings = [layer.trainable, layer.supports_masking]
    return [qualified_name(cls), public, settings, described, activity]


def _own_overrides(layer, cached):
    """Return the methods of a layer that this package overrides."""
    own = set(BUILDS) if cached else set()
    return own | ({"call"} if type(vars(layer).get("call")) is FormulaCall else set())


def _variable(variable, seen):
    settings = [list(variable.shape), variable.dtype, variable.trainable]
    # Which weights are shared.
    settings.append(seen.setdefault(id(variable), len(seen)))
    # Random states lack these attributes.
    for name in ("regularizer", "constraint"):
        settings.append(_object(getattr(variable, name, None)))
    return [*settings, getattr(variable, "overwrite_with_gradient", False)]


def _object(thing, names=None):
    """Return the class and the config of a regularizer, a loss and the like."""
    if thing is None:
        return None
    cls = thing.__class__
    need(isinstance(thing, keras.Model) or not overridden(thing))
    config = {"module": cls.__module__, "class_name": cls.__name__}
    config["config"] = thing.get_config()
    return [qualified_name(cls), _config(config, names or Names())]


def _optimizer(optimizer, variables):
    cls = type(optimizer)
    need(cls.__name__ in OPTIMIZERS and not overridden(optimizer))
    config = dict(optimizer.get_config())
    del config["name"]
    if isinstance(config.get("learning_rate"), (int, float)):
        # A number is stored in a variable; a schedule is part of the step.
        config["learning_rate"] = None
    inner = config.pop("inner_optimizer", None)
    return [
        qualified_name(cls),
        _config(config, Names()),
        inner and _optimizer(optimizer.inner_optimizer, variables),
        optimizer.weight_decay and uses_weight_decay(optimizer, variables),
    ]


def _compiled(value, names):
    """Describe a loss or metrics, as passed to `compile`."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (list, tuple)):
        return [_compiled(part, names) for part in value]
    if isinstance(value, dict):
        return {name: _compiled(part, names) for name, part in value.items()}
    if isinstance(value, types.FunctionType):
        return qualified_name(value)
    return _object(value, names)


def _config(value, names):
    """Return a config without numbers that a step reads, and with numbered names."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (list, tuple)):
        return [_config(part, names) for part in value]
    need(isinstance(value, dict))
    left_out = ()
    if "class_name" in value:
        # Two functions may have the same name.
        need(value["class_name"] not in ("function", "__lambda__"))
        # Arrays have no module; for classes of a script it is None.
        module = value.get("module", "keras")
        need(module is not None and module.split(".")[0] in PACKAGES)
        left_out = _READ.get(value["class_name"], ())
        names.add(value)
    found = {}
    for name, part in value.items():
        if name == "config" and isinstance(part, dict):
            part = {key: part[key] for key in part if key not in left_out}
        # Initial weights are copied, so initializers do not matter.
        if not name.endswith("_initializer"):
            found[name] = _config(names.plain(name, part), names)
    return found


# What is certain


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


# Names that Keras generates, which do not matter for the structure


class Names:
    """Replaces the names that Keras generated by numbers, in order of appearance."""

    def __init__(self):
        self._numbers = {}

    def add(self, config):
        """Add the name of a serialized object if Keras generated it."""
        inner = config.get("config")
        name = inner.get("name") if isinstance(inner, dict) else None
        generated = _snake_case(config["class_name"])
        # `Bidirectional` adds a prefix to the names of its two layers.
        pattern = rf"(forward_|backward_)?{generated}(_\d+)?"
        if isinstance(name, str) and re.fullmatch(pattern, name):
            self._numbers.setdefault(name, f"#{len(self._numbers)}")

    def plain(self, key, value):
        """Return a value of a config, with generated names replaced by numbers."""
        if key == "name":
            return self._numbered(value)
        if key in ("input_layers", "output_layers", "keras_history"):
            return self._anywhere(value)
        return value

    def _numbered(self, name):
        return self._numbers.get(name, name) if isinstance(name, str) else name

    def _anywhere(self, value):
        if isinstance(value, (list, tuple)):
            return [self._anywhere(part) for part in value]
        if isinstance(value, dict):
            return {key: self._anywhere(part) for key, part in value.items()}
        return self._numbered(value)


def _snake_case(name):
    """Return a class name in snake case, as Keras writes it."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
