"""Structure: a model and how it was compiled, as plain values for JSON."""

import math
import numbers
import warnings
from typing import Any

import keras
import numpy as np

from kcomponents import _keras
from kcomponents._checks import fail
from kcomponents.probes.layer_walk import activation_of, named_layers, named_operations

SIZES = "units", "filters", "rate", "dropout", "recurrent_dropout", "use_bias"
SIZES = *SIZES, "stddev"
RULES = "_initializer", "_regularizer", "_constraint"
CLIPPING = "clipnorm", "clipvalue", "global_clipnorm"


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
          `"recurrent_dropout"`, `"use_bias"`, `"stddev"`, and each initializer,
          regularizer and constraint under the name of its argument. An operation in the
          graph of a functional model that applies an activation, such as
          `keras.ops.relu(x)`, counts as a layer.
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
        "layers": _layers(model),
        "variables": [_variable(variable) for variable in model.weights],
        **_compiled(model),
    }


def _check_built(model):
    if not isinstance(model, keras.Model):
        fail("`model` must be a Keras model.", model=model)
    if not is_built(model):
        how = "Call `model.build(input_shape)`, or call the model on a batch."
        fail(f"`model` must be built. {how}", model=model.name)


def is_built(model):
    """Return whether a model has all its weights.

    Layers such as `Dropout` have variables before, the `build` of a subclass may set
    `built` without building its layers, and a model with a `train_step` of its own,
    which never calls the model itself, is never `built`.
    """
    layers = named_layers(model).values()
    hollow = not model.weights and not all(layer.built for layer in layers)
    if model.built and not hollow:
        return True
    return bool(model.weights) and not layers_without_weights(model)


def layers_without_weights(model):
    """Return the paths of layers that are not built and may get weights later."""
    return [
        path
        for path, layer in named_layers(model).items()
        if type(layer).build is not keras.Layer.build and not layer.built
    ]


def _layers(model):
    found = named_operations(model).items()
    return [
        _layer(path, part) if isinstance(part, keras.Layer) else _operation(path, part)
        for path, part in found
        if isinstance(part, keras.Layer) or activation_of(part)
    ]


def _operation(path, operation):
    return {
        "path": path,
        "class": type(operation).__name__,
        "activation": activation_of(operation),
        "trainable": True,
        "output_shape": _output_shape(operation),
        "parameters": 0,
    }


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
    steps = getattr(_keras.unscaled(optimizer), "gradient_accumulation_steps", None)
    return {
        "optimizer": optimizer_facts(optimizer),
        "loss": loss_facts(model.loss),
        "metrics": metric_names(model),
        **known,
        "gradient_accumulation_steps": steps,
    }


def optimizer_facts(optimizer):
    """Return the class, settings and clipping of an optimizer, None without one."""
    if optimizer is None:
        return None
    inner = _keras.unscaled(optimizer)
    with warnings.catch_warnings():
        # Keras warns that a lambda cannot be saved, but here only its name is needed.
        warnings.simplefilter("ignore")
        found = facts(inner)
    config = found["config"]
    source = _keras.learning_rate_source(inner)
    if source is not None:
        config["learning_rate"] = value(source)
    elif isinstance(config.get("learning_rate"), float):
        # Drop digits beyond the precision of float32, in which Keras stores it.
        config["learning_rate"] = float(f"{config['learning_rate']:.7g}")
    names, clipping = CLIPPING, config
    if "optimizer" in config and hasattr(inner, "bounds"):
        found["class"] = config.pop("optimizer")["class_name"]
        names, clipping = (*CLIPPING, "agc"), config["clipping"]
    clip = {name: clipping[name] for name in names if clipping.get(name) is not None}
    return {**found, "loss_scale": inner is not optimizer, "clip": clip}


def loss_facts(loss):
    """Return the name, class and settings of a loss, or of each loss in a structure."""
    if isinstance(loss, dict):
        return {str(name): loss_facts(part) for name, part in loss.items()}
    if isinstance(loss, list | tuple):
        return [loss_facts(part) for part in loss]
    if isinstance(loss, str):
        if loss.lower() in ("crossentropy", "ce"):
            # Keras chooses the class by the shapes of the first batch.
            return {"name": "crossentropy", "class": None, "config": {}}
        loss = keras.losses.get(loss)
    if loss is None:
        return None
    if isinstance(loss, keras.losses.Loss):
        return {"name": loss.name, **facts(loss)}
    cls = _class_of(loss)
    return custom(loss) if cls is None else {"name": loss.__name__, **facts(cls())}


def _class_of(function):
    """Return the Keras class of a Keras loss function, or None."""
    name = getattr(function, "__name__", "")
    if getattr(keras.losses, name, None) is not function:
        return None
    known = [cls for cls in vars(keras.losses).values() if isinstance(cls, type)]
    classes = {cls.__name__.lower(): cls for cls in known}
    return classes.get(name.replace("_", ""))


def metric_names(model):
    """Return the names of the metrics given to `compile` and of metrics in layers."""
    arguments = keras.tree.flatten(_keras.metric_arguments(model))
    # Keras adds these two metrics itself.
    added = "loss", "compile_metrics"
    others = [metric for metric in model.metrics if metric.name not in added]
    return [_label(metric) for metric in arguments + others if metric is not None]


def _label(metric):
    if isinstance(metric, str):
        return metric
    return getattr(metric, "name", None) or getattr(metric, "__name__", "custom")


def facts(thing):
    """Return `{"class": name, "config": settings}` of a Keras object."""
    try:
        config = thing.get_config()
    except (AttributeError, NotImplementedError):
        config = {}
    return {"class": type(thing).__name__, "config": value(config)}


def value(thing):
    """Return a setting as a plain value, NaN and infinity as strings."""
    if thing is None or isinstance(thing, str | bool | int):
        return thing
    if isinstance(thing, dict):
        return _mapping(thing)
    if isinstance(thing, list | tuple | set):
        return [value(part) for part in thing]
    if isinstance(thing, float | np.generic | np.ndarray):
        return _numbers(thing)
    if isinstance(thing, keras.Variable) or keras.ops.is_tensor(thing):
        return _numbers(keras.ops.convert_to_numpy(thing))
    if hasattr(thing, "get_config"):
        return facts(thing)
    return custom(thing) if callable(thing) else str(thing)


def custom(thing):
    """Return the string that stands for a custom function."""
    return f"custom:{getattr(thing, '__name__', type(thing).__name__)}"


def _mapping(thing):
    if thing.get("class_name") in ("function", "__lambda__"):
        function = thing["config"] if thing["class_name"] == "function" else "<lambda>"
        return f"custom:{function}"
    if {"class_name", "config"} <= set(thing):
        return {"class": thing["class_name"], "config": value(thing["config"])}
    return {str(key): value(part) for key, part in thing.items()}


def _numbers(thing):
    if isinstance(thing, list):
        return [_numbers(part) for part in thing]
    if isinstance(thing, float):
        return thing if math.isfinite(thing) else str(thing)
    # `tolist` turns numpy values into Python numbers and strings.
    return thing if isinstance(thing, str | bool | int) else _numbers(thing.tolist())
