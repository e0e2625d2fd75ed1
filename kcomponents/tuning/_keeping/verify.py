"""Verify: check that the store of a search is complete."""

import collections
import os

from kcomponents.tuning._keeping.best import WEIGHTS, read
from kcomponents.tuning._keeping.opened import results_in


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
