"""Random state: save and restore the global random generators of a process."""

import random

import numpy as np

from kcomponents import _backends, _keras


def random_state():
    """Return the state of the generators of Python, numpy, Keras and the backend."""
    state = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "backend": _backends.random_state(),
    }
    if (seeds := _keras.global_seeds()) is not None:
        state["keras"] = np.array(seeds.numpy())
    return state


def set_random_state(state):
    """Restore the state of the generators."""
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))
    np.random.set_state(state["numpy"])
    _backends.set_random_state(state["backend"])
    seeds = _keras.global_seeds()
    if seeds is not None and "keras" in state:
        seeds.assign(state["keras"])
