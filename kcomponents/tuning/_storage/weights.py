"""Weights of the best trials, in files that are written atomically."""

import json
import os
import shutil

import keras
import numpy as np

from kcomponents._checks import fail
from kcomponents._files import whole_file, write_whole

WEIGHTS, SHAPES = "weights.npz", "build_config.json"


def is_worth_keeping(store, score, maximize, count):
    """Return whether a score is among the best `count` of the search."""
    sign = 1 if maximize else -1
    scores = [trial.user_attrs["score"] for trial in _done(store)]
    return sum(sign * other > sign * score for other in scores) < count


def save(model, weights, folder):
    """Save weights of a model, and the shapes to build it with.

    Keras's own weights file would include the optimizer's state: two thirds of the
    file, and from another epoch than the weights.
    """
    os.makedirs(folder, exist_ok=True)
    shapes = json.dumps(model.get_build_config(), default=str)
    write_whole(os.path.join(folder, SHAPES), shapes)
    with whole_file(os.path.join(folder, WEIGHTS)) as file:
        np.savez(file, *map(keras.ops.convert_to_numpy, weights))


def load(model, folder):
    """Load the weights of a trial into a new model."""
    path = os.path.join(folder, WEIGHTS)
    if not os.path.exists(path):
        rule = "This folder has no weights of this trial: only the best trials'"
        hint = "weights are kept, on the machine that trained them (`keep_models`)."
        fail(f"{rule} {hint}", path=path)
    if not model.built:
        with open(os.path.join(folder, SHAPES), encoding="utf-8") as file:
            model.build_from_config(json.load(file))
    model.set_weights(read(path))


def read(path):
    """Return the weights in a file, a list of arrays."""
    # `np.load` alone leaves a damaged file open.
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]


def forget_others(search):
    """Delete the weights of trials that are no longer among the best."""
    done, maximize = _done(search.store), search.engine.maximize
    done.sort(key=lambda trial: trial.user_attrs["score"], reverse=maximize)
    for trial in done[search.settings.keep_models :]:
        folder = f"trial_{trial.user_attrs['slot']}"
        shutil.rmtree(os.path.join(search.project_dir, folder), ignore_errors=True)


def _done(store):
    return [
        trial
        for trial in store.trials()
        if trial.state.name == "COMPLETE" and trial.user_attrs.get("score") is not None
    ]
