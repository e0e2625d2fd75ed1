"""Engine: which trial is next, and what becomes of it."""

import time

from kcomponents.tuning._engine import plan
from kcomponents.tuning._engine.pruning import made_pruner
from kcomponents.tuning._engine.suggest import parameters_of, suggest
from kcomponents.tuning._keeping.lease import Lease, Reaper, new_owner
from kcomponents.tuning._trial.failures import in_a_row


class Engine:
    """Hands out the trials of a search to this process, and takes their results.

    Every process that works on a search has one of its own; what they share is the
    store. None of them is the chief.

    Args:
        store: Store.
        settings: Settings.
        space: `keras_tuner.HyperParameters`, which grows as models are built.
        activation: String or None, the hyperparameter that names the activation.
        maximize: Boolean, whether a large score is a good one.
    """

    def __init__(self, store, settings, space, activation, maximize):
        self.store, self.settings, self.space = store, settings, space
        self.activation, self.maximize = activation, maximize
        self.owner = new_owner()
        self.reaper = Reaper(store, settings.lease_seconds, settings.max_retries)

    def begin(self):
        """Make the slots of the search where they are missing."""
        self.store.add(plan.first_slots(self.settings, self.space, self.activation))

    def next_trial(self, stop):
        """Return a trial that is this process's now, or None when all have ended."""
        while not stop.asked:
            self.reaper.look()
            waiting, left = self._open()
            for trial in waiting:
                if self.store.claim(trial, self.owner):
                    return self._filled(self.store.read(trial))
            if not left:
                return None
            # Others run what is left. If they die, it falls to this process.
            time.sleep(min(1.0, self.settings.lease_seconds / 10))
        return None

    def left(self):
        """Return how many trials have not ended."""
        return self._open()[1]

    def _open(self):
        """Return the trials that wait, and how many have not ended."""
        trials = self.store.trials()
        first = [t for t in trials if t.user_attrs["kind"] in ("search", "baseline")]
        wanted = [t for t in first if not t.state.is_finished()]
        if not wanted:
            settings = self.settings, self.maximize, self.activation
            slots = plan.last_slots(trials, *settings)
            self.store.add(slots)
            every = self.store.trials()
            wanted = [t for t in every if not t.state.is_finished()]
        return [t for t in wanted if t.state.name == "WAITING"], len(wanted)

    def lease(self, trial):
        """Return a context in which the trial is shown to be alive."""
        return Lease(self.store, trial, self.owner, self.reaper)

    def pruner(self, trial, epochs):
        """Return what may end a trial early, None for those that are run in full."""
        searched = trial.user_attrs["kind"] == "search"
        return made_pruner(self.settings.pruner, epochs) if searched else None

    def end(self, trial, outcome):
        """Write down what came of a trial, unless it was taken over by another."""
        if not self.store.owns(trial, self.owner):
            return
        self.store.note(trial, **outcome.facts)
        self.store.finish(trial, outcome.state, outcome.score)

    def give_back(self, trial):
        """Let another worker run a trial that was begun here."""
        if self.store.owns(trial, self.owner):
            self.store.give_back(trial)

    def check(self):
        """Refuse to go on when trial after trial ends with the same mistake."""
        limit = self.settings.max_consecutive_failed_trials
        if message := in_a_row(self.store.trials(), limit):
            rule = f"The last {limit} trials ended with the same error, so the search"
            raise RuntimeError(f"{rule} was stopped. Mend it and run again.\n{message}")

    def _filled(self, trial):
        """Return the trial with values to try; those of a trial begun before stay."""
        known = trial.user_attrs
        values = known.get("values")
        if values is None:
            values = self._suggested(trial)
            self.store.note(trial, values=values)
        seed = plan.seed_of(self.settings.seed, known["slot"])
        attempts = known.get("attempts", 0) + 1
        self.store.note(trial, seed=seed, attempts=attempts, started=time.time())
        self.store.set_parameters(trial, parameters_of(self.space, values))
        return self.store.read(trial)

    def _suggested(self, trial):
        history = [t for t in self.store.trials() if _is_history(t)]
        direction = "maximize" if self.maximize else "minimize"
        seed = plan.seed_of(self.settings.seed, f"draw/{trial.user_attrs['slot']}")
        return suggest(self.space, history, self.settings.sampler, direction, seed)


def _is_history(trial):
    """Tell the trials that say something of the space."""
    known = trial.user_attrs
    drawn = "values" in known and known["kind"] in ("search", "baseline")
    return drawn and trial.state.name != "WAITING"
