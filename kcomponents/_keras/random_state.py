"""The state of all global random generators, and of the default names of Keras."""

import contextlib
import random

import numpy as np

from kcomponents import _backends
from kcomponents._keras.features import module
from kcomponents._keras.fit_state import global_seeds, without_new_global_seeds

global_state = module("backend.common.global_state")


def random_state():
    """Return the state of the generators of Python, numpy, Keras and the backend."""
    state = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "backend": _backends.random_state(),
    }
    if (seeds := global_seeds()) is not None:
        state["keras"] = np.array(seeds.numpy())
    return state


def set_random_state(state):
    """Restore the state of the generators."""
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))
    np.random.set_state(state["numpy"])
    _backends.set_random_state(state["backend"])
    seeds = global_seeds()
    if seeds is not None and "keras" in state:
        seeds.assign(state["keras"])


@contextlib.contextmanager
def no_trace():
    """Restore, at the end, the random generators and the default names of Keras.

    So models can be made and trained in between without a change of what follows.
    """
    state, read = random_state(), getattr(global_state, "get_global_attribute", None)
    counts = None if read is None else read("object_name_uids")
    counts = counts and counts.copy()
    try:
        with without_new_global_seeds():
            yield
    finally:
        set_random_state(state)
        if read is not None and hasattr(global_state, "set_global_attribute"):
            global_state.set_global_attribute("object_name_uids", counts)
