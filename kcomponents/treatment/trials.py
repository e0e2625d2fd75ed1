"""Change, Trial and Treatment: what was tried on a training, and what it did."""

import dataclasses
import math
from html import escape
from typing import Any

import numpy as np

from kcomponents._files import Path
from kcomponents._optional import require
from kcomponents.doctor import Diagnosis, Remedy
from kcomponents.treatment._figure import save_figure


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
        trainings: Float, the cost of the treatment in epochs, as a multiple of those of
            one training.
        metric: String, what `before` and `after` are: the name of a metric in the logs,
            or `"skill"`; `""` if nothing helped. Defaults to `""`.
        before: Float, the result of the training as it is, the mean over seeds.
            Defaults to NaN.
        after: Float, the result with all changes. Defaults to NaN.
        diagnosis_after: `kcomponents.doctor.Diagnosis` of a training with all changes.
            Defaults to `None`.

    Example:
        >>> from kcomponents.doctor import Diagnosis
        >>> from kcomponents.treatment import Treatment
        >>> print(Treatment(Diagnosis("healthy", ()), (), (), 1.0))
        There is nothing to treat: No problems found.
    """

    diagnosis: Diagnosis
    trials: tuple[Trial, ...]
    changes: tuple[Change, ...]
    trainings: float
    metric: str = ""
    before: float = math.nan
    after: float = math.nan
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
        change = f"{self.metric} {self.before:.3g} → {self.after:.3g}"
        return f"It helps to set {made}: {change}."

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
