"""Averaged weights: the variables that validation actually scored."""

import keras

from kcomponents import _keras
from kcomponents.probes._guard import calling_list


def scored_places(model, score):
    """Return a dict of a variable's id → the variable with the value to restore in it.

    With `SwapEMAWeights`, validation scores the moving averages of the weights. At the
    end of an epoch these are either in the model or in the optimizer.
    """
    validated = not isinstance(score.monitor, str) or score.name.startswith("val_")
    running = calling_list()
    callbacks = running.callbacks if validated and running is not None else []
    swaps = [c for c in callbacks if isinstance(c, keras.callbacks.SwapEMAWeights)]
    if not swaps:
        return {}
    pairs = _keras.averages(model.optimizer)
    if _keras.averages_in_model(swaps[0]):
        return {id(average): variable for variable, average in pairs}
    return {id(variable): average for variable, average in pairs}
