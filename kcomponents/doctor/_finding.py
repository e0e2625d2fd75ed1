"""Finding: what is wrong with a training; Diagnosis: all of it, in order."""

import dataclasses
from typing import Any

from kcomponents.doctor._html import shown
from kcomponents.doctor._remedy import Remedy

SENTENCES = {
    "not_finite": "The loss or the weights are no longer finite",
    "inconsistent": "Data, outputs and loss do not fit together",
    "not_learning": "The model does no better than a constant prediction",
    "optimization_failure": "The error is high on the training data already",
    "overfitting": "The model has learned the training data, not the task",
    "healthy": "Nothing is wrong with this training",
}
VERDICTS = tuple(SENTENCES)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong: which rule, where, what shows it, what helps.

    Args:
        rule: String, one of `kcomponents.doctor.LABELS`.
        where: String, the layer, output or setting concerned, `""` for the whole.
        evidence: Tuple of strings, sentences with the numbers that were seen; the first
            one says what is wrong.
        severity: `"high"` (training is in vain), `"medium"` (it suffers) or `"low"`.
        remedies: Tuple of `Remedy`, the likeliest first.

    Example:
        >>> from kcomponents.doctor import Finding
        >>> evidence = ("The loss was NaN in epoch 3.",)
        >>> finding = Finding("loss_nan", "", evidence, "high")
        >>> print(finding)
        loss_nan: The loss was NaN in epoch 3.
    """

    rule: str
    where: str
    evidence: tuple[str, ...]
    severity: str = "medium"
    remedies: tuple[Remedy, ...] = ()

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.rule}{place}: {' '.join(self.evidence)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as a dict of plain values."""
        remedies = [remedy.to_dict() for remedy in self.remedies]
        return {
            "rule": self.rule,
            "where": self.where,
            "evidence": list(self.evidence),
            "severity": self.severity,
            "remedies": remedies,
        }


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What a training suffers from: a verdict, at most three findings, and notes.

    Args:
        verdict: String, the first question that has a bad answer: `"not_finite"`,
            `"inconsistent"`, `"not_learning"`, `"optimization_failure"` (bad on the
            training data already), `"overfitting"`; or `"healthy"`.
        findings: Tuple of `Finding`, causes before symptoms.
        notes: Tuple of strings: what was noticed and did no harm that could be seen,
            and what could not be known.

    Example:
        >>> from kcomponents.doctor import Diagnosis
        >>> Diagnosis("healthy", (), ()).sentence
        'Nothing is wrong with this training.'
        >>> from kcomponents.doctor import Finding, Remedy
        >>> remedy = Remedy("learning_rate", (0.001,), "Steps get shorter.")
        >>> too_high = Finding(
        ...     "learning_rate_too_high", "Adam", ("It is 1.",), "high", (remedy,)
        ... )
        >>> print(Diagnosis("not_learning", (too_high,)))
        The model does no better than a constant prediction: It is 1.
        <BLANKLINE>
        learning_rate_too_high (Adam): It is 1.
        - Set learning_rate to 0.001. Steps get shorter.
    """

    verdict: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The verdict in one sentence, with the first finding's evidence."""
        told = SENTENCES[self.verdict]
        if not self.findings:
            return f"{told}."
        first = self.findings[0]
        return f"{told}: {first.evidence[0]}"

    def __str__(self) -> str:
        parts = [self.sentence]
        for finding in self.findings:
            parts.append(f"\n{finding}")
            parts += [f"- {remedy}" for remedy in finding.remedies]
        parts += [f"\nNote: {note}" for note in self.notes]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        # What a notebook shows of the last line of a cell.
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
