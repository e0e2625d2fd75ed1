"""Diagnosis, Finding and Remedy: the result of an examination."""

import dataclasses
from html import escape
from typing import Any

# Verdict → its sentence.
SENTENCES = {
    "not_watched": "Nothing watched yet: pass `TrainingDoctor` to "
    "`fit(callbacks=[...])`",
    "interrupted": "Training ended with an exception",
    "not_finite": "The loss, weights or outputs are NaN or infinite",
    "inconsistent": "Something in the data or setup is wrong",
    "not_learning": "The model does no better than a constant prediction",
    "optimization_failure": "The model does not even fit the training data",
    "overfitting": "The model fits the training data but not the validation data",
    "not_trained": "No problems found before training",
    "not_judged": "No problems seen, but progress was not judged",
    "healthy": "No problems found",
}
VERDICTS = tuple(SENTENCES)
# The problems that findings can name.
LABELS = (
    "loss_nan",
    "wrong_loss_or_output_activation",
    "label_problem",
    "data_split_problem",
    "unnormalized_input",
    "unnormalized_target",
    "bad_initialization",
    "vanishing_gradient",
    "exploding_gradient",
    "dead_relu",
    "saturated_activation",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "slow_learning",
    "not_learning",
    "oscillating_loss",
    "overfitting",
    "underfitting",
    "over_regularized",
    "missing_activation",
    "class_imbalance",
    "wrong_optimizer_setting",
    "embedding_too_short",
    "constant_input",
    "mask_missing",
    "uninformative_labels",
    "frozen_layers",
    "no_gradient",
    "float16_training",
    "train_inference_gap",
    "collapsed_output",
    "future_leak",
)
# Labels that make the verdict `inconsistent`.
CONSISTENCY = {
    "constant_input",
    "data_split_problem",
    "embedding_too_short",
    "frozen_layers",
    "future_leak",
    "label_problem",
    "unnormalized_input",
    "unnormalized_target",
    "wrong_loss_or_output_activation",
}


@dataclasses.dataclass(frozen=True)
class Remedy:
    """One suggestion: a setting to change, values to try, the reason, and code.

    `str(remedy)` is the whole suggestion with its code, `repr(remedy)` one line.

    Args:
        setting: String, the name of an argument, such as `"learning_rate"` or
            `"hidden_activation"`, or of a step, such as `"shuffle_before_split"`.
            `kcomponents.tuning.space` makes a hyperparameter of this name.
        values: Tuple of values to try, the most promising first. JSON must be able to
            hold them. Empty for a step without a value to choose.
        reason: String, one sentence on why it helps.
        code: String, Python code ready to paste. Defaults to `""`.

    Example:
        >>> from kcomponents.doctor import Remedy
        >>> remedy = Remedy(
        ...     "learning_rate",
        ...     (0.001, 0.0001),
        ...     "A smaller learning rate stops overshooting the minimum.",
        ...     "optimizer = keras.optimizers.Adam(learning_rate=0.001)",
        ... )
        >>> print(remedy)
        Set learning_rate to 0.001 or 0.0001. A smaller learning rate stops overshooting
        the minimum.
            optimizer = keras.optimizers.Adam(learning_rate=0.001)
        >>> remedy
        <Remedy learning_rate: 0.001 or 0.0001>
    """

    setting: str
    values: tuple
    reason: str
    code: str = ""

    def __str__(self) -> str:
        choices = self._choices()
        change = f"Set {self.setting} to {choices}. " if choices else ""
        lines = [f"    {line}" for line in self.code.splitlines()]
        return "\n".join([change + self.reason, *lines])

    def __repr__(self) -> str:
        text = self._choices() or self.reason
        return " ".join(f"<Remedy {self.setting}: {text}>".split())

    def _choices(self):
        shown = [
            " and ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            for value in self.values
        ]
        *others, last = shown or [""]
        return f"{', '.join(others)} or {last}" if others else last

    def to_dict(self) -> dict[str, Any]:
        """Return the remedy as a dict of plain values."""
        return {**dataclasses.asdict(self), "values": list(self.values)}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One problem: its label, where it is, the evidence, and remedies.

    `str(finding)` is the label with the evidence, `repr(finding)` one line.

    Args:
        label: String, one of `kcomponents.doctor.LABELS`, or a label of a custom rule.
        where: String, the path of a layer or weight, the name of an output or a
            setting, or `""` for the whole model.
        evidence: Tuple of strings, sentences with the measured numbers; the first one
            names the problem.
        severity: String, `"high"` (the model cannot learn like this), `"medium"` (it
            learns worse) or `"low"` (a symptom, or unsure). Defaults to `"medium"`.
        remedies: Tuple of `Remedy`, the most promising first. Defaults to `()`.

    Example:
        >>> from kcomponents.doctor import Finding
        >>> evidence = ("The loss was NaN in epoch 3.",)
        >>> finding = Finding("loss_nan", "", evidence, "high")
        >>> print(finding)
        loss_nan: The loss was NaN in epoch 3.
    """

    label: str
    where: str
    evidence: tuple[str, ...]
    severity: str = "medium"
    remedies: tuple[Remedy, ...] = ()

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.label}{place}: {' '.join(self.evidence)}"

    def __repr__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        first = f": {self.evidence[0]}" if self.evidence else ""
        return " ".join(
            f"<Finding {self.label}{place}, {self.severity}{first}>".split()
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as a dict of plain values."""
        remedies = [remedy.to_dict() for remedy in self.remedies]
        return {
            "label": self.label,
            "where": self.where,
            "evidence": list(self.evidence),
            "severity": self.severity,
            "remedies": remedies,
        }


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """The result of an examination: a verdict, up to three findings, and notes.

    Args:
        verdict: String, the first of these that applies: `"not_watched"` (the record is
            empty), `"not_finite"` (NaN or infinity), `"inconsistent"` (the data or the
            setup is wrong), `"interrupted"` (`fit` ended with an exception),
            `"not_learning"` (no better than a constant prediction),
            `"optimization_failure"` (a high error on the training data),
            `"overfitting"`; or, without a finding, `"not_trained"` (no epoch yet),
            `"not_judged"` (nothing says how well the model does) or `"healthy"`.
        findings: Tuple of `Finding`, causes before symptoms.
        notes: Tuple of strings: observations that do no harm, and checks that were not
            possible. Defaults to `()`.

    Example:
        >>> from kcomponents.doctor import Diagnosis
        >>> Diagnosis("healthy", (), ()).sentence
        'No problems found.'
        >>> from kcomponents.doctor import Finding, Remedy
        >>> remedy = Remedy("learning_rate", (0.001,), "It stops overshooting.")
        >>> too_high = Finding(
        ...     "learning_rate_too_high", "Adam", ("It is 1.",), "high", (remedy,)
        ... )
        >>> print(Diagnosis("not_learning", (too_high,)))
        The model does no better than a constant prediction. It is 1.
        <BLANKLINE>
        learning_rate_too_high (Adam): It is 1.
        - Set learning_rate to 0.001. It stops overshooting.
    """

    verdict: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The verdict in words, with the first finding's first evidence."""
        verdict = SENTENCES[self.verdict]
        if not self.findings:
            return f"{verdict}."
        return f"{verdict}. {self.findings[0].evidence[0]}"

    def __str__(self) -> str:
        parts = [self.sentence]
        for finding in self.findings:
            parts.append(f"\n{finding}")
            parts += [f"- {remedy}" for remedy in finding.remedies]
        parts += [f"\nNote: {note}" for note in self.notes]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        # Notebooks call this for the last line of a cell.
        return _html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as a dict of plain values."""
        findings = [finding.to_dict() for finding in self.findings]
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "findings": findings,
            "notes": list(self.notes),
        }


# A diagnosis as HTML for notebooks: a sentence, a table of findings, notes.

# Notebooks align table cells to the right by default.
CELL = 'style="text-align: left; vertical-align: top"'
HEADS = ("finding", "evidence", "what helps")


def _html(diagnosis: Diagnosis) -> str:
    """Return a diagnosis as self-contained HTML; all its strings are escaped."""
    parts = [f"<p><b>{_text(diagnosis.sentence)}</b></p>"]
    if diagnosis.findings:
        heads = "".join(f"<th {CELL}>{head}</th>" for head in HEADS)
        rows = "".join(_row(finding) for finding in diagnosis.findings)
        parts.append(f"<table><tr>{heads}</tr>{rows}</table>")
    if diagnosis.notes:
        notes = "".join(f"<li>{_text(note)}</li>" for note in diagnosis.notes)
        parts.append(f"<p>Notes</p><ul>{notes}</ul>")
    return f"<div>{''.join(parts)}</div>"


def _row(finding: Finding) -> str:
    """Return a table row: label and place, evidence, remedies."""
    name = f"<b>{_text(finding.label)}</b> ({_text(finding.severity)})"
    place = f"<br>{_text(finding.where)}" if finding.where else ""
    evidence = "<br>".join(_text(sentence) for sentence in finding.evidence)
    helps = "".join(_remedy(remedy) for remedy in finding.remedies)
    cells = (name + place, evidence, helps)
    return "<tr>" + "".join(f"<td {CELL}>{cell}</td>" for cell in cells) + "</tr>"


def _remedy(remedy: Remedy) -> str:
    """Return the reason for a remedy, and its code."""
    code = f"<pre>{_text(remedy.code)}</pre>" if remedy.code else ""
    return f"<p>{_text(remedy.reason)}</p>{code}"


def _text(value: Any) -> str:
    return escape(str(value))
