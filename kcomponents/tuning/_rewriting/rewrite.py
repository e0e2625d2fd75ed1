"""A model with another hidden activation, made of the parts of a given one."""

import keras

from kcomponents._check import fail
from kcomponents._keras._cloning import compile_arguments, is_plain
from kcomponents.regularizers import exclude_from_decay
from kcomponents.tuning._rewriting.graph import Graph
from kcomponents.tuning._rewriting.parts import Parts
from kcomponents.tuning._rewriting.sites import ends, sites


def with_activation(model, hidden, exclude):
    """Return a model with another hidden activation, compiled as the given one was.

    Layers that do not change are shared by both. The given model is used up.
    """
    arguments = compile_arguments(model)
    found = _rewritten(model, hidden, exclude, all_hidden=False)
    if found is None:
        rule = "The model has no hidden activation to replace."
        fail(rule, model=model.name, exclude=list(exclude))
    if arguments:
        _compile(found, arguments)
    return found


def _rewritten(model, hidden, exclude, all_hidden):
    """Return the new model, or None where there is nothing to replace."""
    graph = Graph(model)
    parts = Parts(graph, sites(graph, exclude, all_hidden=all_hidden), hidden)
    last = () if all_hidden else ends(graph)
    for layer in graph.layers:
        # A frozen model was trained with the activations it has.
        if isinstance(layer, keras.Model) and is_plain(layer) and layer.trainable:
            inner = _rewritten(layer, hidden, exclude, id(layer) not in last)
            if inner is not None:
                _refuse_maxout(hidden, layer)
                parts.found[id(layer)] = inner, ()
    if not parts.found:
        return None
    try:
        return _assembled(model, parts)
    except (TypeError, ValueError) as error:
        rule = f"The model cannot be built with `{hidden.identifier}`: {error}"
        raise ValueError(f"{rule} Received: model={model.name!r}") from error


def _refuse_maxout(hidden, layer):
    if hidden.pieces > 1:
        rule = "A maxout changes widths, which a model within a model does not allow."
        fail(f"{rule} Set its `trainable` to False, or leave it out.", model=layer.name)


def _assembled(model, parts):
    if isinstance(model, keras.Sequential):
        new = [parts.of(layer) for layer in model.layers]
        layers = [each for layer, behind in new for each in (layer, *behind)]
        inputs = [_input(tensor) for tensor in model.inputs] if model.built else []
        trainable = model.trainable
        return keras.Sequential(
            [*inputs, *layers], name=model.name, trainable=trainable
        )

    behind = {id(layer): after for layer, after in parts.found.values()}

    def call(layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        for after in behind.get(id(layer), ()):
            outputs = after(outputs)
        return outputs

    # What it was compiled with need not survive a way through a config.
    model.compiled = False
    return keras.models.clone_model(
        model, clone_function=lambda layer: parts.of(layer)[0], call_function=call
    )


def _input(tensor):
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)


def _compile(model, arguments):
    optimizer = arguments["optimizer"]
    if isinstance(optimizer, keras.optimizers.Optimizer) and optimizer.built:
        # It knows the weights of the given model.
        optimizer = type(optimizer).from_config(optimizer.get_config())
    model.compile(**{**arguments, "optimizer": optimizer})
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if model.built and inner.weight_decay:
        # New weights, slopes of a PReLU among them, are in no exclusion made before.
        exclude_from_decay(inner, model)
