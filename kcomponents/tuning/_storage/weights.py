"""Weights of the best trials, in files that are written atomically."""

import json
import os
import shutil

import keras
import numpy as np

from kcomponents._checks import fail
from kcomponents._files import whole_file, write_whole

WEIGHTS, SHAPES = "weights.npz", "build_config.json"


class BestWeights:
    """The weights of the best trials of a search, in one folder per trial.

    Args:
        store: Store.
        project: Path of the project's folder.
        count: Integer, number of trials whose weights to keep.
        maximize: Boolean, whether higher scores are better.
    """

    def __init__(self, store, project, count, maximize):
        self.store, self.project = store, project
        self.count, self.maximize = count, maximize

    def accepts(self, score):
        """Return whether a score is among the best of the search."""
        sign = 1 if self.maximize else -1
        scores = [trial.user_attrs["score"] for trial in self._scored_trials()]
        return sum(sign * other > sign * score for other in scores) < self.count

    def save(self, model, weights, slot):
        """Save weights of a trial's model, and the shapes to build it with.

        Keras's own weights file would include the optimizer's state: two thirds of the
        file, and from another epoch than the weights.
        """
        folder = self._folder(slot)
        os.makedirs(folder, exist_ok=True)
        shapes = json.dumps(model.get_build_config(), default=str)
        write_whole(os.path.join(folder, SHAPES), shapes)
        with whole_file(os.path.join(folder, WEIGHTS)) as file:
            np.savez(file, *map(keras.ops.convert_to_numpy, weights))

    def load(self, model, slot):
        """Load the weights of a trial into a new model."""
        folder = self._folder(slot)
        path = os.path.join(folder, WEIGHTS)
        if not os.path.exists(path):
            rule = "This folder has no weights of this trial: only the best trials'"
            hint = "weights are kept, on the machine that trained them (`keep_models`)."
            fail(f"{rule} {hint}", path=path)
        if not model.built:
            with open(os.path.join(folder, SHAPES), encoding="utf-8") as file:
                model.build_from_config(json.load(file))
        model.set_weights(read_weights(path))

    def delete_others(self):
        """Delete the weights of trials that are no longer among the best."""
        trials = self._scored_trials()
        trials.sort(key=lambda t: t.user_attrs["score"], reverse=self.maximize)
        for trial in trials[self.count :]:
            shutil.rmtree(self._folder(trial.user_attrs["slot"]), ignore_errors=True)

    def _folder(self, slot):
        return os.path.join(self.project, f"trial_{slot}")

    def _scored_trials(self):
        return [
            trial
            for trial in self.store.trials()
            if trial.state.name == "COMPLETE"
            and trial.user_attrs.get("score") is not None
        ]


def read_weights(path):
    """Return the weights in a file, a list of arrays."""
    # `np.load` alone leaves a damaged file open.
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]
