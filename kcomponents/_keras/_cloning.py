"""Of models that are rebuilt from the parts of another."""

import keras
from keras.src.models.functional import Functional


def is_plain(model):
    """Return whether a model is nothing but its layers: `Sequential` or functional."""
    return type(model) in (keras.Sequential, Functional)


def compile_arguments(model):
    """Return what a model was compiled with, the very objects, or an empty dict."""
    return dict(model._compile_config.config) if model.compiled else {}
