"""Snapshot: copies of weights and optimizer state on the host, to restore later."""

import keras
import numpy as np

from kcomponents import _keras
from kcomponents._check import fail
from kcomponents.probes._hub import tapped_optimizer


class Snapshot:
    """Copies of a model's weights and its optimizer's variables."""

    def __init__(self, model, step):
        self.step = step
        self.weights = [np.array(weight.numpy()) for weight in model.weights]
        store = {}
        # The method that saves to files leaves out the variables of probes.
        model.optimizer.save_own_variables(store)
        self.optimizer = {name: np.array(value) for name, value in store.items()}

    def restore(self, model):
        """Set the model and its optimizer to this state."""
        for weight, value in zip(model.weights, self.weights, strict=True):
            weight.assign(value)
        model.optimizer.load_own_variables(self.optimizer)


def check_rate(model):
    """Raise `ValueError` unless the model has one learning rate that can be set."""
    optimizer = tapped_optimizer(model)
    if hasattr(optimizer, "optimizers"):
        fail(
            'The optimizer must have a single learning rate if `action` is "rollback".',
            optimizer=keras.saving.get_registered_name(type(optimizer)),
        )
    source = optimizer and _keras.learning_rate_source(optimizer)
    if source is not None:
        fail(
            "The learning rate must be a number, not a schedule, if `action` is "
            '"rollback".',
            learning_rate=keras.saving.get_registered_name(type(source)),
        )
