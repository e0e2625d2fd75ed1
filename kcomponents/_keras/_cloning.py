"""Models that are rebuilt from the layers of another one."""

import keras

from kcomponents._keras._features import module, needed

functional = module("models.functional")


def is_plain(model):
    """Return whether a model is just its layers: a `Sequential` or functional model."""
    kind = needed(functional, "functional.Functional")
    return type(model) in (keras.Sequential, kind)


def compile_arguments(model):
    """Return the arguments of `compile`, not copied, or an empty dict."""
    if not model.compiled:
        return {}
    return dict(needed(model, "Model._compile_config").config)
