"""A search that is there already, opened by its folder or by its store."""

import os

from kcomponents._check import fail
from kcomponents.tuning._keeping.storage import DAMAGED, damaged, open_storage
from kcomponents.tuning._keeping.store import Store
from kcomponents.tuning._optional import keras_tuner
from kcomponents.tuning._telling.results import results_of

JOURNAL = "journal.log"


def opened(place, name=None):
    """Return the store of a search.

    Args:
        place: Path of the folder of a project or of a journal, or URL of a database.
        name: String, needed if the store holds several searches.
    """
    if "://" not in place:
        place = os.path.join(place, JOURNAL) if os.path.isdir(place) else place
        if not os.path.exists(place):
            fail("There is no journal of a search. Check the path.", store=place)
    names = [study.study_name for study in open_storage(place).get_all_studies()]
    if name is None and len(names) != 1:
        shown = ", ".join(names) or "none"
        fail(f"Name one of the searches of the store: {shown}.", store=place)
    return Store(place, names[0] if name is None else name)


def space_of(store):
    """Return the space of a search, as the store knows it."""
    config = store.facts.get("space")
    if config is None:
        fail("The store holds a search of another program.", store=store.shown)
    try:
        return keras_tuner.HyperParameters.from_config(config)
    except DAMAGED as error:
        raise damaged(store.shown, error) from error


def results_in(store):
    """Return all that the store knows of a search."""
    space = space_of(store)
    try:
        return results_of(store, space)
    except DAMAGED as error:
        raise damaged(store.shown, error) from error
