"""Shared by several layers: `shared_axes`, `data_format`, saved random states."""

import numbers

import keras

from kcomponents._checks import axis_in, fail, one_of


def checked_shared_axes(shared_axes):
    """Return `shared_axes` as "auto", `None` or a list of ints."""
    if shared_axes is None:
        return None
    if isinstance(shared_axes, str):
        return one_of("shared_axes", shared_axes, ["auto"])
    axes = shared_axes if isinstance(shared_axes, list | tuple) else [shared_axes]
    for axis in axes:
        if isinstance(axis, bool) or not isinstance(axis, numbers.Integral):
            rule = (
                "`shared_axes` must be 'auto', None, an integer or a list of integers."
            )
            fail(rule, shared_axes=shared_axes)
    return [int(axis) for axis in axes]


def positive_axes(shared_axes, rank, data_format):
    """Return the shared axes of a tensor of this rank as a set, counted from 0.

    With "auto" these are all axes except the batch axis and the channel axis.
    """
    if shared_axes == "auto":
        first = data_format == "channels_first" and rank > 2
        return set(range(1, rank)) - {1 if first else rank - 1}
    return {axis_in("shared_axes", axis, rank) for axis in shared_axes or ()}


def checked_data_format(data_format):
    """Return the data format; `None` means the setting of Keras."""
    if data_format is None:
        data_format = keras.config.image_data_format()
    return one_of("data_format", data_format, ["channels_first", "channels_last"])


class SeedState:
    """Layer mixin that saves the state of `seed_generator` with the weights."""

    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self._seed_state() is not None:
            store["seed_generator_state"] = self._seed_state().numpy()

    def load_own_variables(self, store):
        # Files written by the corresponding Keras layer have no state.
        if "seed_generator_state" in store and self._seed_state() is not None:
            self._seed_state().assign(store["seed_generator_state"])

    def _seed_state(self):
        generator = getattr(self, "seed_generator", None)
        return None if generator is None else generator.state
