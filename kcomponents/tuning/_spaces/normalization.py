"""The choice of a normalization layer."""

import functools

import keras

from kcomponents._check import one_of
from kcomponents.tuning._spaces.layers import Layers
from kcomponents.tuning._spaces.ranges import choices_of, default_of

LAYERS = {
    "batch": keras.layers.BatchNormalization,
    "layer": keras.layers.LayerNormalization,
    "rms": keras.layers.RMSNormalization,
}


def choose(hp, name, choices, kwargs):
    """Register the choice of a normalization, and return a list of new layers."""
    check = functools.partial(one_of, "choices", choices=("none", *LAYERS))
    choices = choices_of(choices, check)
    chosen = hp.Choice(name, choices, default=default_of(choices, "none"))
    return Layers([] if chosen == "none" else [LAYERS[chosen](**kwargs)])
