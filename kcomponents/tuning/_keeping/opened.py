"""Opens an existing search by its folder or its store."""

import os

from kcomponents._check import fail
from kcomponents.tuning._keeping.storage import DAMAGED, damaged, open_storage
from kcomponents.tuning._keeping.store import Store
from kcomponents.tuning._optional import keras_tuner
from kcomponents.tuning._telling.results import results_of

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
