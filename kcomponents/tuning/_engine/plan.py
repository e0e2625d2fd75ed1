"""Plan: the trials of a search, given the results so far."""

import hashlib

from kcomponents.tuning._engine.suggest import values_by
from kcomponents.tuning._spaces.explore import configurations


def seed_of(search_seed, slot):
    """Return the seed of a trial; it does not depend on the process or the order."""
    digest = hashlib.sha256(f"{search_seed}/{slot}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 2**31


def first_slots(settings, space, activation):
    """Return the planned trials of the search: slot → facts about the trial."""
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
    """Return the trials to add after all planned trials have ended.

    First, the best trials of each activation are trained in full if they were pruned.
    Then the best trials and the baseline are repeated with other seeds.
    """
    own = [trial for trial in trials if trial.user_attrs["kind"] != "repeat"]
    ranked = _ranked(own, maximize)
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
    """Return the best trials of each activation."""
    families = {}
    for trial in ranked:
        if trial.user_attrs["kind"] == "search":
            family = trial.user_attrs["values"].get(activation)
            families.setdefault(family, []).append(trial)
    return [trial for family in families.values() for trial in family[:count]]


def _compared(ranked, count):
    """Return the trials to repeat with other seeds, the baseline last."""
    full = [t for t in ranked if t.state.name == "COMPLETE"]
    best = [t for t in full if t.user_attrs["kind"] != "baseline"][:count]
    plain = [t for t in full if t.user_attrs["kind"] == "baseline"]
    return best + plain if best else []


def _again(trial, kind):
    facts = trial.user_attrs
    of = facts.get("of", facts["slot"])
    return {"kind": kind, "of": of, "values": facts["values"]}
