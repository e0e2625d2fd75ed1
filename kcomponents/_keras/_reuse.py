"""Of models that are used again: what their public names do not tell."""

from keras.src.backend.common import global_state

from kcomponents._keras._passengers import Passenger


def forget_names():
    """Let names that Keras makes up begin anew, so that no `auc` becomes `auc_1`.

    A cleared session would forget the policy for numbers, and how models are
    distributed, too.
    """
    global_state.set_global_attribute("object_name_uids", None)


def own_variables(layer):
    """Return the weights and the random states that a layer holds by itself."""
    riders = layer._seed_generators
    seeds = [rider.state for rider in riders if not isinstance(rider, Passenger)]
    return [*layer._trainable_variables, *layer._non_trainable_variables, *seeds]


def compiled_with(model):
    """Return the arguments of `compile` as they were given, by name."""
    return dict(model._compile_config.config)


def decaying(optimizer, variables):
    """Return for each variable whether the optimizer's weight decay shrinks it."""
    return [optimizer._use_weight_decay(variable) for variable in variables]


def rematerializes(layer):
    """Return whether a layer computes its outputs again for the gradients."""
    return layer._remat_mode is not None


def spatial_noise_shape(layer, inputs):
    """Return the shape of the noise of a spatial dropout layer."""
    return layer._get_noise_shape(inputs)


# What Keras calls at the beginning of `fit`, on some backends.
LOOKING = "_symbolic_build"


def look_once(model):
    """Let the next `fit` look at a batch beforehand, as the first of a model does.

    That draws from the data, and so from the random numbers that shuffle it.
    """
    look = getattr(type(model), LOOKING)

    def draw_and_look(iterator=None, data_batch=None):
        del model.__dict__[LOOKING]
        for _, _, data in iterator or ():
            if not isinstance(data, (list, tuple)):
                next(data)
            break
        look(model, iterator=iterator, data_batch=data_batch)

    # Past `__setattr__`, which would track it on some backends.
    model.__dict__[LOOKING] = draw_and_look
