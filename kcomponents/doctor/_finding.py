"""Finding: one problem of a run; Diagnosis: the verdict and all findings."""

import dataclasses
from typing import Any

from kcomponents.doctor._html import shown
from kcomponents.doctor._remedy import Remedy

SENTENCES = {
    "not_finite": "The loss, weights or outputs are NaN or infinite",
    "inconsistent": "Something in the data or setup is wrong",
    "not_learning": "The model does no better than a constant prediction",
    "optimization_failure": "The model does not even fit the training data",
    "overfitting": "The model fits the training data but not the validation data",
    "healthy": "No problems found",
}
VERDICTS = tuple(SENTENCES)


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
        verdict: String, the first of these that applies: `"not_finite"` (NaN or
            infinity), `"inconsistent"` (the data or the setup is wrong),
            `"not_learning"` (no better than a constant prediction),
            `"optimization_failure"` (a high error on the training data),
            `"overfitting"`; or `"healthy"`.
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
        return shown(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as a dict of plain values."""
        findings = [finding.to_dict() for finding in self.findings]
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "findings": findings,
            "notes": list(self.notes),
        }
