"""From findings and notes on data to a diagnosis."""

from kcomponents.doctor.diagnosis import Diagnosis, Finding

# Causes before symptoms.
ORDER = (
    "loss_nan",
    "label_problem",
    "data_split_problem",
    "not_learning",
    "unnormalized_input",
    "unnormalized_target",
    "class_imbalance",
)
MOST_FINDINGS = 3


def diagnosis(results):
    """Return a `Diagnosis`; findings after the third become notes."""
    findings = [result for result in results if isinstance(result, Finding)]
    findings.sort(key=lambda found: ORDER.index(found.label))
    notes = [result for result in results if isinstance(result, str)]
    notes += [str(found) for found in findings[MOST_FINDINGS:]]
    verdict = "inconsistent" if findings else "healthy"
    return Diagnosis(verdict, tuple(findings[:MOST_FINDINGS]), tuple(notes))
