"""States of callbacks: what each of a list must go on from."""

from kcomponents import _keras


def states_of(callbacks, without):
    """Return name → state of the callbacks that have one, `without` the one given."""
    found = {}
    for name, callback in _named(callbacks):
        if callback is without:
            continue
        if hasattr(callback, "get_state") and hasattr(callback, "set_state"):
            found[name] = callback.get_state()
        elif names := _kept_by(callback):
            found[name] = {n: getattr(callback, n) for n in names}
    return found


def set_states(callbacks, states):
    """Let callbacks go on from these states; one that is new begins anew."""
    for name, callback in _named(callbacks):
        if name not in states:
            continue
        if hasattr(callback, "set_state"):
            callback.set_state(states[name])
            continue
        for attribute in _kept_by(callback):
            setattr(callback, attribute, states[name][attribute])


def _kept_by(callback):
    for kind, names in _keras.STATE_OF_CALLBACKS.items():
        if isinstance(callback, kind):
            return names
    return ()


def _named(callbacks):
    """Yield the callbacks by class, and by number among those of their class."""
    counts = {}
    for callback in callbacks:
        kind = type(callback).__name__
        counts[kind] = counts.get(kind, 0) + 1
        yield f"{kind}-{counts[kind]}", callback
