"""Net: a model of the given layers, and the stages it is trained in."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from kcomponents import layers
from kcomponents._check import fail

# Layers with trainable weights that belong to the stage of the layer before.
FOLLOWING = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.PReLU,
    keras.layers.RMSNormalization,
    layers.PReLU,
)


class Net(NamedTuple):
    """A built model, and its layers by stage: front, stages and head."""

    model: Any
    front: list
    stages: list
    head: list


def samples(x):
    """Return samples as an array of floats; raise if they are no array."""
    if not hasattr(x, "shape") or len(x.shape) < 2 or not x.shape[0]:
        rule = (
            "`x` must be an array of at least one sample, with the batch axis first. "
            "Concatenate the batches of a dataset first."
        )
        fail(rule, type=type(x).__name__, shape=getattr(x, "shape", None))
    x = np.asarray(ops.convert_to_numpy(x), keras.config.floatx())
    if not np.isfinite(x).all():
        fail("`x` must be finite.", x=x)
    return x


def net_of(given, head, x):
    """Return the model and stages of a `Sequential`, or of a list of layers and a head.

    Raises:
        ValueError: If there is no layer to train before the head, or `x` has another
            shape.
    """
    chain = isinstance(given, keras.Sequential)
    if not chain and not (isinstance(given, list | tuple) and given):
        rule = "`layers` must be a list of at least one layer, or a `Sequential`."
        fail(rule, layers=given)
    if chain and head is not None:
        fail("`head` must be None for a `Sequential`, which has its own.", head=head)
    head = [] if head is None else [head]
    row = given if chain else [keras.Input(x.shape[1:]), *given, *head]
    model = given if chain else keras.Sequential(row)
    if not model.built:
        model.build((None, *x.shape[1:]))
    # Raises if the samples have another shape.
    model(x[:1], training=False)
    front, *stages = _groups(model.layers if chain else given)
    if chain and stages:
        head = stages.pop()
    if not stages:
        rule = "`layers` must have a layer with trainable weights before the head."
        fail(rule, layers=[layer.name for layer in model.layers])
    return Net(model, front, stages, head)


def _groups(row):
    """Return groups of layers; each layer with trainable weights starts a new one."""
    groups = [[]]
    for layer in row:
        if layer.trainable_weights and not isinstance(layer, FOLLOWING):
            groups.append([])
        groups[-1].append(layer)
    return groups
