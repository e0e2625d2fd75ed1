"""Snapshot: the state of a training, on the host, to go back to."""

import keras
import numpy as np

from kcomponents import _keras
from kcomponents._check import fail
from kcomponents.probes._hub import tapped_optimizer


class Snapshot:
    """The weights of a model and the variables of its optimizer, as copies."""

    def __init__(self, model, step):
        self.step = step
        self.weights = [np.array(weight.numpy()) for weight in model.weights]
        store = {}
        # As for a file, which has nothing of what probes keep in an optimizer.
        model.optimizer.save_own_variables(store)
        self.optimizer = {name: np.array(value) for name, value in store.items()}

    def restore(self, model):
        """Go back to this state."""
        for weight, value in zip(model.weights, self.weights, strict=True):
            weight.assign(value)
        model.optimizer.load_own_variables(self.optimizer)


def check_rate(model):
    """Refuse a learning rate that cannot be lowered."""
    optimizer = tapped_optimizer(model)
    if hasattr(optimizer, "optimizers"):
        fail(
            "To roll back, the optimizer must have one learning rate.",
            optimizer=keras.saving.get_registered_name(type(optimizer)),
        )
    source = optimizer and _keras.learning_rate_source(optimizer)
    if source is not None:
        fail(
            "To roll back, the learning rate must be a number that can be lowered, "
            "not a schedule.",
            learning_rate=keras.saving.get_registered_name(type(source)),
        )
