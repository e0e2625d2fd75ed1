"""treat: try remedies on copies of a training, and show what each of them does."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kcomponents import _console
from kcomponents._checks import fail, number, positive_int
from kcomponents._text import quantity
from kcomponents.doctor import Diagnosis
from kcomponents.treatment._pairs import STUDENT, Pair, interval
from kcomponents.treatment._runs import OTHER_SCALE, SKILL, Run
from kcomponents.treatment._settings import NotApplicable
from kcomponents.treatment.trials import Change, Treatment, Trial

SPENT = "the budget is spent"
OUTCOMES = "helps", "does not help", "not decided", "not tried"
# Candidates are first trained for this share of the epochs, and so many go on.
FIRST_LEG, FINALISTS = 1 / 3, 2
# Values of a remedy, and remedies in all, that are tried.
VALUES, CANDIDATES = 2, 6
# Remedies are tried on the program as it is, then on what helped.
ROUNDS = 2
# An effect is worth a change from this difference on: of a skill or a metric from 0 to
# 1, or as a share of another metric.
WORTH = 0.02
# Behind the program as it is by more than this, a candidate is dropped.
BEHIND = 0.1
# A result of these settings shows at the end of a training only.
LATE = {"epochs", "early_stopping"}


def treat(
    model: keras.Model | Callable[[], keras.Model],
    x: Any = None,
    y: Any = None,
    *,
    batch_size: int | None = None,
    epochs: int = 1,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool = True,
    class_weight: dict[int, float] | None = None,
    sample_weight: Any = None,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    diagnosis: Diagnosis | None = None,
    seeds: int = 3,
    max_trainings: float = 8.0,
    max_minutes: float | None = None,
    verbose: bool = True,
) -> Treatment:
    """Find out what is wrong with a training, try what may help, and show what does.

    A copy of the model is trained under the doctor. For each remedy of its findings
    that can be applied by itself, another copy is trained with it: from the same
    weights, on batches in the same order. All begin with a third of the epochs; the
    best two go on to the end, with several seeds, until the difference is decided.
    Then this is repeated with what helped. The model itself, its optimizer and all
    random generators stay as they are.

    The first metric of `compile` is compared, on validation data if there are some; if
    there is no metric, or a remedy changes the loss or the targets, the skill: how far
    the outputs got from the best constant prediction (0) to no error (1). It is that
    of `kcomponents.doctor.skills`.

    Args:
        model: Compiled Keras model before its training, which is copied with its
            weights, or a function without arguments that returns one; then each seed
            has other initial weights.
        x: Inputs, as `fit` takes them. Data that can be read only once do not do.
        y: Targets, as `fit` takes them. Defaults to `None`.
        batch_size: Integer, as in `fit`. Defaults to `None`.
        epochs: Integer, the epochs of a training. Defaults to `1`.
        callbacks: List of callbacks of the training, of which early stopping and
            changes of the learning rate by Keras's own callbacks are used. Defaults to
            `None`.
        validation_split: Float, as in `fit`. Defaults to `0.0`.
        validation_data: As in `fit`. Defaults to `None`.
        shuffle: Boolean, as in `fit`. Defaults to `True`.
        class_weight: Dict, as in `fit`. Defaults to `None`.
        sample_weight: As in `fit`. Defaults to `None`.
        steps_per_epoch: Integer, as in `fit`. Defaults to `None`.
        validation_steps: Integer, as in `fit`. Defaults to `None`.
        diagnosis: `kcomponents.doctor.Diagnosis` whose remedies to try. Defaults to
            `None`: that of the first copy.
        seeds: Integer from 2 to 10, the most pairs of trainings for a remedy. Defaults
            to `3`.
        max_trainings: Float, the most epochs in all, as a multiple of `epochs`: no
            training starts that would go beyond. Defaults to `8.0`.
        max_minutes: Float, the time after which no other training starts. Defaults to
            `None`, for no limit.
        verbose: Boolean, whether to print a line for each training. Defaults to `True`.

    Returns:
        `Treatment`. After Ctrl-C, what was known until then.

    Raises:
        ValueError: If the model is not compiled or cannot be copied, an argument is
            invalid, or the data can be read only once. What `fit` raises, if no finding
            explains it.

    Example:
        >>> import keras, numpy as np
        >>> from kcomponents.treatment import treat
        >>> x = np.random.default_rng(0).normal(size=(500, 8)).astype("float32")
        >>> y = (x[:, 0] + x[:, 1] > 0).astype("float32")
        >>> def build():
        ...     last = keras.layers.Dense(1, activation="sigmoid")
        ...     model = keras.Sequential([keras.Input((8,)), last])
        ...     optimizer = keras.optimizers.Adam(1e-6)
        ...     model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
        ...     return model
        >>> treatment = treat(build, x, y, epochs=9, verbose=False)
        >>> treatment.changes[0].remedy.setting
        'learning_rate'

    Reference:
        Jamieson and Talwalkar, [Non-stochastic best arm identification and
        hyperparameter optimization](https://arxiv.org/abs/1502.07943), 2016, for
        trying many for a short time and few to the end. Smyth, [Linear models and
        empirical Bayes methods for assessing differential expression in microarray
        experiments](https://doi.org/10.2202/1544-6115.1027), 2004, for the variance of
        few pairs.
    """
    positive_int("epochs", epochs)
    if not 2 <= positive_int("seeds", seeds) <= len(STUDENT) + 1:
        fail(f"`seeds` must be from 2 to {len(STUDENT) + 1}.", seeds=seeds)
    number("max_trainings", max_trainings, 0, open_low=True)
    if max_minutes is not None:
        number("max_minutes", max_minutes, 0, open_low=True)
    for name, data in (("x", x), ("validation_data", validation_data)):
        if hasattr(data, "__next__"):
            rule = "must be data that can be read again: arrays, a dataset, a sequence."
            fail(f"`{name}` {rule}", **{name: type(data).__name__})
    fit = {
        "x": x,
        "y": y,
        "batch_size": batch_size,
        "epochs": epochs,
        "callbacks": callbacks,
        "validation_split": validation_split,
        "validation_data": validation_data,
        "shuffle": shuffle,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "steps_per_epoch": steps_per_epoch,
        "validation_steps": validation_steps,
    }
    budget = _Budget(max_trainings * epochs, max_minutes, verbose)
    treating = _Treating(model, fit, seeds, budget)
    try:
        treating.run(diagnosis)
    except KeyboardInterrupt:
        if treating.diagnosis is None:
            raise
        budget.say("interrupted; what follows is what was known")
    return treating.result()


class _Budget(keras.callbacks.Callback):
    """What a treatment may still spend; says what it does."""

    def __init__(self, epochs, minutes, verbose):
        super().__init__()
        self._epochs, self._verbose = epochs, verbose
        self._end = math.inf if minutes is None else time.monotonic() + 60 * minutes
        self.spent = 0

    def allows(self, epochs):
        """Return whether so many more epochs may be trained."""
        return self.spent + epochs <= self._epochs and time.monotonic() < self._end

    def say(self, text):
        """Print a line, if this is wanted."""
        if self._verbose:
            _console.show(f"treat: {text}")

    def on_epoch_end(self, epoch, logs=None):
        self.spent += 1


class _OutOfBudget(Exception):
    """No other training may start."""


class _Treating:
    """A treatment while it goes on."""

    def __init__(self, model, fit, seeds, budget):
        self._model, self._fit, self._seeds, self._budget = model, fit, seeds, budget
        self._epochs = fit["epochs"]
        # What helped so far, and the runs with it by seed; before, those without.
        self._current, self._runs = (), {}
        self._untreated = self._runs
        self.diagnosis, self._trials = None, {}

    def run(self, diagnosis):
        """Treat; `result` can be called at any time."""
        first = self._base(0)
        self.diagnosis = diagnosis or first.diagnosis()
        if first.error is not None and not self.diagnosis.findings:
            raise first.error
        found = self.diagnosis
        for _ in range(ROUNDS):
            try:
                if not self._round(found):
                    break
            except _OutOfBudget:
                self._budget.say(SPENT)
                break
            found = self._runs[0].diagnosis()

    def result(self):
        """Return the `Treatment`."""
        order = {outcome: place for place, outcome in enumerate(OUTCOMES)}
        trials = sorted(self._trials.values(), key=lambda trial: order[trial.outcome])
        spent, found = self._budget.spent / self._epochs, {}
        if self._current:
            seeds = self._untreated.keys() & self._runs.keys()
            pairs = self._pairs([(self._untreated[n], self._runs[n]) for n in seeds])
            found = {
                "metric": pairs[0].metric,
                "before": float(np.mean([pair.before for pair in pairs])),
                "after": float(np.mean([pair.after for pair in pairs])),
                "diagnosis_after": self._runs[0].diagnosis(),
            }
        return Treatment(self.diagnosis, tuple(trials), self._current, spent, **found)

    def _base(self, seed):
        """Return the run of a seed with what helped so far."""
        if seed not in self._runs:
            run = self._start(self._current, seed)
            self._train(run, None)
            self._runs[seed] = run
        return self._runs[seed]

    def _start(self, changes, seed):
        return Run(self._model, self._fit, changes, seed)

    def _train(self, run, epochs):
        """Train a run up to an epoch, or to its end."""
        end = run.epochs if epochs is None else epochs
        if end <= run.done:
            return
        # The first training is always made.
        if self._budget.spent and not self._budget.allows(end - run.done):
            raise _OutOfBudget
        made = " and ".join(map(str, run.changes)) or "as it is"
        many = quantity(end - run.done, "epoch")
        self._budget.say(f"{many} with {made}" if run.changes else f"{many} {made}")
        run.train(end, self._budget)
        if run.error is not None:
            self._budget.say(f"that ended with {_text(run.error)}")

    # One round: candidates, then finals of the best of them.

    def _round(self, diagnosis):
        """Try the remedies of a diagnosis; return whether one helped."""
        candidates = self._candidates(diagnosis)
        reason = SPENT
        try:
            best = self._screened(candidates)[:FINALISTS]
            for run in best:
                if self._final(run):
                    reason = "another one helped first"
                    return True
            return False
        finally:
            for run in candidates:
                self._not_tried(run.changes[-1], reason)

    def _candidates(self, diagnosis):
        """Return new runs with one change more, the most promising first."""
        found, used = [], {str(change) for change in self._current}
        settings = {change.remedy.setting for change in self._current}
        for change in _changes(diagnosis):
            if change.remedy.setting in settings or str(change) in used:
                continue
            used.add(str(change))
            if len(found) == CANDIDATES:
                self._not_tried(change, f"only {CANDIDATES} are tried")
                continue
            try:
                found.append(self._start((*self._current, change), 0))
            except NotApplicable as reason:
                self._not_tried(change, str(reason))
            except Exception as error:
                # A model of the user's own may not bear a change.
                self._not_tried(change, _text(error))
        return found

    def _not_tried(self, change, reason):
        self._trials.setdefault(str(change), Trial(change, "not tried", reason))

    def _screened(self, runs):
        """Train many candidates for some epochs, and return the best ones first."""
        epochs = max(1, round(self._epochs * FIRST_LEG))
        if len(runs) <= FINALISTS or epochs == self._epochs:
            return runs
        base, found = self._base(0), []
        for run in runs:
            pairs = []
            if run.changes[-1].remedy.setting not in LATE:
                self._train(run, epochs)
                pairs = self._pairs([(base, run)], epochs)
            if run.error is not None:
                self._not_tried(run.changes[-1], _text(run.error))
                continue
            found.append((pairs[0].gain if pairs else 0.0, run, pairs))
        found.sort(key=lambda entry: -entry[0])
        kept = [entry for entry in found if entry[0] >= -BEHIND]
        for entry in found:
            if entry in kept[:FINALISTS]:
                continue
            _, run, pairs = entry
            why = "others were better" if entry in kept else "it fell behind"
            if pairs:
                self._record(run, "not decided", pairs, why)
            else:
                self._not_tried(run.changes[-1], why)
        return [run for _, run, _ in kept]

    def _final(self, run):
        """Train pairs until it is decided whether a change helps."""
        pairs, runs = [], {0: run}
        try:
            for seed in range(self._seeds):
                base = self._base(seed)
                if seed not in runs:
                    runs[seed] = self._start(run.changes, seed)
                self._train(runs[seed], None)
                if runs[seed].error is not None:
                    self._not_tried(run.changes[-1], _text(runs[seed].error))
                    return False
                pairs.append((base, runs[seed]))
                if len(pairs) > 1 and self._outcome(self._pairs(pairs)):
                    break
        except _OutOfBudget:
            if pairs:
                self._record(run, "not decided", self._pairs(pairs), SPENT)
            raise
        outcome = self._outcome(self._pairs(pairs)) or "not decided"
        self._record(run, outcome, self._pairs(pairs))
        if outcome == "helps":
            self._current, self._runs = run.changes, runs
            return True
        return False

    def _pairs(self, runs, epochs=None):
        """Return the results of pairs of runs, all of the same metric."""
        name, rises = runs[0][0].metric()
        made = {*runs[0][1].changes} - {*runs[0][0].changes}
        other = {change.remedy.setting for change in made} & OTHER_SCALE
        if name is None or other or any(base.error for base, _ in runs):
            name, rises = SKILL, True
        found = [Pair.of(base, run, name, rises, epochs) for base, run in runs]
        if name != SKILL and not all(math.isfinite(pair.gain) for pair in found):
            # A loss that ran away says that the model is of no use, not how much.
            found = [Pair.of(base, run, SKILL, True, epochs) for base, run in runs]
        return found

    @staticmethod
    def _outcome(pairs):
        """Return what several pairs decide, or None."""
        gains = [pair.gain for pair in pairs]
        mean, scale = float(np.mean(gains)), pairs[0].scale
        low, high = interval(gains, scale)
        if mean <= 0 or high < WORTH * scale:
            return "does not help"
        return "helps" if low > 0 and mean >= WORTH * scale else None

    def _record(self, run, outcome, pairs, reason=""):
        change, gains = run.changes[-1], [pair.gain for pair in pairs]
        bounds = math.nan, math.nan
        if len(pairs) > 1:
            bounds = interval(gains, pairs[0].scale)
        self._trials[str(change)] = trial = Trial(
            change,
            outcome,
            reason,
            pairs[0].metric,
            float(np.mean([pair.before for pair in pairs])),
            float(np.mean([pair.after for pair in pairs])),
            bounds,
            len(pairs),
            float(np.mean([pair.time for pair in pairs])),
            tuple(pair.curves for pair in pairs),
        )
        self._budget.say(str(trial))


def _text(error):
    [first, *_] = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first}"


def _changes(diagnosis):
    """Return the changes that remedies of a diagnosis suggest, in their order."""
    for finding in diagnosis.findings:
        for remedy in finding.remedies:
            for value in remedy.values[:VALUES] or (None,):
                yield Change(finding.label, finding.where, remedy, value)
