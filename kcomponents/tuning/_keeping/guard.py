"""Guard: a search is only gone on with if it is the same one."""

import random

from kcomponents.tuning._keeping.fingerprint import differences, fingerprint
from kcomponents.tuning._keeping.versions import versions


def guard(search, args, kwargs, command=None):
    """Write down what the search is, or refuse to mix it with another one."""
    store, settings = search.store, search.settings
    facts = store.facts
    before = facts.get("fingerprint")
    if before is None and store.trials():
        _refuse(store, ["It was made by another program."])
    if settings.seed is None:
        drawn = random.SystemRandom().randrange(2**31)
        settings.seed = facts.get("settings", {}).get("seed", drawn)
    now = fingerprint(search, search.oracle.get_space(), args, kwargs)
    if before is not None and (lines := differences(before, now)):
        _refuse(store, lines)
    told = {
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
        told["command"] = command
    for name, value in told.items():
        if facts.get(name) != value:
            store.set_fact(name, value)


def _refuse(store, lines):
    shown = "\n".join(lines)
    raise ValueError(
        f"The store holds another search, which this one must not be mixed with:"
        f"\n{shown}\nTake another `project_name`, or `overwrite=True` to forget it. "
        f"Received: store={store.shown!r}, project_name={store.name!r}"
    )
