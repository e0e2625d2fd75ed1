"""Weights of the best trials, in files that are written atomically."""

import json
import os
import shutil

from kcomponents._checks import fail
from kcomponents._files import open_file, write_whole
from kcomponents._json_values import from_json
from kcomponents._state_file import read_state, write_state
from kcomponents.tuning._storage.entries import is_slot

WEIGHTS, SHAPES = "weights.npz", "build_config.json"
KIND = "the weights of a trial"


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
        paths = [os.path.join(folder, name) for name in (SHAPES, WEIGHTS)]
        for path in (folder, *paths):
            _refuse_link(path)
        os.makedirs(folder, exist_ok=True)
        write_whole(paths[0], json.dumps(model.get_build_config(), default=str))
        write_state(paths[1], KIND, list(weights))

    def load(self, model, slot):
        """Load the weights of a trial into a new model."""
        folder = self._folder(slot)
        path = os.path.join(folder, WEIGHTS)
        if not os.path.isfile(path):
            rule = "This folder has no weights of this trial: only the best trials'"
            hint = "weights are kept, on the machine that trained them (`keep_models`)."
            fail(f"{rule} {hint}", path=path)
        if not model.built:
            model.build_from_config(_read_shapes(os.path.join(folder, SHAPES)))
        model.set_weights(read_weights(path))

    def delete_others(self):
        """Delete the weights of ended trials that are not among the best.

        A trial that failed has some if an earlier worker was lost after it saved them.
        """
        trials = self._scored_trials()
        trials.sort(key=lambda t: t.user_attrs["score"], reverse=self.maximize)
        best = {trial.number for trial in trials[: self.count]}
        for trial in self.store.trials():
            if trial.number in best or not trial.state.is_finished():
                continue
            folder = self._folder(trial.user_attrs["slot"])
            # What a link points to belongs to someone else.
            if not os.path.islink(folder):
                shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, slot):
        return weights_folder(self.project, slot)

    def _scored_trials(self):
        return [
            trial
            for trial in self.store.trials()
            if trial.state.name == "COMPLETE"
            and trial.user_attrs.get("score") is not None
        ]


def weights_folder(project, slot):
    """Return the path of the folder with a trial's weights.

    Args:
        project: Path of the project's folder.
        slot: String, the name of the trial.

    Raises:
        ValueError: If the slot is not a name, so that the path could lead elsewhere.
    """
    if not is_slot(slot):
        fail("The slot of a trial must be a name such as '7' or 'full-7'.", slot=slot)
    return os.path.join(project, f"trial_{slot}")


def _refuse_link(path):
    if os.path.islink(path):
        rule = "Weights are not written through a link, which may lead anywhere."
        fail(f"{rule} Remove the link.", path=path)


def read_weights(path):
    """Return the weights in a file, a list of arrays.

    Raises:
        DamagedFileError: If the file is incomplete or of another kind.
    """
    return read_state(path, KIND)


def _read_shapes(path):
    """Return the shapes to build a model with."""
    with open_file(path) as file:
        try:
            return from_json(file.read().decode())
        except ValueError as error:
            rule = f"The file must have the shapes of a trial's model ({error})."
            raise ValueError(f"{rule} Received: path={path!r}") from error
