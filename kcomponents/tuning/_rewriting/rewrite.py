"""Replace the hidden activations of a model."""

import keras

from kcomponents._check import fail
from kcomponents._keras._cloning import compile_arguments, is_plain
from kcomponents.regularizers import exclude_from_decay
from kcomponents.tuning._rewriting.graph import Graph
from kcomponents.tuning._rewriting.parts import Parts
from kcomponents.tuning._rewriting.sites import ends, sites


def with_activation(model, hidden, exclude):
    """Return a model with another hidden activation, compiled like the given model.

    It shares unchanged layers with the given model, which must not be used again.
    """
    arguments = compile_arguments(model)
    new = _rewritten(model, hidden, exclude, all_hidden=False)
    if new is None:
        rule = "The model has no hidden activation to replace."
        fail(rule, model=model.name, exclude=list(exclude))
    if arguments:
        _compile(new, arguments)
    return new


def _rewritten(model, hidden, exclude, all_hidden):
    """Return the new model, or None if there is nothing to replace."""
    graph = Graph(model)
    parts = Parts(graph, sites(graph, exclude, all_hidden=all_hidden), hidden)
    last = () if all_hidden else ends(graph)
    for layer in graph.layers:
        # A frozen model is pretrained with its activations.
        if isinstance(layer, keras.Model) and is_plain(layer) and layer.trainable:
            inner = _rewritten(layer, hidden, exclude, id(layer) not in last)
            if inner is not None:
                _refuse_maxout(hidden, layer)
                parts.replaced[id(layer)] = inner, ()
    if not parts.replaced:
        return None
    try:
        return _assembled(model, parts)
    except (TypeError, ValueError) as error:
        rule = f"The model cannot be built with `{hidden.identifier}`: {error}"
        raise ValueError(f"{rule} Received: model={model.name!r}") from error


def _refuse_maxout(hidden, layer):
    if hidden.pieces > 1:
        rule = "A maxout cannot change the widths of a model inside a model."
        fail(f"{rule} Set its `trainable` to False, or exclude it.", model=layer.name)


def _assembled(model, parts):
    if isinstance(model, keras.Sequential):
        new = [parts.of(layer) for layer in model.layers]
        layers = [each for layer, after in new for each in (layer, *after)]
        inputs = [_input(tensor) for tensor in model.inputs] if model.built else []
        trainable = model.trainable
        return keras.Sequential(
            [*inputs, *layers], name=model.name, trainable=trainable
        )

    following = {id(layer): after for layer, after in parts.replaced.values()}

    def call(layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        for after in following.get(id(layer), ()):
            outputs = after(outputs)
        return outputs

    # Otherwise cloning would copy the compile config, which may be impossible.
    model.compiled = False
    return keras.models.clone_model(
        model, clone_function=lambda layer: parts.of(layer)[0], call_function=call
    )


def _input(tensor):
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)


def _compile(model, arguments):
    optimizer = arguments["optimizer"]
    if isinstance(optimizer, keras.optimizers.Optimizer) and optimizer.built:
        # It is built for the weights of the given model.
        optimizer = type(optimizer).from_config(optimizer.get_config())
    model.compile(**{**arguments, "optimizer": optimizer})
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if model.built and inner.weight_decay:
        # Earlier exclusions do not cover new weights, such as PReLU slopes.
        exclude_from_decay(inner, model)
