"""Side effects: calls of a model that leave the model and random numbers unchanged."""

import contextlib

import keras

from kcomponents import _backends, _keras


@contextlib.contextmanager
def without_side_effects():
    """Drop all changes of state in this context.

    The scope drops changes of variables, such as seeds, moving averages and metrics,
    and losses that layers add. Layers without a seed draw from global random state.
    """
    with (
        keras.StatelessScope(),
        _backends.keep_random_state(),
        _keras.without_new_global_seeds(),
    ):
        yield
