"""treat: try remedies on copies of a training, and show what each of them does."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import keras
import numpy as np

from kcomponents import _console
from kcomponents._checks import fail, number, positive_int
from kcomponents._files import Path
from kcomponents._optional import require
from kcomponents._text import quantity
from kcomponents.doctor import Diagnosis, Remedy
from kcomponents.treatment._figure import save_figure
from kcomponents.treatment._runs import OTHER_SCALE, SKILL, Run
from kcomponents.treatment._settings import NotApplicable

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
# What is known of the standard deviation of differences before any pair: so much of
# the scale, with the weight of so many degrees of freedom. Two pairs alone may agree by
# chance.
SPREAD, FREEDOM = 0.05, 3
# The 97.5 % quantile of Student's t, for 4, 5, 6, ... degrees of freedom.
STUDENT = 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179
# A result of these settings shows at the end of a training only.
LATE = {"epochs", "early_stopping"}


@dataclasses.dataclass(frozen=True)
class Change:
    """A value of a remedy, for a finding at some place.

    Args:
        label: String, the label of the finding.
        where: String, the place of the finding.
        remedy: `kcomponents.doctor.Remedy`.
        value: One of the values of the remedy, or `None`.

    Example:
        >>> from kcomponents.doctor import Remedy
        >>> from kcomponents.treatment import Change
        >>> remedy = Remedy("learning_rate", (0.01, 0.001), "It stops overshooting.")
        >>> print(Change("learning_rate_too_high", "optimizer", remedy, 0.01))
        learning_rate = 0.01
    """

    label: str
    where: str
    remedy: Remedy
    value: Any

    def __str__(self) -> str:
        if self.value is None or self.value is True:
            return self.remedy.setting
        value = self.value
        shown = " and ".join(map(str, value)) if isinstance(value, tuple) else value
        return f"{self.remedy.setting} = {shown}"


@dataclasses.dataclass(frozen=True)
class Trial:
    """What one remedy did to a training.

    Args:
        change: `Change`, what was tried.
        outcome: String, `"helps"`, `"does not help"`, `"not decided"` or `"not tried"`.
        reason: String, a sentence on why it was not tried or not decided. Defaults to
            `""`.
        metric: String, what was compared: the name of a metric in the logs, or
            `"skill"`. Defaults to `""`.
        before: Float, the mean without the remedy. Defaults to NaN.
        after: Float, the mean with it. Defaults to NaN.
        interval: Pair of floats, the 95 % interval of the difference, in the direction
            in which more is better. Defaults to `(NaN, NaN)`.
        pairs: Integer, the number of pairs of trainings. Defaults to `0`.
        time: Float, the seconds of a training with the remedy, as a multiple of those
            without. Defaults to NaN.
        curves: Tuple of pairs of tuples, for each pair of trainings the values after
            each epoch without and with the remedy. Defaults to `()`.

    Example:
        >>> from kcomponents.doctor import Remedy
        >>> from kcomponents.treatment import Change, Trial
        >>> remedy = Remedy("l2", (0.01,), "It penalizes large weights.")
        >>> change = Change("overfitting", "", remedy, 0.01)
        >>> results = "val_accuracy", 0.5, 0.7, (0.1, 0.3), 3, 1.0
        >>> print(Trial(change, "helps", "", *results))
        helps: l2 = 0.01. val_accuracy 0.5 → 0.7, change [+0.1, +0.3] in 3 pairs, 1
        times the time
    """

    change: Change
    outcome: str
    reason: str = ""
    metric: str = ""
    before: float = math.nan
    after: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    pairs: int = 0
    time: float = math.nan
    curves: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()

    def __str__(self) -> str:
        text = f"{self.outcome}: {self.change}"
        if self.outcome == "not tried":
            return f"{text} ({self.reason})"
        text += f". {self.metric} {self.before:.3g} → {self.after:.3g}"
        if self.pairs > 1:
            low, high = self.interval
            text += f", change [{low:+.2g}, {high:+.2g}] in {self.pairs} pairs"
        text += f", {self.time:.2g} times the time"
        return text + (f" ({self.reason})" if self.reason else "")


@dataclasses.dataclass(frozen=True)
class Treatment:
    """What `treat` found: a diagnosis, and what each remedy did.

    `str(treatment)` is the result with the code of what helped, `treatment.plot()` a
    picture.

    Args:
        diagnosis: `kcomponents.doctor.Diagnosis` of the training as it is.
        trials: Tuple of `Trial`, those that help first.
        changes: Tuple of `Change`, what to change, all of it together; `()` if nothing
            helped.
        before: Float, the result of the training as it is: of the metric of the trials,
            the mean over seeds.
        after: Float, the result with all changes.
        trainings: Float, the cost of the treatment in epochs, as a multiple of those of
            one training.
        diagnosis_after: `kcomponents.doctor.Diagnosis` of a training with all changes.

    Example:
        >>> from kcomponents.doctor import Diagnosis
        >>> from kcomponents.treatment import Treatment
        >>> print(Treatment(Diagnosis("healthy", ()), (), (), 0.9, 0.9, 1.0))
        There is nothing to treat: No problems found.
    """

    diagnosis: Diagnosis
    trials: tuple[Trial, ...]
    changes: tuple[Change, ...]
    before: float
    after: float
    trainings: float
    diagnosis_after: Diagnosis | None = None

    @property
    def sentence(self) -> str:
        """The result in a sentence."""
        if not self.trials:
            return f"There is nothing to treat: {self.diagnosis.sentence}"
        if not self.changes:
            tried = [trial for trial in self.trials if trial.outcome != "not tried"]
            if not tried:
                return "No remedy could be tried."
            return f"No remedy was shown to help, of {len(tried)} that were tried."
        made = ", and ".join(map(str, self.changes))
        metric = next(t.metric for t in self.trials if t.outcome == "helps")
        return f"It helps to set {made}: {metric} {self.before:.3g} → {self.after:.3g}."

    def __str__(self) -> str:
        lines = [self.sentence]
        for change in self.changes:
            lines += ["", f"{change} ({change.label}). {change.remedy.reason}"]
            lines += [f"    {line}" for line in change.remedy.code.splitlines()]
        if self.trials:
            lines += ["", f"{self.diagnosis.sentence}", ""]
            lines += [f"- {trial}" for trial in self.trials]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        # Notebooks call this for the last line of a cell.
        parts = [f"<p><b>{escape(self.sentence)}</b></p>"]
        for change in self.changes:
            parts.append(f"<p>{escape(f'{change}. {change.remedy.reason}')}</p>")
            parts.append(f"<pre>{escape(change.remedy.code)}</pre>")
        if self.trials:
            rows = "".join(f"<li>{escape(str(trial))}</li>" for trial in self.trials)
            parts.append(f"<ul>{rows}</ul>")
        return f"<div>{''.join(parts)}</div>"

    def plot(self, path: Path | None = None) -> Any:
        """Draw the trainings without and with each remedy that was decided by pairs.

        Args:
            path: Path of a file for the picture, such as `"treatment.png"`. Defaults to
                `None`: no file.

        Returns:
            The figure of matplotlib.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        shown = [trial for trial in self.trials if trial.curves] or [None]
        size = (4.2 * len(shown), 3.4)
        figure = require("matplotlib.figure").Figure(size, layout="constrained")
        # Small differences must not look like large ones beside them.
        same = len({trial and trial.metric for trial in shown}) == 1
        [row] = figure.subplots(1, len(shown), squeeze=False, sharey=same)
        for axes, trial in zip(row, shown, strict=True):
            axes.spines[["top", "right"]].set_visible(False)
            if trial is None:
                axes.set_axis_off()
                axes.text(0.5, 0.5, self.sentence, ha="center", wrap=True)
                continue
            for side, color, label in ((0, "0.5", "as it is"), (1, "tab:green", "")):
                _draw(axes, [pair[side] for pair in trial.curves], color, label)
            axes.set(xlabel="epoch", ylabel=trial.metric)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.set_title(f"{trial.change}: {trial.outcome}", fontsize=9)
            axes.legend(frameon=False, fontsize=8)
        save_figure(figure, path)
        return figure


def _draw(axes, curves, color, label):
    """Draw the mean of several curves, and the band between the outermost ones."""
    longest = max(map(len, curves))
    values = np.full((len(curves), longest), np.nan)
    for row, curve in zip(values, curves, strict=True):
        row[: len(curve)] = curve
    known = np.isfinite(values).any(axis=0)
    epochs, values = np.arange(1, longest + 1)[known], values[:, known]
    if not len(epochs):
        return
    marker = "o" if len(epochs) == 1 else None
    mean, low, high = (f(values, axis=0) for f in (np.nanmean, np.nanmin, np.nanmax))
    label = label or "with the remedy"
    axes.plot(epochs, mean, color=color, marker=marker, label=label)
    axes.fill_between(epochs, low, high, color=color, alpha=0.25, linewidth=0)


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
            invalid, or the data can be read only once.

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
    if hasattr(x, "__next__"):
        rule = "`x` must be data that can be read again: arrays, a dataset, a sequence."
        fail(rule, x=type(x).__name__)
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
        # What helped so far, and the runs with it by seed.
        self._current, self._runs = (), {}
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
                self._budget.say("the budget is spent")
                break
            found = self._runs[0].diagnosis()

    def result(self):
        """Return the `Treatment`."""
        order = {outcome: place for place, outcome in enumerate(OUTCOMES)}
        trials = sorted(self._trials.values(), key=lambda trial: order[trial.outcome])
        helped = [trial for trial in self._trials.values() if trial.outcome == "helps"]
        last = self._runs[0] if self._current else None
        return Treatment(
            self.diagnosis,
            tuple(trials),
            self._current,
            helped[0].before if helped else math.nan,
            helped[-1].after if helped else math.nan,
            self._budget.spent / self._epochs,
            None if last is None else last.diagnosis(),
        )

    def _base(self, seed):
        """Return the run of a seed with what helped so far."""
        if seed not in self._runs:
            self._runs[seed] = self._start(self._current, seed)
            self._train(self._runs[seed], None)
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
        leg = max(1, round(self._epochs * FIRST_LEG))
        screened = len(candidates) > FINALISTS and leg < self._epochs
        if screened:
            candidates = self._screened(candidates, leg)
        for run in candidates[:FINALISTS]:
            if self._final(run):
                return True
        return False

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

    def _screened(self, runs, epochs):
        """Train candidates for some epochs, and return the best ones first."""
        base, found = self._base(0), []
        for run in runs:
            late = run.changes[-1].remedy.setting in LATE
            if not late:
                self._train(run, epochs)
            if run.error is not None:
                self._not_tried(run.changes[-1], _text(run.error))
                continue
            gain = 0.0 if late else self._pairs([(base, run)], epochs)[0].gain
            found.append((gain, run))
        found.sort(key=lambda pair: -pair[0])
        kept = [run for gain, run in found if gain >= -BEHIND]
        for _, run in found:
            if run not in kept[:FINALISTS] and run.done:
                why = "others were better" if run in kept else "it fell behind"
                pairs = self._pairs([(base, run)], epochs)
                self._record(run, "not decided", pairs, why)
        return kept

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
                reason = "the budget is spent"
                self._record(run, "not decided", self._pairs(pairs), reason)
            raise
        outcome = self._outcome(self._pairs(pairs)) or "not decided"
        self._record(run, outcome, self._pairs(pairs))
        if outcome == "helps":
            self._current, self._runs = run.changes, runs
            return True
        return False

    def _pairs(self, runs, epochs=None):
        """Return the results of pairs of runs, all of the same metric."""
        # A training that ended by an exception has no metric.
        name, rises = runs[0][0].metric()
        settings = {c.remedy.setting for c in runs[0][1].changes}
        if name is None or settings & OTHER_SCALE:
            name = SKILL
        found = [_Pair.of(base, run, name, rises, epochs) for base, run in runs]
        if name != SKILL and not all(math.isfinite(pair.gain) for pair in found):
            # A loss that ran away says that the model is of no use, not how much.
            found = [_Pair.of(base, run, SKILL, True, epochs) for base, run in runs]
        return found

    @staticmethod
    def _outcome(pairs):
        """Return what several pairs decide, or None."""
        gains = [pair.gain for pair in pairs]
        mean, scale = float(np.mean(gains)), pairs[0].scale
        low, high = _interval(gains, scale)
        if mean <= 0 or high < WORTH * scale:
            return "does not help"
        return "helps" if low > 0 and mean >= WORTH * scale else None

    def _record(self, run, outcome, pairs, reason=""):
        change, gains = run.changes[-1], [pair.gain for pair in pairs]
        interval = math.nan, math.nan
        if len(pairs) > 1:
            interval = _interval(gains, pairs[0].scale)
        self._trials[str(change)] = trial = Trial(
            change,
            outcome,
            reason,
            pairs[0].metric,
            float(np.mean([pair.before for pair in pairs])),
            float(np.mean([pair.after for pair in pairs])),
            interval,
            len(pairs),
            float(np.mean([pair.time for pair in pairs])),
            tuple(pair.curves for pair in pairs),
        )
        self._budget.say(str(trial))


@dataclasses.dataclass(frozen=True)
class _Pair:
    """The results of two trainings from the same start, without and with a change."""

    metric: str
    before: float
    after: float
    gain: float
    scale: float
    time: float
    curves: tuple

    @classmethod
    def of(cls, base, run, name, rises, epochs):
        if name == SKILL:
            before, after = base.skill(epochs), run.skill(epochs)
            curves = tuple(tuple(_skill_curve(r, epochs)) for r in (base, run))
        else:
            curves = tuple(tuple(r.curve(name)[:epochs]) for r in (base, run))
            before, after = (
                _last(r, c, rises) for r, c in zip((base, run), curves, strict=True)
            )
        gain = (after - before) if rises else (before - after)
        scale = 1.0
        if not rises or max(abs(before), abs(after)) > 1:
            scale = abs(before)
        rate = [r.seconds / max(r.done, 1) for r in (base, run)]
        spent = rate[1] * run.epochs / max(rate[0] * base.epochs, 1e-9)
        return cls(name, before, after, gain, scale, spent, curves)


def _last(run, curve, rises):
    """Return the last value of a metric, or the best one if it is restored."""
    if not curve:
        return math.nan
    settings = {change.remedy.setting for change in run.changes}
    if "early_stopping" in settings:
        losses = run.curve("val_loss")[: len(curve)]
        finite = [value if math.isfinite(value) else math.inf for value in losses]
        return curve[int(np.argmin(finite))] if finite else curve[-1]
    return curve[-1]


def _skill_curve(run, epochs):
    length = len(run.doctor.record.logs) if epochs is None else epochs
    steps = max(1, length // 10)
    found = [math.nan] * length
    for epoch in (*range(steps, length, steps), *[length][:length]):
        found[epoch - 1] = run.skill(epoch)
    return found


def _interval(gains, scale):
    """Return the 95 % interval of the mean of several differences.

    The variance is a mean of that of the differences and of what is known before.
    """
    count, mean = len(gains), float(np.mean(gains))
    squares = float(np.sum(np.square(np.subtract(gains, mean))))
    squares += FREEDOM * (SPREAD * scale) ** 2
    spread = math.sqrt(squares / (count - 1 + FREEDOM))
    half = STUDENT[count - 2] * spread / math.sqrt(count)
    return mean - half, mean + half


def _text(error):
    [first, *_] = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first}"


def _changes(diagnosis):
    """Return the changes that remedies of a diagnosis suggest, in their order."""
    for finding in diagnosis.findings:
        for remedy in finding.remedies:
            for value in remedy.values[:VALUES] or (None,):
                yield Change(finding.label, finding.where, remedy, value)
