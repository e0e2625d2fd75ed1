"""Best state: what a model was at its best, kept on the device."""

import keras

from kcomponents import _backends
from kcomponents.callbacks._variables import (
    assign_all,
    build_optimizer,
    variables_of,
)


class BestState:
    """Copies of the variables of a model, where these are.

    Args:
        values: List of arrays or tensors.
        with_optimizer: Whether those of the optimizers are among them.
    """

    # Whether the values are a snapshot of its own.
    in_place = False

    def __init__(self, values, with_optimizer=False):
        self.values, self.with_optimizer = values, with_optimizer

    @classmethod
    def of(cls, model, with_optimizer=False, places=(), instead_of=None):
        """Copy what a model, or what has `get_weights`, is now.

        `places` is a dict, id of a variable → the one that holds its best value.
        `instead_of` is a state that is needed no more, whose memory may serve.
        """
        if not isinstance(model, keras.Model):
            return cls(model.get_weights(), with_optimizer)
        found = best_of(model, with_optimizer, places)
        into = None if instead_of is None else instead_of.values
        state = cls(_backends.snapshot(found, into), with_optimizer)
        state.in_place = True
        return state

    @property
    def serves_again(self):
        """Whether another state can be copied into the memory of this one."""
        return self.in_place and _backends.serves_again(self.values)

    def restore(self, model):
        """Bring the model, or another one like it, to this state."""
        if isinstance(model, keras.Model):
            bring_back(model, self.values, self.with_optimizer)
        else:
            model.set_weights(self.values)

    def get_state(self):
        """Return what a file should keep."""
        return {"values": self.values, "with_optimizer": self.with_optimizer}


def best_of(model, with_optimizer, places):
    """List the variables that hold what the model should come back as."""
    places = dict(places)
    kept = variables_of(model, with_optimizer)
    return [places.get(id(variable), variable) for variable in kept]


def bring_back(model, values, with_optimizer):
    """Set the variables of a model to such values."""
    # Of a training that an exception ended, the state may still be under way.
    _backends.synchronize(model)
    if with_optimizer:
        build_optimizer(model)
    assign_all(variables_of(model, with_optimizer), values)
