"""The folder of a search: open an existing search, write its files, check them."""

import collections
import logging
import os

import keras_tuner

from kcomponents import _keras
from kcomponents._checks import fail
from kcomponents._files import whole_path, write_whole
from kcomponents._text import one_line, shorten
from kcomponents.tuning._results.csv_table import to_csv
from kcomponents.tuning._results.results import results_of
from kcomponents.tuning._storage.backend import open_storage, refuse_damage
from kcomponents.tuning._storage.store import Store
from kcomponents.tuning._storage.weights import WEIGHTS, read_weights, weights_folder

logger = logging.getLogger("kcomponents")
JOURNAL = "journal.log"
# The most characters shown of the name of another search.
MOST_LETTERS = 80


# Open an existing search


def open_store(place, name=None):
    """Return the store of an existing search.

    Args:
        place: Path of a project folder or a journal, or URL of a database.
        name: String, name of the search. Defaults to `None`, the only one in the
            store.
    """
    if "://" not in place:
        place = os.path.join(place, JOURNAL) if os.path.isdir(place) else place
        if not os.path.exists(place):
            fail("There is no search journal at this path.", store=place)
    names = study_names(place)
    if name is None and len(names) != 1:
        shown = ", ".join(shorten(one_line(each), MOST_LETTERS) for each in names)
        shown = shown or "none"
        fail(f"Choose a search by its name (--name): {shown}.", store=place)
    return Store(place, names[0] if name is None else name)


def study_names(place):
    """Return the names of all searches in a store."""
    with refuse_damage(place):
        names = [study.study_name for study in open_storage(place).get_all_studies()]
        if not all(isinstance(name, str) for name in names):
            raise TypeError("The name of a search must be a string.")
    return names


def space_of(store):
    """Return the search space that is in the store."""
    config = store.facts.get("space")
    if config is None:
        fail("Another program created this search.", store=store.address)
    with refuse_damage(store.place):
        return keras_tuner.HyperParameters.from_config(config)


def results_in(store):
    """Return the results that are in the store."""
    space = space_of(store)
    with refuse_damage(store.place):
        return results_of(store, space)


# Write the files of a search


class ProjectFolder:
    """The folder of a search, with the files that it writes when it ends.

    Args:
        path: Path of the folder.
    """

    def __init__(self, path):
        self.path = path

    def write_table(self, results):
        """Write the table of trials, `results.csv`."""
        write_whole(self.own_file("results.csv"), to_csv(results))

    def own_file(self, *names):
        """Return the path of a file that the search writes; remove a link there.

        Others may write to a shared folder: what their link points to must not change.

        Args:
            *names: Strings, names of a folder in a folder, and of the file.
        """
        path = self.path
        for name in names:
            path = os.path.join(path, name)
            if os.path.islink(path):
                os.remove(path)
        return path

    def save_best(self, load):
        """Save the best model, as `best.keras`; log a warning if that fails.

        Args:
            load: Function without arguments that returns the model.
        """
        try:
            self._save(load())
        except Exception as error:
            # It was trained on another machine, or Keras cannot save its class. The
            # store still has all results.
            logger.warning("Could not save the best model as best.keras: %s", error)

    def _save(self, model):
        """Save a model atomically, replacing an earlier file."""
        # Keras cannot load an optimizer that was saved before it was built.
        _keras.build_optimizer(model)
        # Keras requires the suffix `.keras`.
        with whole_path(self.own_file("best.keras"), ending=".keras") as temporary:
            model.save(temporary)


# Check the store and the files of a search


def problems(store, folder=None):
    """Return one line for each problem of a search.

    Args:
        store: Store.
        folder: Path of the project's folder, to check the files of weights there.
            Defaults to `None`: check the store only.
    """
    results = results_in(store)
    trials = results["trials"]
    lines = [
        f"Slot {slot} exists {count} times."
        for slot, count in collections.Counter(t["id"] for t in trials).items()
        if count > 1
    ]
    for trial in trials:
        if trial["state"] in ("waiting", "running"):
            continue
        if not trial["values"]:
            lines.append(f"Trial {trial['id']} has no values.")
        if trial["state"] == "completed" and trial["score"] is None:
            lines.append(f"Trial {trial['id']} is completed but has no score.")
        if trial["state"] == "failed" and not trial["reason"]:
            lines.append(f"Trial {trial['id']} failed without a reason.")
    count = sum(trial["kind"] in ("search", "baseline") for trial in trials)
    wanted = results["max_trials"]
    if wanted is not None and count < wanted and results["sampler"] != "grid":
        lines.append(f"Expected {wanted} trials, found {count}.")
    return lines + _unreadable_weights(trials, folder)


def _unreadable_weights(trials, folder):
    """Return one line for each weights file that cannot be read."""
    lines = []
    for trial in trials if folder is not None else ():
        path = os.path.join(weights_folder(folder, trial["id"]), WEIGHTS)
        if not os.path.lexists(path):
            continue
        try:
            if not os.path.isfile(path):
                fail("The weights must be a file.", path=path)
            read_weights(path)
        except Exception as error:
            lines.append(f"The weights of trial {trial['id']} are damaged: {error}")
    return lines
