"""Gradients and updates with the functions of each backend, without `fit`."""

import keras


def backward_and_update(model, forward):
    """Return `backward(data) -> (gradients, found)` and `update(gradients)`.

    `forward(data) -> (scaled loss, found)` runs the model; `found` is any structure.
    """
    makers = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    return makers[keras.backend.backend()](model, forward)


def _tensorflow(model, forward):
    import tensorflow as tf

    def backward(data):
        with tf.GradientTape() as tape:
            scaled, found = forward(data)
        variables = [v.value for v in model.trainable_variables]
        return tape.gradient(scaled, variables), found

    def update(gradients):
        model.optimizer.apply(gradients, model.trainable_variables)

    return backward, update


def _torch(model, forward):
    import torch

    def backward(data):
        model.zero_grad()
        scaled, found = forward(data)
        scaled.backward()
        return [v.value.grad for v in model.trainable_variables], found

    def update(gradients):
        with torch.no_grad():
            model.optimizer.apply(gradients, model.trainable_variables)

    return backward, update


def _jax(model, forward):
    import jax

    trainable, others = model.trainable_variables, model.non_trainable_variables
    optimizer = model.optimizer

    def values(variables):
        return [v.value for v in variables]

    def assign(variables, new):
        for variable, value in zip(variables, new, strict=True):
            variable.assign(value)

    def objective(weights, state, data):
        variables = trainable + others + optimizer.variables
        mapping = list(zip(variables, weights + state, strict=True))
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            scaled, found = forward(data)
        return scaled, (found, [scope.get_current_value(v) for v in others])

    # Compiled, because eager JAX compiles each loop and branch again at each call.
    differentiate = jax.jit(jax.grad(objective, has_aux=True))
    # `apply` would leave traced values of the loss scaling in the variables.
    stateless_apply = jax.jit(optimizer.stateless_apply)

    def backward(data):
        state = values(others + optimizer.variables)
        gradients, (found, new) = differentiate(values(trainable), state, data)
        assign(others, new)
        return gradients, found

    def update(gradients):
        state, weights = values(optimizer.variables), values(trainable)
        weights, state = stateless_apply(state, gradients, weights)
        assign(trainable, weights)
        assign(optimizer.variables, state)

    return backward, update
