"""Best state: what a model was at its best, kept on the device."""

import keras
from keras import ops

from kcomponents import _backends, _keras
from kcomponents._check import fail


class BestState:
    """Copies of the variables of a model, where these are.

    Args:
        model: Keras model, or what has `get_weights` and `set_weights`.
        with_optimizer: Whether to keep the variables of the optimizer too.
        places: Dict, id of a variable → that which holds its best value.
    """

    def __init__(self, model, with_optimizer=False, places=()):
        self.with_optimizer = with_optimizer
        if isinstance(model, keras.Model):
            kept = _variables(model, with_optimizer)
            places = dict(places)
            values = [places.get(id(variable), variable) for variable in kept]
            self.values = [ops.stop_gradient(ops.copy(value)) for value in values]
        else:
            self.values = model.get_weights()

    def restore(self, model):
        """Bring the model, or another one like it, to this state."""
        if not isinstance(model, keras.Model):
            model.set_weights(self.values)
            return
        # Of a training that an exception ended, the state may still be under way.
        _backends.synchronize(model)
        if self.with_optimizer and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        variables = _variables(model, self.with_optimizer)
        shapes = [tuple(value.shape) for value in self.values]
        if [tuple(variable.shape) for variable in variables] != shapes:
            fail("The state must be that of a model like this one.", model=model.name)
        for variable, value in zip(variables, self.values, strict=True):
            variable.assign(value)


def _variables(model, with_optimizer):
    """List what a model is made of: weights, and the state of its random numbers."""
    found = [*model.variables]
    if with_optimizer:
        found += model.optimizer.variables
    left_out = [*model.metrics_variables, *_keras.passengers(model)]
    ids = {id(variable) for variable in left_out}
    return [variable for variable in found if id(variable) not in ids]
