"""Guard: a search resumes only if it is the same search."""

import random

from kcomponents.tuning._keeping.fingerprint import differences, fingerprint
from kcomponents.tuning._keeping.versions import versions


def guard(search, args, kwargs, command=None):
    """Store the fingerprint of a search, or refuse to resume a different one."""
    store, settings = search.store, search.settings
    facts = store.facts
    before = facts.get("fingerprint")
    if before is None and store.trials():
        _refuse(store, ["Another program created it."])
    if settings.seed is None:
        drawn = random.SystemRandom().randrange(2**31)
        settings.seed = facts.get("settings", {}).get("seed", drawn)
    now = fingerprint(search, search.oracle.get_space(), args, kwargs)
    if before is not None and (lines := differences(before, now)):
        _refuse(store, lines)
    given = {
        "fingerprint": now,
        "settings": settings.told(),
        "objective": {
            "name": search.oracle.objective.name,
            "direction": search.oracle.objective.direction,
        },
        "epochs": int(kwargs.get("epochs", 1)),
        "versions": versions(),
        "space": search.oracle.get_space().get_config(),
    }
    if command is not None:
        given["command"] = command
    for name, value in given.items():
        if facts.get(name) != value:
            store.set_fact(name, value)


def _refuse(store, lines):
    shown = "\n".join(lines)
    raise ValueError(
        f"A different search already exists in this store:\n{shown}\n"
        "Use another `project_name` (--name), or `overwrite=True` (--overwrite) to "
        "delete it. "
        f"Received: store={store.shown!r}, project_name={store.name!r}"
    )
