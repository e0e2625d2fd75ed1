"""Compiled models that are reused: their state and settings."""

import keras

from kcomponents import _backends
from kcomponents._keras.extra_variables import ExtraVariable
from kcomponents._keras.features import module, needed

global_state = module("backend.common.global_state")


def forget_names():
    """Restart the numbering of default names, so that no `auc` becomes `auc_1`.

    `clear_session` would also reset the dtype policy and the distribution.
    """
    if hasattr(global_state, "set_global_attribute"):
        global_state.set_global_attribute("object_name_uids", None)


def own_variables(layer):
    """Return the weights and random states of a layer, without its sublayers."""
    generators = needed(layer, "Layer._seed_generators")
    seeds = [g.state for g in generators if not isinstance(g, ExtraVariable)]
    trainable = needed(layer, "Layer._trainable_variables")
    return [*trainable, *needed(layer, "Layer._non_trainable_variables"), *seeds]


def compile_arguments_for_reuse(model):
    """Return the arguments of `compile` of a model that may be reused.

    Raises for each name that reuse needs later: then the model is not reused.
    """
    needed(model, "Model._symbolic_build")
    needed(model, "Model._initial_epoch")
    needed(keras.layers.SpatialDropout1D, "SpatialDropout._get_noise_shape")
    return dict(needed(model, "Model._compile_config").config)


def uses_weight_decay(optimizer, variables):
    """Return for each variable whether the optimizer's weight decay shrinks it."""
    decays = needed(optimizer, "Optimizer._use_weight_decay")
    return [decays(variable) for variable in variables]


def rematerializes(layer):
    """Return whether a layer computes its outputs again for the gradients."""
    return needed(layer, "Layer._remat_mode") is not None


def spatial_noise_shape(layer, inputs):
    """Return the shape of the noise of a spatial dropout layer."""
    return needed(layer, "SpatialDropout._get_noise_shape")(inputs)


# Methods that `fit` may call first: the first one in Keras that looks at a batch only
# if something is unbuilt.
BUILDS = ("_maybe_symbolic_build", "_symbolic_build")


def draw_first_batch(model):
    """Make the next `fit` draw a batch before training, as the first `fit` does.

    This batch may use random numbers that shuffle the data.
    """
    if _backends.builds_optimizer_in_step:
        # The first `fit` draws none either.
        return
    name = next(name for name in BUILDS if hasattr(type(model), name))
    build = getattr(type(model), name)

    def draw_and_build(iterator=None, data_batch=None):
        del model.__dict__[name]
        for *_, data in iterator or ():
            if not isinstance(data, (list, tuple)):
                next(data)
            break
        build(model, iterator=iterator, data_batch=data_batch)

    # Not with `__setattr__`, which tracks it on some backends.
    model.__dict__[name] = draw_and_build
