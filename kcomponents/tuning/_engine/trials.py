"""The trials of a search: which there are, which is next, and how each ends."""

import hashlib
import time

from kcomponents._text import clean
from kcomponents.tuning._engine.outcome import same_crash_in_a_row
from kcomponents.tuning._engine.suggest import (
    make_pruner,
    optuna_parameters,
    suggest,
    values_by,
)
from kcomponents.tuning._space_walk import configurations
from kcomponents.tuning._storage.lease import Lease, Reaper, new_owner


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
        self.maximize = maximize
        self.plan = Plan(settings, space, activation, maximize)
        self.owner = new_owner()
        self.reaper = Reaper(store, settings.lease_seconds, settings.max_retries)

    def start(self):
        """Add the planned trials that are not in the store yet."""
        self.store.add(self.plan.first_slots())

    def next_trial(self, stop):
        """Claim a trial for this process; return it, or None if all have ended."""
        while not stop.is_due:
            self.reaper.reclaim_expired()
            trials = self._unfinished_trials()
            for trial in trials:
                waiting = trial.state.name == "WAITING"
                if waiting and self.store.claim(trial, self.owner):
                    return self.store.read(trial)
            if not trials:
                return None
            # Other processes run the last trials. If they die, this one takes over.
            time.sleep(min(1.0, self.settings.lease_seconds / 10))
        return None

    def has_unfinished(self):
        """Return whether there are unfinished trials."""
        return bool(self._unfinished_trials())

    def _unfinished_trials(self):
        """Return the unfinished trials; after the planned ones, add the last ones."""
        trials = self.store.trials()
        planned = [t for t in trials if t.user_attrs["kind"] in ("search", "baseline")]
        unfinished = [t for t in planned if not t.state.is_finished()]
        if not unfinished:
            self.store.add(self.plan.last_slots(trials))
            trials = self.store.trials()
            unfinished = [t for t in trials if not t.state.is_finished()]
        return unfinished

    def lease(self, trial):
        """Return a context that keeps this process's claim on the trial alive."""
        return Lease(self.store, trial, self.owner, self.reaper)

    def draw_values(self, trial):
        """Return the trial with its hyperparameters; suggest them if it has none."""
        facts = trial.user_attrs
        values = facts.get("values")
        if values is None:
            values = self._suggest(facts["slot"])
            self.store.note(trial, values=values)
        seed = _seed_of(self.settings.seed, facts["slot"])
        attempts = facts.get("attempts", 0) + 1
        self.store.note(trial, seed=seed, attempts=attempts, started=time.time())
        self.store.set_parameters(trial, optuna_parameters(self.space, values))
        return self.store.read(trial)

    def _suggest(self, slot):
        history = [t for t in self.store.trials() if _is_history(t)]
        direction = "maximize" if self.maximize else "minimize"
        seed = _seed_of(self.settings.seed, f"draw/{slot}")
        return suggest(self.space, history, self.settings.sampler, direction, seed)

    def pruner(self, trial, epochs):
        """Return the pruner of a trial, or None if it must run in full."""
        if trial.user_attrs["kind"] != "search":
            return None
        return make_pruner(self.settings.pruner, epochs)

    def finish(self, trial, outcome):
        """Store the outcome of a trial, unless another process has taken it over."""
        if self.store.owns(trial, self.owner):
            self.store.note(trial, **outcome.facts)
            self.store.finish(trial, outcome.state, outcome.score)

    def release(self, trial):
        """Let another worker run a trial, unless one has taken it over."""
        if self.store.owns(trial, self.owner):
            self.store.release(trial)

    def check_crashes(self):
        """Raise an error if the last trials have crashed with the same error."""
        limit = self.settings.max_consecutive_failed_trials
        if message := same_crash_in_a_row(self.store.trials(), limit):
            problem = f"The search stopped: the last {limit} trials had the same error."
            raise RuntimeError(f"{problem} Fix it and run again.\n{clean(message)}")


def _seed_of(search_seed, slot):
    """Return the seed of a trial; it does not depend on the process or the order."""
    digest = hashlib.sha256(f"{search_seed}/{slot}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 2**31


def _is_history(trial):
    """Return whether a sampler can learn from the trial."""
    facts = trial.user_attrs
    has_values = "values" in facts and facts["kind"] in ("search", "baseline")
    return has_values and trial.state.name != "WAITING"


class Plan:
    """The trials of a search, as slots: a dict of slot → facts about its trial.

    Args:
        settings: Settings.
        space: `keras_tuner.HyperParameters`.
        activation: String or None, name of the hyperparameter that is the activation.
        maximize: Boolean, whether higher scores are better.
    """

    def __init__(self, settings, space, activation, maximize):
        self.settings, self.space = settings, space
        self.activation, self.maximize = activation, maximize

    def first_slots(self):
        """Return the trials that are planned from the start."""
        count = self.settings.max_trials
        if self.settings.sampler == "grid":
            grid = list(configurations(self.space))[:count]
            return {
                str(number): {"kind": "search", "values": values}
                for number, values in enumerate(grid)
            }
        slots = {str(number): {"kind": "search"} for number in range(count)}
        if self.settings.baseline:
            slots["0"] = {"kind": "baseline", "values": self._baseline_values()}
        return slots

    def last_slots(self, trials):
        """Return the trials to add after all planned trials have ended.

        First, the best trials of each activation are trained in full if they were
        pruned. Then the best trials and the baseline are repeated with other seeds.
        """
        ranked = self._ranked(t for t in trials if t.user_attrs["kind"] != "repeat")
        ended = {t.user_attrs["slot"] for t in trials if t.state.is_finished()}
        slots = {}
        for trial in self._best_of_each_activation(ranked):
            if trial.user_attrs.get("reason") == "pruned":
                slots[f"full-{trial.user_attrs['slot']}"] = _rerun(trial, "full")
        if not slots.keys() <= ended:
            return slots
        for trial in self._finalists(ranked):
            slot = trial.user_attrs["slot"]
            for number in range(self.settings.repeats):
                slots[f"repeat-{slot}-{number}"] = _rerun(trial, "repeat")
        return slots

    def _baseline_values(self):
        """Return the defaults, with ReLU for the activation."""

        def choose(hp):
            is_activation = hp.name == self.activation and "relu" in hp.values
            return "relu" if is_activation else hp.default

        return values_by(self.space, choose)

    def _ranked(self, trials):
        scored = [t for t in trials if t.user_attrs.get("score") is not None]
        sign = -1 if self.maximize else 1
        return sorted(scored, key=lambda t: (sign * t.user_attrs["score"], t.number))

    def _best_of_each_activation(self, ranked):
        """Return the best `finalists` trials of each activation."""
        families = {}
        for trial in ranked:
            if trial.user_attrs["kind"] == "search":
                family = trial.user_attrs["values"].get(self.activation)
                families.setdefault(family, []).append(trial)
        count = self.settings.finalists
        return [trial for family in families.values() for trial in family[:count]]

    def _finalists(self, ranked):
        """Return the trials to repeat with other seeds, the baseline last."""
        full = [t for t in ranked if t.state.name == "COMPLETE"]
        others = [t for t in full if t.user_attrs["kind"] != "baseline"]
        baseline = [t for t in full if t.user_attrs["kind"] == "baseline"]
        best = others[: self.settings.finalists]
        return best + baseline if best else []


def _rerun(trial, kind):
    facts = trial.user_attrs
    of = facts.get("of", facts["slot"])
    return {"kind": kind, "of": of, "values": facts["values"]}
