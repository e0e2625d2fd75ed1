"""Callback states: save and restore the state of each callback in a list."""

from kcomponents import _keras


def states_of(callbacks, without):
    """Return a dict of name → state of all callbacks with a state but `without`."""
    states = {}
    for name, callback in _named(callbacks):
        if callback is without:
            continue
        if hasattr(callback, "get_state") and hasattr(callback, "set_state"):
            states[name] = callback.get_state()
        elif names := _attributes_of(callback):
            states[name] = {n: getattr(callback, n) for n in names}
    return states


def set_states(callbacks, states):
    """Restore the states of callbacks; a callback without a state is left as it is."""
    for name, callback in _named(callbacks):
        if name not in states:
            continue
        if hasattr(callback, "set_state"):
            callback.set_state(states[name])
            continue
        for attribute in _attributes_of(callback):
            setattr(callback, attribute, states[name][attribute])


def _attributes_of(callback):
    """Return which attributes are the state of a callback of Keras."""
    for kind, names in _keras.STATE_OF_CALLBACKS.items():
        if isinstance(callback, kind):
            return names
    return ()


def _named(callbacks):
    """Yield each callback with its name: its class and its number within the class."""
    counts = {}
    for callback in callbacks:
        kind = type(callback).__name__
        counts[kind] = counts.get(kind, 0) + 1
        yield f"{kind}-{counts[kind]}", callback
