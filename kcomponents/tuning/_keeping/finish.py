"""The files that a search writes when it ends."""

import glob
import logging
import os
import shutil

import psutil

from kcomponents._files import write_whole
from kcomponents.tuning._telling.csv_table import to_csv

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
