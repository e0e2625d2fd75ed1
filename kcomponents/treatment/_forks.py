"""Forks: copies of a compiled model, which train in its place."""

import inspect

import keras

from kcomponents import _keras
from kcomponents._checks import fail
from kcomponents._keras.model_reuse import uses_weight_decay
from kcomponents._keras.models import compile_arguments, is_plain
from kcomponents._keras.random_state import no_trace
from kcomponents.probes.layer_walk import named_layers, named_operations


def fork(model, *, learning_rate=None, **changes):
    """Return a compiled copy of a model, with its weights and its optimizer's state.

    Args:
        model: Compiled Keras model, or a function without arguments that returns one.
            A model that is not built is copied without weights.
        learning_rate: Float, in place of the learning rate or its schedule, or `None`.
        **changes: Arguments of `compile` to change.

    Raises:
        ValueError: If the model is not compiled, or cannot be copied.
    """
    if not isinstance(model, keras.Model):
        with no_trace():
            return _made(model, learning_rate, changes)
    _check_compiled(model)
    overrides = type(model).compile is not keras.Model.compile
    if overrides and type(model).compile_from_config is (
        keras.Model.compile_from_config
    ):
        _fail_copy(model, "its class has a `compile` of its own")
    # What the fork draws next is what the model would draw.
    with no_trace():
        try:
            copy = _copy(model)
            if overrides:
                copy.compile_from_config(model.get_compile_config())
                if learning_rate is not None:
                    copy.optimizer = _optimizer(copy, learning_rate)
                for name, value in changes.items():
                    setattr(copy, name, value)
            else:
                arguments = {**compile_arguments(model), **changes}
                arguments["optimizer"] = _optimizer(model, learning_rate)
                for name in ("metrics", "weighted_metrics"):
                    arguments[name] = keras.tree.map_structure(_metric, arguments[name])
                copy.compile(**arguments)
        except Exception as error:
            _fail_copy(model, error)
        if model.built:
            _carry_over(model, copy)
    return copy


def _made(build, learning_rate, changes):
    """Return the model that a function makes."""
    if not callable(build):
        rule = "`model` must be a Keras model, or a function that returns one."
        fail(rule, model=build)
    model = build()
    if not isinstance(model, keras.Model):
        rule = "`model` must be a function that returns a Keras model."
        fail(rule, returned=model)
    _check_compiled(model)
    if learning_rate is not None:
        model.optimizer = _optimizer(model, learning_rate)
    for name, value in changes.items():
        setattr(model, name, value)
    return model


def _check_compiled(model):
    if not model.compiled or model.optimizer is None:
        rule = "`model` must be compiled with an optimizer. Call `model.compile`."
        fail(rule, model=model.name)


def _fail_copy(model, reason):
    rule = (
        "`model` must be a model that can be copied by its config. Pass a function "
        f"that returns the compiled model instead. The reason: {reason}."
    )
    try:
        fail(rule, model=model.name)
    except ValueError as failure:
        raise failure from (reason if isinstance(reason, Exception) else None)


def _copy(model):
    """Return a model of the same config, built as the model is."""
    with keras.saving.custom_object_scope(_own_objects(model)):
        copy = _copy_layer(model)
        if model.built and not copy.built:
            copy.build_from_config(model.get_build_config())
    return copy


def _copy_layer(layer):
    """Return a layer, or a model in it, of the same config."""
    if not isinstance(layer, keras.Layer):
        # An operation has no state.
        return layer
    if isinstance(layer, keras.Model) and is_plain(layer):
        return _copy_graph(layer)
    arguments, kind = layer.get_config(), type(layer)
    signature = inspect.signature(kind.__init__).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature):
        # Keras adds its own arguments to the config, which not all classes take.
        known = {parameter.name for parameter in signature}
        arguments = {n: value for n, value in arguments.items() if n in known}
    names = {"module": None, "class_name": "copy", "registered_name": "copy"}
    copy = keras.saving.deserialize_keras_object(
        {**names, "config": arguments}, {"copy": kind}, safe_mode=False
    )
    copy.name = layer.name
    pairs = [(layer, copy), *zip(_below(layer), _below(copy), strict=False)]
    for ours, theirs in pairs:
        theirs.dtype_policy, theirs.trainable = ours.dtype_policy, ours.trainable
    return copy


def _below(layer):
    return named_layers(layer).values()


def _copy_graph(model):
    if isinstance(model, keras.Sequential):
        inputs = model.inputs if model.built else ()
        made = [keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in inputs]
        made += [_copy_layer(layer) for layer in model.layers]
        copy = keras.Sequential(made, name=model.name)
    else:
        # Otherwise Keras would copy the loss and the metrics, which may be impossible.
        compiled, model.compiled = model.compiled, False
        try:
            copy = keras.models.clone_model(model, clone_function=_copy_layer)
        finally:
            model.compiled = compiled
    copy.trainable = model.trainable
    for ours, theirs in zip(_below(model), _below(copy), strict=True):
        theirs.trainable = ours.trainable
    return copy


def _own_objects(model):
    """Return name → class or function for what the layers of a model are made of.

    Keras finds neither what a function has defined nor what is not registered.
    """
    parts, found = [model, *named_operations(model).values()], {}
    for part in parts:
        values = list(vars(part).values())
        functions = [value for value in values if inspect.isfunction(value)]
        for thing in (type(part), *map(type, values), *functions):
            if not thing.__module__.startswith(("keras.", "builtins")):
                found[thing.__name__] = thing
    return found


def _optimizer(model, learning_rate=None):
    """Return an optimizer like that of a model, perhaps with another learning rate."""
    optimizer = model.optimizer
    config = optimizer.get_config()
    if learning_rate is not None:
        of_rate = config
        if optimizer is not _keras.unscaled(optimizer):
            of_rate = config["inner_optimizer"]["config"]
        of_rate["learning_rate"] = learning_rate
    return type(optimizer).from_config(config)


def _metric(metric):
    if not isinstance(metric, keras.Metric):
        return metric
    return type(metric).from_config(metric.get_config())


def _carry_over(model, copy):
    """Give the copy the weights, random states and optimizer state of the model."""
    ours, theirs = _state_of(model), _state_of(copy)
    shapes = [[tuple(v.shape) for v in state] for state in (ours, theirs)]
    if shapes[0] != shapes[1]:
        _fail_copy(model, "the copy has other variables")
    _assign(theirs, ours)
    source, target = model.optimizer, copy.optimizer
    if not source.built:
        return
    place = {id(variable): number for number, variable in enumerate(ours)}
    inner = _keras.unscaled(source)
    trained = [theirs[place[id(v)]] for v in _keras.optimized_variables(inner)]
    if getattr(inner, "weight_decay", None):
        decays = uses_weight_decay(inner, _keras.optimized_variables(inner))
        kept = [v for v, decayed in zip(trained, decays, strict=True) if not decayed]
        _keras.unscaled(target).exclude_from_weight_decay(var_list=kept)
    target.build(trained)
    _assign(_state_of_optimizer(target), _state_of_optimizer(source))


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(keras.ops.convert_to_numpy(value))


def _state_of_optimizer(optimizer):
    """Return the variables of an optimizer, but not a learning rate that is one."""
    rate = _keras.unscaled(optimizer).learning_rate
    return [variable for variable in optimizer.variables if variable is not rate]


def _state_of(model):
    """Return the variables of a model, without those of metrics."""
    left_out = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in left_out]
