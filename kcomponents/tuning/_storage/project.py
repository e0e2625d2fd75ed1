"""Opens an existing search by its folder or its store."""

import collections
import glob
import logging
import os
import shutil

import psutil

from kcomponents._checks import fail
from kcomponents._files import write_whole
from kcomponents._optional import keras_tuner
from kcomponents.tuning._results.results import results_of, to_csv
from kcomponents.tuning._storage.backend import DAMAGED, damaged, open_storage
from kcomponents.tuning._storage.store import Store
from kcomponents.tuning._storage.weights import WEIGHTS, read

JOURNAL = "journal.log"


def opened(place, name=None):
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
    names = [study.study_name for study in open_storage(place).get_all_studies()]
    if name is None and len(names) != 1:
        shown = ", ".join(names) or "none"
        fail(f"Choose a search by its name (--name): {shown}.", store=place)
    return Store(place, names[0] if name is None else name)


def space_of(store):
    """Return the search space that is in the store."""
    config = store.facts.get("space")
    if config is None:
        fail("Another program created this search.", store=store.shown)
    try:
        return keras_tuner.HyperParameters.from_config(config)
    except DAMAGED as error:
        raise damaged(store.shown, error) from error


def results_in(store):
    """Return the results that are in the store."""
    space = space_of(store)
    try:
        return results_of(store, space)
    except DAMAGED as error:
        raise damaged(store.shown, error) from error


# The files that a search writes when it ends.

logger = logging.getLogger("kcomponents")


def finish(search):
    """Write the table of trials and the best model; delete data sent to workers."""
    folder = search.project_dir
    write_whole(os.path.join(folder, "results.csv"), to_csv(search.results))
    for sent in glob.glob("data-*", root_dir=folder):
        process = int(sent.split("-")[1])
        # This process's folder, or one that a killed process left.
        if process == os.getpid() or not psutil.pid_exists(process):
            shutil.rmtree(os.path.join(folder, sent), ignore_errors=True)
    for best in search.oracle.get_best_trials():
        try:
            _save(search.load_model(best), folder)
        except Exception as error:
            # It was trained on another machine, or Keras cannot save its class. The
            # store still has all results.
            logger.warning("Could not save the best model as best.keras: %s", error)


def _save(model, folder):
    """Save a model atomically, replacing an earlier file."""
    if getattr(model, "optimizer", None) is not None:
        # Keras cannot load an optimizer that was saved before it was built.
        model.optimizer.build(model.trainable_variables)
    # Keras requires the suffix `.keras`.
    beside = os.path.join(folder, f".{os.getpid()}.best.keras")
    try:
        model.save(beside)
        os.replace(beside, os.path.join(folder, "best.keras"))
    finally:
        if os.path.exists(beside):
            os.remove(beside)


# Verify: check that the store of a search is complete.


def problems(store, folder=None):
    """Return one line for each problem of a search."""
    results = results_in(store)
    trials = results["trials"]
    found = [
        f"Slot {slot} exists {count} times."
        for slot, count in collections.Counter(t["id"] for t in trials).items()
        if count > 1
    ]
    ended = [t for t in trials if t["state"] not in ("waiting", "running")]
    for trial in ended:
        if not trial["values"]:
            found.append(f"Trial {trial['id']} has no values.")
        if trial["state"] == "completed" and trial["score"] is None:
            found.append(f"Trial {trial['id']} is completed but has no score.")
        if trial["state"] == "failed" and not trial["reason"]:
            found.append(f"Trial {trial['id']} failed without a reason.")
    count = sum(trial["kind"] in ("search", "baseline") for trial in trials)
    wanted = results["max_trials"]
    if wanted is not None and count < wanted and results["sampler"] != "grid":
        found.append(f"Expected {wanted} trials, found {count}.")
    return found + _unreadable(trials, folder)


def _unreadable(trials, folder):
    """Return one line for each weights file that cannot be read."""
    found = []
    for trial in trials if folder is not None else ():
        path = os.path.join(folder, f"trial_{trial['id']}", WEIGHTS)
        if not os.path.exists(path):
            continue
        try:
            read(path)
        except Exception as error:
            found.append(f"The weights of trial {trial['id']} are damaged: {error}")
    return found
