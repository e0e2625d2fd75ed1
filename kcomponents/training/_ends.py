"""Ends: the decoder or head that a stage is trained with, and then discarded."""

import keras
import numpy as np

from kcomponents._check import fail
from kcomponents.training._chain import shape_after


def decoder_of(stage, x, make):
    """Return new layers that map the outputs of a stage to the shape of its inputs."""
    inputs = x.shape[1:]
    if make is None:
        return _default(inputs, shape_after(stage, x), stage[0].dtype_policy)
    decoder = [make(inputs)]
    decoded = shape_after([*stage, *decoder], x)
    if decoded != inputs:
        rule = f"`decoder` must return a layer with outputs of shape {inputs}."
        fail(rule, shape=decoded)
    return decoder


def _default(inputs, outputs, dtype):
    if inputs[:-1] == outputs[:-1]:
        return [keras.layers.Dense(inputs[-1], dtype=dtype)]
    return [
        keras.layers.Flatten(),
        keras.layers.Dense(int(np.prod(inputs)), dtype=dtype),
        keras.layers.Reshape(inputs),
    ]


def head_of(stage, x, head, axes):
    """Return copies of a head's layers, behind a `Flatten` if it needs fewer axes."""
    copies = [type(layer).from_config(layer.get_config()) for layer in head]
    flat = len(shape_after(stage, x)) == axes
    return copies if flat else [keras.layers.Flatten(), *copies]
