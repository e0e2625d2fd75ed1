"""Verify: whether a store holds what a search should leave there."""

import collections
import os

from kcomponents.tuning._keeping.best import WEIGHTS, read
from kcomponents.tuning._keeping.opened import results_in


def problems(store, folder=None):
    """Return a line for each thing that is not as it should be."""
    results = results_in(store)
    trials = results["trials"]
    found = [
        f"Slot {slot} is there {count} times."
        for slot, count in collections.Counter(t["id"] for t in trials).items()
        if count > 1
    ]
    ended = [t for t in trials if t["state"] not in ("waiting", "running")]
    for trial in ended:
        if not trial["values"]:
            found.append(f"Trial {trial['id']} has no values.")
        if trial["state"] == "completed" and trial["score"] is None:
            found.append(f"Trial {trial['id']} was completed without a score.")
        if trial["state"] == "failed" and not trial["reason"]:
            found.append(f"Trial {trial['id']} failed for no reason that was kept.")
    count = sum(trial["kind"] in ("search", "baseline") for trial in trials)
    wanted = results["max_trials"]
    if wanted is not None and count < wanted and results["sampler"] != "grid":
        found.append(f"{wanted} trials were wanted, {count} are there.")
    return found + _unreadable(trials, folder)


def _unreadable(trials, folder):
    """Return a line for each file of weights that cannot be read."""
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
