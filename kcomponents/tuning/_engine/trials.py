"""Plan: the trials of a search, given the results so far."""

import hashlib
import time

from kcomponents.tuning._engine.outcome import in_a_row
from kcomponents.tuning._engine.pruning import made_pruner
from kcomponents.tuning._engine.suggest import parameters_of, suggest, values_by
from kcomponents.tuning._space_walk import configurations
from kcomponents.tuning._storage.lease import Lease, Reaper, new_owner


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


# Engine: start the next trial of a search, and store its result.


class Engine:
    """Gives this process the next trial of a search, and stores its result.

    Every process of a search has its own engine. They share only the store; there is no
    chief process.

    Args:
        store: Store.
        settings: Settings.
        space: `keras_tuner.HyperParameters`; building models may add some.
        activation: String or None, name of the hyperparameter that is the activation.
        maximize: Boolean, whether higher scores are better.
    """

    def __init__(self, store, settings, space, activation, maximize):
        self.store, self.settings, self.space = store, settings, space
        self.activation, self.maximize = activation, maximize
        self.owner = new_owner()
        self.reaper = Reaper(store, settings.lease_seconds, settings.max_retries)

    def begin(self):
        """Add the planned trials that are not in the store yet."""
        self.store.add(first_slots(self.settings, self.space, self.activation))

    def next_trial(self, stop):
        """Claim a trial for this process; return it, or None if all have ended."""
        while not stop.asked:
            self.reaper.look()
            waiting, left = self._open()
            for trial in waiting:
                if self.store.claim(trial, self.owner):
                    return self._filled(self.store.read(trial))
            if not left:
                return None
            # Other processes run the last trials. If they die, this one takes over.
            time.sleep(min(1.0, self.settings.lease_seconds / 10))
        return None

    def left(self):
        """Return the number of unfinished trials."""
        return self._open()[1]

    def _open(self):
        """Return the waiting trials, and the number of unfinished ones."""
        trials = self.store.trials()
        first = [t for t in trials if t.user_attrs["kind"] in ("search", "baseline")]
        wanted = [t for t in first if not t.state.is_finished()]
        if not wanted:
            settings = self.settings, self.maximize, self.activation
            slots = last_slots(trials, *settings)
            self.store.add(slots)
            every = self.store.trials()
            wanted = [t for t in every if not t.state.is_finished()]
        return [t for t in wanted if t.state.name == "WAITING"], len(wanted)

    def lease(self, trial):
        """Return a context that keeps this process's claim on the trial alive."""
        return Lease(self.store, trial, self.owner, self.reaper)

    def pruner(self, trial, epochs):
        """Return the pruner of a trial, or None if it must run in full."""
        searched = trial.user_attrs["kind"] == "search"
        return made_pruner(self.settings.pruner, epochs) if searched else None

    def end(self, trial, outcome):
        """Store the outcome of a trial, unless another process has taken it over."""
        if not self.store.owns(trial, self.owner):
            return
        self.store.note(trial, **outcome.facts)
        self.store.finish(trial, outcome.state, outcome.score)

    def give_back(self, trial):
        """Release a trial, so another worker can run it."""
        if self.store.owns(trial, self.owner):
            self.store.give_back(trial)

    def check(self):
        """Raise an error if the last trials have crashed with the same error."""
        limit = self.settings.max_consecutive_failed_trials
        if message := in_a_row(self.store.trials(), limit):
            problem = f"The search stopped: the last {limit} trials had the same error."
            raise RuntimeError(f"{problem} Fix it and run again.\n{message}")

    def _filled(self, trial):
        """Return the trial with its hyperparameters; suggest them if it has none."""
        facts = trial.user_attrs
        values = facts.get("values")
        if values is None:
            values = self._suggested(trial)
            self.store.note(trial, values=values)
        seed = seed_of(self.settings.seed, facts["slot"])
        attempts = facts.get("attempts", 0) + 1
        self.store.note(trial, seed=seed, attempts=attempts, started=time.time())
        self.store.set_parameters(trial, parameters_of(self.space, values))
        return self.store.read(trial)

    def _suggested(self, trial):
        history = [t for t in self.store.trials() if _is_history(t)]
        direction = "maximize" if self.maximize else "minimize"
        seed = seed_of(self.settings.seed, f"draw/{trial.user_attrs['slot']}")
        return suggest(self.space, history, self.settings.sampler, direction, seed)


def _is_history(trial):
    """Return whether a sampler can learn from the trial."""
    facts = trial.user_attrs
    drawn = "values" in facts and facts["kind"] in ("search", "baseline")
    return drawn and trial.state.name != "WAITING"
