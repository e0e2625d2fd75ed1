"""Store: the trials of a search, shared by all processes that work on it.

Each trial has a slot, such as the eighth of twenty. Any process adds the slots that are
missing; if two processes add the same one, the first counts. The storage guarantees
that one worker takes a trial, and that a trial ends once. What it returns has been
checked in `entries`, as others may have written to the storage.
"""

import contextlib

import optuna

from kcomponents._checks import fail
from kcomponents._json_values import plain
from kcomponents.tuning._storage.backend import (
    open_storage,
    quiet,
    refuse_damage,
    retry_during_outage,
    without_password,
)
from kcomponents.tuning._storage.entries import check_facts, check_trial


class Store:
    """Trials in an Optuna storage, which Optuna's dashboard can open too.

    Args:
        place: Path of a journal, or URL of a database.
        name: String, the name of the search.
        direction: `"maximize"`, `"minimize"`, or None for a search that exists.
    """

    def __init__(self, place, name, direction=None):
        self.place, self.name = str(place), name
        self.storage = open_storage(self.place)
        self.study = self._study_id(name, direction)
        # Trial number → its ID; and the last frozen trial that was checked.
        self._ids, self._checked = {}, {}

    def _study_id(self, name, direction):
        if direction is None:
            try:
                return self._call("get_study_id_from_name", name)
            except KeyError:
                fail(
                    "The store has no search with this name.",
                    store=self.address,
                    name=name,
                )
        goal = optuna.study.StudyDirection[direction.upper()]
        # Another process may create it at the same time.
        with contextlib.suppress(optuna.exceptions.DuplicatedStudyError), quiet():
            self._call("create_new_study", [goal], name)
        return self._call("get_study_id_from_name", name)

    @property
    def address(self):
        """The path or URL, with its password hidden."""
        return without_password(self.place)

    def _call(self, method, *args, **kwargs):
        return retry_during_outage(getattr(self.storage, method), *args, **kwargs)

    @property
    def facts(self):
        """A dict of facts about the whole search."""
        with refuse_damage(self.place):
            # A copy, so that a caller may change it.
            facts = plain(self._call("get_study_user_attrs", self.study))
            check_facts(facts)
        return facts

    def set_fact(self, name, value):
        """Set a fact about the whole search."""
        self._call("set_study_user_attr", self.study, name, value)

    def delete(self):
        """Delete the whole search."""
        self._call("delete_study", self.study)

    def trials(self):
        """Return Optuna's frozen trials, the first one of each slot."""
        with refuse_damage(self.place):
            every = self._call("get_all_trials", self.study, deepcopy=False)
            for trial in every:
                self._check(trial)
        first = {}
        for trial in sorted(every, key=lambda trial: trial.number):
            # Trials that other programs added with Optuna have no slot.
            first.setdefault(trial.user_attrs.get("slot", trial.number), trial)
        return [trial for trial in first.values() if "slot" in trial.user_attrs]

    def _check(self, trial):
        # A trial that changes is another object in Optuna's storages.
        if self._checked.get(trial.number) is not trial:
            check_trial(trial)
            self._checked[trial.number] = trial

    def add(self, slots):
        """Add the missing slots of a dict: slot → attributes of its trial."""
        present = {trial.user_attrs["slot"] for trial in self.trials()}
        waiting = optuna.trial.TrialState.WAITING
        for slot, attributes in slots.items():
            if slot not in present:
                attributes = {"slot": slot, **attributes}
                trial = optuna.trial.create_trial(state=waiting, user_attrs=attributes)
                self._call("create_new_trial", self.study, trial)

    def _id(self, trial):
        if trial.number not in self._ids:
            find = "get_trial_id_from_study_id_trial_number"
            self._ids[trial.number] = self._call(find, self.study, trial.number)
        return self._ids[trial.number]

    def claim(self, trial, owner):
        """Try to take a waiting trial, and return whether the owner has it now."""
        running = optuna.trial.TrialState.RUNNING
        try:
            if not self._call("set_trial_state_values", self._id(trial), running):
                return False
        except optuna.exceptions.UpdateFinishedTrialError:
            return False
        self.note(trial, owner=owner, beat=0)
        return self.owns(trial, owner)

    def read(self, trial):
        """Return the current state of the trial."""
        with refuse_damage(self.place):
            found = self._call("get_trial", self._id(trial))
            check_trial(found)
        return found

    def owns(self, trial, owner):
        """Return whether this owner is running the trial."""
        now = self.read(trial)
        running = now.state == optuna.trial.TrialState.RUNNING
        return running and now.user_attrs.get("owner") == owner

    def note(self, trial, **attributes):
        """Set attributes of a trial, unless it has ended."""
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            for name, value in attributes.items():
                self._call("set_trial_user_attr", self._id(trial), name, value)

    def set_parameters(self, trial, parameters):
        """Set missing parameters of a dict: name → (number, distribution)."""
        for name, (number, distribution) in parameters.items():
            if name not in trial.params:
                inner = distribution.to_internal_repr(number)
                self._call(
                    "set_trial_param", self._id(trial), name, inner, distribution
                )

    def report(self, trial, step, value):
        """Set the value of a trial after a number of epochs."""
        self._call("set_trial_intermediate_value", self._id(trial), step, value)

    def release(self, trial):
        """Let a trial wait for another worker."""
        # Without this, the next worker could be mistaken for the previous one.
        self.note(trial, owner=None)
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            waiting = optuna.trial.TrialState.WAITING
            self._call("set_trial_state_values", self._id(trial), waiting)

    def finish(self, trial, state, value=None):
        """End a trial as complete, pruned or fail; return False if it has ended."""
        ended = optuna.trial.TrialState[state.upper()]
        values = None if value is None else [value]
        try:
            self._call("set_trial_state_values", self._id(trial), ended, values)
        except optuna.exceptions.UpdateFinishedTrialError:
            return False
        return True

    def prunes(self, trial, pruner):
        """Return whether an Optuna pruner would prune the trial."""
        with quiet():
            study = optuna.load_study(
                study_name=self.name, storage=self.storage, pruner=pruner
            )
            return retry_during_outage(pruner.prune, study, self.read(trial))
