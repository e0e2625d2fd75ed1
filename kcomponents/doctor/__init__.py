"""The training doctor's rules: from a record to a diagnosis, without Keras."""

from kcomponents.doctor._finding import VERDICTS, Diagnosis, Finding
from kcomponents.doctor._labels import LABELS
from kcomponents.doctor._remedy import Remedy
from kcomponents.doctor._rules import RULES
from kcomponents.doctor.compare import compare
from kcomponents.doctor.examine import examine
from kcomponents.doctor.examine_data import examine_data

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
]
