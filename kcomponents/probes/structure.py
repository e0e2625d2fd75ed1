"""structure: what a model is and how it was compiled, as plain facts."""

import math
import numbers

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


def structure(model):
    """Describe a model and how it was compiled by plain values that JSON can hold.

    Objects of Keras stand as `{"class": name, "config": settings}`, functions of the
    user's own as `"custom:<name>"`, NaN and infinities as strings.

    Args:
        model: Built Keras model of any kind, compiled or not.

    Returns:
        Dict of:

        - `"model"`: dict of `"name"` and `"class"`; `"backend"`: its name;
          `"precision"`: name of the dtype policy.
        - `"layers"`: list of dicts, one per layer at any depth, shared ones once, in
          the order in which they are held. `"path"` (see below), `"class"`,
          `"activation"` (its name, such as `"relu"`, or `None`), `"trainable"`,
          `"output_shape"` (list with `None` for unknown sizes, lists or a dict of
          these for several outputs; `None` if the layer is in no graph) and
          `"parameters"` (int, without those of the layers inside it). Where a layer
          has them: `"units"`, `"filters"`, `"rate"`, `"dropout"`,
          `"recurrent_dropout"`, `"use_bias"`, and each initializer, regularizer and
          constraint under the name of its argument.
        - `"variables"`: list of dicts of `"path"`, `"shape"`, `"trainable"` and
          `"dtype"`, one per weight.
        - `"optimizer"`: `None`, or a dict of `"class"`, `"config"`, `"loss_scale"`
          (bool, whether the loss is scaled, which `mixed_float16` does) and `"clip"`
          (dict of the bounds that are set). The learning rate is a float, or the
          class and config of its schedule.
        - `"loss"`: `None`, `"custom:<name>"`, or a dict of `"name"`, `"class"` and
          `"config"`, also where a string was given; or a list or dict of these.
        - `"metrics"`: list of names. `"run_eagerly"`, `"jit_compile"`,
          `"steps_per_execution"`, `"gradient_accumulation_steps"`: as compiled, `None`
          before.

        The path of a layer is its `path` in Keras. Layers that have none, such as those
        without weights, and layers of equal paths get the names of their parents in
        front of their own.

    Raises:
        ValueError: If `model` is no Keras model or is not built.

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
    # `built` is set by `build`, though that of a subclass may have built nothing.
    hollow = not model.weights and not all(layer.built for layer in layers)
    if hollow or not model.built:
        how = "Use `model.build(input_shape)` or call it on a batch."
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
        # Some layers keep other layers under these names.
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
    # Asking a model that is not compiled would settle `jit_compile`.
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
