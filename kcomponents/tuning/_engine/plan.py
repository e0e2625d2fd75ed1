"""Plan: which trials a search consists of, by what has been found so far."""

import hashlib

from kcomponents.tuning._engine.suggest import values_by
from kcomponents.tuning._spaces.explore import configurations


def seed_of(search_seed, slot):
    """Return the seed of a trial, the same whoever runs it, and whenever."""
    digest = hashlib.sha256(f"{search_seed}/{slot}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 2**31


def first_slots(settings, space, activation):
    """Return the slots of the search itself: slot → what is known of its trial."""
    if settings.sampler == "grid":
        every = list(configurations(space))[: settings.max_trials]
        return {str(n): _search(values) for n, values in enumerate(every)}
    slots = {str(n): _search() for n in range(settings.max_trials)}
    if settings.baseline:
        values = plain_values(space, activation)
        slots["0"] = {"kind": "baseline", "values": values}
    return slots


def _search(values=None):
    return (
        {"kind": "search"} if values is None else {"kind": "search", "values": values}
    )


def plain_values(space, activation):
    """Return the defaults, with ReLU for the activation."""

    def choose(hp):
        plain = hp.name == activation and "relu" in hp.values
        return "relu" if plain else hp.default

    return values_by(space, choose)


def last_slots(trials, settings, maximize, activation):
    """Return the slots that are added once every trial of the search has ended.

    The best of each activation that were given up on the way are trained in full, and
    the best of all are trained with other seeds, as is the baseline.
    """
    found = [trial for trial in trials if trial.user_attrs["kind"] != "repeat"]
    ranked = _ranked(found, maximize)
    slots, ended = {}, {t.user_attrs["slot"] for t in trials if t.state.is_finished()}
    for trial in _best_of_families(ranked, settings.finalists, activation):
        if trial.user_attrs.get("reason") == "pruned":
            slots[f"full-{trial.user_attrs['slot']}"] = _again(trial, "full")
    if not slots.keys() <= ended:
        return slots
    for trial in _compared(ranked, settings.finalists):
        slot = trial.user_attrs["slot"]
        for number in range(settings.repeats):
            slots[f"repeat-{slot}-{number}"] = _again(trial, "repeat")
    return slots


def _ranked(trials, maximize):
    scored = [t for t in trials if t.user_attrs.get("score") is not None]
    sign = -1 if maximize else 1
    return sorted(scored, key=lambda t: (sign * t.user_attrs["score"], t.number))


def _best_of_families(ranked, count, activation):
    """Return the best few of each activation."""
    taken = {}
    for trial in ranked:
        if trial.user_attrs["kind"] == "search":
            family = trial.user_attrs["values"].get(activation)
            taken.setdefault(family, []).append(trial)
    return [trial for family in taken.values() for trial in family[:count]]


def _compared(ranked, count):
    """Return the trials whose values are tried with other seeds, the baseline last."""
    full = [t for t in ranked if t.state.name == "COMPLETE"]
    best = [t for t in full if t.user_attrs["kind"] != "baseline"][:count]
    plain = [t for t in full if t.user_attrs["kind"] == "baseline"]
    return best + plain if best else []


def _again(trial, kind):
    known = trial.user_attrs
    of = known.get("of", known["slot"])
    return {"kind": kind, "of": of, "values": known["values"]}
