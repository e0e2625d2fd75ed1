"""The training doctor's rules: from a record to a diagnosis, without Keras."""

from kcomponents.doctor.data.examine_data import examine_data
from kcomponents.doctor.diagnosis import LABELS, VERDICTS, Diagnosis, Finding, Remedy
from kcomponents.doctor.examine import compare, examine, skills
from kcomponents.doctor.rules import RULES

__all__ = [
    "Diagnosis",
    "Finding",
    "LABELS",
    "RULES",
    "Remedy",
    "VERDICTS",
    "compare",
    "examine",
    "examine_data",
    "skills",
]
