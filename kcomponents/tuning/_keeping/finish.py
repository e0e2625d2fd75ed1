"""What a search leaves in its folder when it has come to its end."""

import glob
import logging
import os
import shutil

import psutil

from kcomponents._files import write_whole
from kcomponents.tuning._telling.csv_table import to_csv

logger = logging.getLogger("kcomponents")


def finish(search):
    """Write the table of all trials and the best model; remove what was sent."""
    folder = search.project_dir
    write_whole(os.path.join(folder, "results.csv"), to_csv(search.results))
    for sent in glob.glob("data-*", root_dir=folder):
        process = int(sent.split("-")[1])
        # Its own, and what one that was killed has left.
        if process == os.getpid() or not psutil.pid_exists(process):
            shutil.rmtree(os.path.join(folder, sent), ignore_errors=True)
    for best in search.oracle.get_best_trials():
        try:
            _save(search.load_model(best), folder)
        except Exception as error:
            # Trained on another machine, or of a class that Keras cannot save.
            # What was found is in the store all the same.
            logger.warning("The best model is not in a file: %s", error)


def _save(model, folder):
    """Save a model whole, in place of an earlier one."""
    if getattr(model, "optimizer", None) is not None:
        # Keras loads no optimizer that was saved before its first step.
        model.optimizer.build(model.trainable_variables)
    # Keras wants this ending.
    beside = os.path.join(folder, f".{os.getpid()}.best.keras")
    try:
        model.save(beside)
        os.replace(beside, os.path.join(folder, "best.keras"))
    finally:
        if os.path.exists(beside):
            os.remove(beside)
