"""Results: the plain values of a search, and the object that ranks its trials."""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy

from kcomponents._text import is_finite
from kcomponents.tuning._results.importance import importance
from kcomponents.tuning._results.statistics import Gain, value_name, welch_interval
from kcomponents.tuning._space_walk import activation_of, regularizer_of

# The plain values, read from the store.

STATES = {"WAITING": "waiting", "RUNNING": "running", "COMPLETE": "completed"}
# Attributes of a stored trial that are taken over as they are.
ATTRIBUTES = (
    "of",
    "message",
    "score",
    "seconds",
    "peak_memory",
    "parameters",
    "seed",
    "started",
    "versions",
)


def results_of(store, space):
    """Return the settings, the space and all trials of a search as plain values."""
    facts, frozen = store.facts, store.trials()
    settings = facts.get("settings", {})
    trials = [_trial(trial) for trial in frozen]
    unfinished = sum(trial["state"] in ("waiting", "running") for trial in trials)
    started = [trial["started"] for trial in trials if trial["started"]]
    ended = [trial["ended"] for trial in trials if trial["ended"]]
    begin = min(started, default=None)
    end = max(ended, default=begin) if not unfinished else time.time()
    return {
        "name": store.name,
        "objective": facts.get("objective"),
        "max_trials": settings.get("max_trials"),
        "epochs": facts.get("epochs"),
        "seed": settings.get("seed"),
        "sampler": settings.get("sampler"),
        "pruner": settings.get("pruner"),
        "state": _state(facts, trials, unfinished),
        "command": facts.get("command"),
        "store": store.address,
        "versions": facts.get("versions", {}),
        "started": begin,
        "seconds": 0.0 if begin is None else max(0.0, end - begin),
        "seconds_left": _seconds_left(trials, unfinished),
        "activation": activation_of(space),
        "regularizer": regularizer_of(space),
        "space": [_hyperparameter(hp) for hp in space.space],
        "trials": trials,
    }


def _state(facts, trials, unfinished):
    if trials and not unfinished:
        return "finished"
    return "stopped" if facts.get("stop") else "running"


def _seconds_left(trials, unfinished):
    """Return an estimate of the seconds left, None before the first trial ends."""
    times = [t["seconds"] for t in trials if t["seconds"] and t["ended"]]
    if not times or not unfinished:
        return 0.0 if trials and not unfinished else None
    workers = {t["worker"] for t in trials if t["state"] == "running"}
    return sum(times) / len(times) * unfinished / max(1, len(workers))


def _trial(frozen):
    known = frozen.user_attrs
    reason, state = known.get("reason"), STATES.get(frozen.state.name)
    if state is None:
        state = "pruned" if reason == "pruned" else "failed"
    ended = frozen.datetime_complete
    return {
        **{name: known.get(name) for name in ATTRIBUTES},
        "id": known["slot"],
        "kind": known["kind"],
        "state": state,
        "reason": reason,
        "message": known.get("message") or "",
        "values": known.get("values", {}),
        "best_epoch": _count_from_one(known.get("best_epoch")),
        "epochs": known.get("epochs") or len(frozen.intermediate_values),
        "curves": known.get("curves") or _running_curve(frozen),
        "worker": known.get("owner"),
        "attempts": known.get("attempts", 0),
        "reused": known.get("reused", False),
        "findings": [reason] if reason in ("dead_relu", "not_learning") else [],
        "ended": None if ended is None else ended.timestamp(),
    }


def _count_from_one(epoch):
    # The store counts epochs from 0, as Keras and keras-tuner do.
    return None if epoch is None else epoch + 1


def _running_curve(frozen):
    values = frozen.intermediate_values
    return {"objective": [values[step] for step in sorted(values)]} if values else {}


def _hyperparameter(hp):
    """Return a hyperparameter as a dict of plain values."""
    config = hp.get_config()
    found = {"name": hp.name, "kind": type(hp).__name__}
    found["conditions"] = [
        {"name": c["config"]["name"], "values": list(c["config"]["values"])}
        for c in config.get("conditions", [])
    ]
    if "values" in config:
        return {**found, "values": list(config["values"])}
    if "min_value" in config:
        limits = {"min": config["min_value"], "max": config["max_value"]}
        return {**found, **limits, "sampling": hp.sampling, "step": hp.step}
    return {**found, "values": [config["value"]] if "value" in config else []}


# The ranking of configurations, and what follows from it.

ENDED = "completed", "pruned", "failed"


@dataclasses.dataclass(frozen=True)
class Configuration:
    """One choice of values: a trial of the search with its repeats and full run.

    Args:
        trial: String, id of the first trial.
        values: Dict of hyperparameters.
        trials: Tuple of all its trials.
        scores: Tuple, one score per seed that finished.
        is_baseline: Boolean, whether it is the baseline.
    """

    trial: str
    values: dict
    trials: tuple
    scores: tuple
    is_baseline: bool

    @classmethod
    def from_trials(cls, trials):
        """Return the configuration that all these trials have in common."""
        first = min(trials, key=lambda trial: trial["of"] is not None)
        is_baseline = first["kind"] == "baseline"
        scores = _scores_over_seeds(trials)
        return cls(first["id"], first["values"], tuple(trials), scores, is_baseline)

    @property
    def name(self):
        """`"baseline"`, or the name of the first trial, such as `"trial 7"`."""
        return "baseline" if self.is_baseline else f"trial {self.trial}"

    @functools.cached_property
    def mean(self):
        """The mean over seeds, undefined without a score."""
        return statistics.fmean(self.scores)

    @property
    def deviation(self):
        """The standard deviation over seeds, `None` with one seed."""
        return statistics.stdev(self.scores) if self.seeds > 1 else None

    @property
    def seeds(self):
        """The number of seeds."""
        return len(self.scores)


def _scores_over_seeds(trials):
    """Return one score per seed.

    For a configuration with two or more repeats, only these count: the score by which
    it was selected is biased.
    """
    if all(trial["kind"] != "baseline" for trial in trials):
        fair = [t for t in trials if t["kind"] == "repeat" and is_finite(t["score"])]
        trials = fair if len(fair) > 1 else trials
    by_seed = {}
    for trial in sorted(trials, key=lambda trial: trial["kind"] == "full"):
        # A full run replaces the pruned trial with the same seed.
        if trial["state"] == "completed" and is_finite(trial["score"]):
            seed = trial.get("seed")
            # A trial without a seed counts as a new seed.
            by_seed[seed if seed is not None else (trial["id"],)] = trial["score"]
    return tuple(by_seed.values())


@dataclasses.dataclass(frozen=True, eq=False)
class SearchResults:
    """The results of a search, with the ranking, gains and groups of its trials.

    Each field is a key of `Search.results`. The ranking, and what follows from it, is
    computed once, when it is first needed.
    """

    name: str
    objective: dict | None
    max_trials: int | None
    epochs: int | None
    seed: int | None
    sampler: Any
    pruner: Any
    state: str
    command: str | None
    store: str
    versions: dict
    started: float | None
    seconds: float
    seconds_left: float | None
    activation: str | None
    regularizer: str | None
    space: list
    trials: list

    @property
    def metric(self):
        """The name of the objective, `"score"` before the first trial."""
        return self.objective["name"] if self.objective else "score"

    @property
    def is_maximized(self):
        """Whether a higher score is better."""
        return self.objective is not None and self.objective["direction"] == "max"

    @property
    def sign(self):
        """1 if a higher score is better, -1 if a lower one is."""
        return 1 if self.is_maximized else -1

    @property
    def is_running(self):
        """Whether trials are running or still to come."""
        return self.state == "running"

    @property
    def roles(self):
        """The hyperparameters of the activation and the regularizer, or `None`."""
        return {"Activation": self.activation, "Regularizer": self.regularizer}

    @functools.cached_property
    def configurations(self):
        """All configurations, even without a score, in the order of trials."""
        by_id = {trial["id"]: trial for trial in self.trials}
        groups: dict[str | None, list] = {}
        for trial in self.trials:
            groups.setdefault(_first_of(trial, by_id), []).append(trial)
        return [Configuration.from_trials(trials) for trials in groups.values()]

    @functools.cached_property
    def ranking(self):
        """The configurations that have a score, the best first.

        Configurations with several seeds come before those with one: the best of many
        single scores is partly luck.
        """
        scored = [found for found in self.configurations if found.scores]
        return sorted(
            scored,
            key=lambda found: (
                self.is_repeated and found.seeds < 2,
                -self.sign * found.mean,
            ),
        )

    @functools.cached_property
    def is_repeated(self):
        """Whether any configuration but the baseline has several seeds."""
        return any(
            found.seeds > 1 and not found.is_baseline for found in self.configurations
        )

    @functools.cached_property
    def winner(self):
        """The best configuration other than the baseline, or `None`."""
        found = (best for best in self.ranking if not best.is_baseline)
        return next(found, None)

    @functools.cached_property
    def baseline(self):
        """The baseline if it has a score, or `None`."""
        return next((found for found in self.ranking if found.is_baseline), None)

    @functools.cached_property
    def gains(self):
        """Pairs of a configuration and its `Gain` or `None`, the best first."""
        return [(found, self._gain_of(found)) for found in self.ranking]

    def _gain_of(self, configuration):
        if self.baseline is None or configuration.is_baseline:
            return None
        return self.difference(configuration, self.baseline)

    @functools.cached_property
    def gain(self):
        """The `Gain` of the winner over the baseline; `None` if one is missing."""
        return None if self.winner is None else self._gain_of(self.winner)

    def difference(self, first, second):
        """Return the `Gain` of one configuration over another."""
        pair = [[self.sign * score for score in s.scores] for s in (first, second)]
        mean = self.sign * (first.mean - second.mean)
        return Gain(mean, welch_interval(*pair), (first.seeds, second.seeds))

    @functools.cached_property
    def importance(self):
        """`({name: share}, "")`, the largest first, or `(None, reason)`."""
        return importance(self.space, self.ranking)

    def families(self, name):
        """Return `{value: configurations}` of a hyperparameter, the best first.

        Configurations without a score are at the end.
        """
        unscored = [found for found in self.configurations if not found.scores]
        groups: dict[str, list[Configuration]] = {}
        for found in [*self.ranking, *unscored]:
            if name in found.values:
                groups.setdefault(value_name(found.values[name]), []).append(found)
        return groups

    def family_scores(self, name):
        """Return `{value: (scores, scores of pruned trials)}`.

        Each configuration counts once. They are separate, because the score of a
        pruned trial comes from a shorter run.
        """
        found: dict[str, tuple[list, list]] = {}
        for configuration in self.configurations:
            pruned_score = self._pruned_score(configuration)
            has_score = configuration.scores or pruned_score is not None
            if name in configuration.values and has_score:
                family = value_name(configuration.values[name])
                finished, pruned = found.setdefault(family, ([], []))
                if configuration.scores:
                    finished.append(configuration.mean)
                else:
                    pruned.append(pruned_score)
        return found

    def _pruned_score(self, configuration):
        scores = [t["score"] for t in configuration.trials if t["state"] == "pruned"]
        best: Callable = max if self.is_maximized else min
        return best(filter(is_finite, scores), default=None)

    def interaction(self, rows, columns):
        """Return `{(row value, column value): (mean score or None, finished, all)}`.

        The counts are numbers of configurations; the mean is over finished ones.
        """
        cells: dict[tuple[str, str], list[Configuration]] = {}
        for configuration in self.configurations:
            values = configuration.values
            if rows in values and columns in values:
                key = value_name(values[rows]), value_name(values[columns])
                cells.setdefault(key, []).append(configuration)
        return {key: _mean_and_counts(group) for key, group in cells.items()}

    @property
    def trials_done(self):
        """The numbers of finished and of planned trials.

        The baseline is one of them; full runs and repeats are not.
        """
        own = [t for t in self.trials if t["kind"] in ("search", "baseline")]
        done = sum(trial["state"] in ENDED for trial in own)
        # A grid may have fewer trials than `max_trials`.
        is_grid = self.sampler == "grid"
        return done, len(own) if is_grid else self.max_trials or len(own)

    @property
    def repeats_done(self):
        """The numbers of finished and of all repeats and full runs."""
        again = [t for t in self.trials if t["kind"] in ("full", "repeat")]
        return sum(trial["state"] in ENDED for trial in again), len(again)

    def count(self, state):
        """Return the number of trials in a state."""
        return sum(trial["state"] == state for trial in self.trials)

    @functools.cached_property
    def epochs_saved(self):
        """`{state: epochs saved}`, and the number of epochs planned.

        Only trials that ended count.
        """
        planned = self.epochs or 0
        ended = [trial for trial in self.trials if trial["state"] in ENDED]
        saved = dict.fromkeys(ENDED, 0)
        for trial in ended:
            saved[trial["state"]] += max(planned - trial["epochs"], 0)
        return saved, planned * len(ended)

    @functools.cached_property
    def endings(self):
        """The failed and pruned trials as `{(state, reason): trials}`.

        Failed trials come first, then the most frequent reasons.
        """
        found: dict[tuple[str, str], list] = {}
        for trial in self.trials:
            if trial["state"] in ("failed", "pruned"):
                reason = trial["reason"] or "unknown"
                found.setdefault((trial["state"], reason), []).append(trial)
        order = sorted(found.items(), key=lambda item: (item[0][0], -len(item[1])))
        return dict(order)

    @functools.cached_property
    def findings(self):
        """`{issue found by the doctor: number of trials}`, the most frequent first."""
        counts: dict[str, int] = {}
        for trial in self.trials:
            for label in dict.fromkeys(trial["findings"]):
                counts[label] = counts.get(label, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _first_of(trial, by_id):
    for _ in by_id:
        if trial.get("of") not in by_id:
            break
        trial = by_id[trial["of"]]
    # All runs of the baseline are one configuration.
    return None if trial["kind"] == "baseline" else trial["id"]


def _mean_and_counts(group):
    means = [configuration.mean for configuration in group if configuration.scores]
    mean = float(numpy.mean(means)) if means else None
    return mean, len(means), len(group)
