"""structure: a model's layers and how it was compiled, as plain values."""

import math
import numbers
from typing import Any

import keras

from kcomponents._check import fail
from kcomponents.probes._activation import activation_of
from kcomponents.probes._compiled import (
    loss_facts,
    metric_names,
    optimizer_facts,
    unscaled,
)
from kcomponents.probes._facts import value
from kcomponents.probes._watched import named_layers

SIZES = "units", "filters", "rate", "dropout", "recurrent_dropout", "use_bias"
RULES = "_initializer", "_regularizer", "_constraint"


def structure(model: keras.Model) -> dict[str, Any]:
    """Describe a model and how it was compiled, as plain values for JSON.

    Keras objects become `{"class": name, "config": settings}`, custom functions become
    `"custom:<name>"`, and NaN and infinity become strings.

    Args:
        model: Keras model of any kind, built. It need not be compiled.

    Returns:
        Dict of:

        - `"model"`: dict of `"name"` and `"class"`; `"backend"`: its name;
          `"precision"`: name of the dtype policy.
        - `"layers"`: list of dicts, one per layer at any depth, in the order of the
          model, shared layers once. Keys: `"path"` (see below), `"class"`,
          `"activation"` (its name, such as `"relu"`, or `None`), `"trainable"`,
          `"output_shape"` (list with `None` for unknown sizes, a list or dict of these
          for several outputs, or `None` if the layer is not part of a graph) and
          `"parameters"` (int, without the parameters of inner layers). If the layer
          has them: `"units"`, `"filters"`, `"rate"`, `"dropout"`,
          `"recurrent_dropout"`, `"use_bias"`, and each initializer, regularizer and
          constraint under the name of its argument.
        - `"variables"`: list of dicts of `"path"`, `"shape"`, `"trainable"` and
          `"dtype"`, one per weight.
        - `"optimizer"`: `None`, or a dict of `"class"`, `"config"`, `"loss_scale"`
          (bool, whether the loss is scaled, as with `mixed_float16`) and `"clip"`
          (dict of the clipping arguments that are set). The learning rate is a float,
          or the class and config of its schedule.
        - `"loss"`: `None`, `"custom:<name>"`, or a dict of `"name"`, `"class"` and
          `"config"`, also if `compile` got a string; or a list or dict of these.
        - `"metrics"`: list of names.
        - `"run_eagerly"`, `"jit_compile"`, `"steps_per_execution"`,
          `"gradient_accumulation_steps"`: as compiled, or `None`.

        The path of a layer is `layer.path`. If Keras has not set it, as in layers
        without weights, or two layers have the same, the path is the names of the
        parents and the layer.

    Raises:
        ValueError: If `model` is not a Keras model or is not built.

    Example:
        >>> from kcomponents.probes import structure
        >>> dense = keras.layers.Dense(2, "relu", name="first")
        >>> model = keras.Sequential([keras.Input((3,)), dense], name="small")
        >>> model.compile(keras.optimizers.SGD(0.1, clipnorm=1.0), "mse")
        >>> facts = structure(model)
        >>> layer = facts["layers"][-1]
        >>> layer["path"], layer["activation"], layer["parameters"]
        ('small/first', 'relu', 8)
        >>> facts["optimizer"]["clip"], facts["loss"]["class"]
        ({'clipnorm': 1.0}, 'MeanSquaredError')
    """
    _check_built(model)
    return {
        "model": {"name": model.name, "class": type(model).__name__},
        "backend": keras.backend.backend(),
        "precision": model.dtype_policy.name,
        "layers": [_layer(path, la) for path, la in named_layers(model).items()],
        "variables": [_variable(variable) for variable in model.weights],
        **_compiled(model),
    }


def _check_built(model):
    if not isinstance(model, keras.Model):
        fail("`model` must be a Keras model.", model=model)
    layers = named_layers(model).values()
    # The `build` of a subclass may set `built` without building its layers.
    hollow = not model.weights and not all(layer.built for layer in layers)
    if hollow or not model.built:
        how = "Call `model.build(input_shape)`, or call the model on a batch."
        fail(f"`model` must be built. {how}", model=model.name)


def _layer(path, layer):
    inner = {id(w) for below in named_layers(layer).values() for w in below.weights}
    own = [weight for weight in layer.weights if id(weight) not in inner]
    rules = {
        name: value(rule)
        for name, rule in vars(layer).items()
        if name.endswith(RULES) and not name.startswith("_") and rule is not None
    }
    sizes = {name: getattr(layer, name, None) for name in SIZES}
    return {
        "path": path,
        "class": type(layer).__name__,
        "activation": activation_of(layer),
        "trainable": layer.trainable,
        "output_shape": _output_shape(layer),
        "parameters": sum(math.prod(weight.shape) for weight in own),
        # Some layers have other layers as attributes of these names.
        **{n: value(v) for n, v in sizes.items() if isinstance(v, numbers.Real)},
        **rules,
    }


def _output_shape(layer):
    try:
        output = layer.output
    except (AttributeError, ValueError):
        return None
    return keras.tree.map_structure(lambda tensor: list(tensor.shape), output)


def _variable(variable):
    return {
        "path": variable.path,
        "shape": list(variable.shape),
        "trainable": variable.trainable,
        "dtype": str(variable.dtype),
    }


def _compiled(model):
    optimizer = getattr(model, "optimizer", None)
    settings = "run_eagerly", "jit_compile", "steps_per_execution"
    # Reading `jit_compile` before `compile` would fix its value.
    known = {
        name: getattr(model, name) if model.compiled else None for name in settings
    }
    steps = getattr(unscaled(optimizer), "gradient_accumulation_steps", None)
    return {
        "optimizer": optimizer_facts(optimizer),
        "loss": loss_facts(model.loss),
        "metrics": metric_names(model),
        **known,
        "gradient_accumulation_steps": steps,
    }
