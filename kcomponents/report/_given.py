"""The inputs of a report: a diagnosis, given or computed, and a record."""

from kcomponents import doctor
from kcomponents._check import fail
from kcomponents.record import Record


def diagnosed(diagnosis, record) -> doctor.Diagnosis:
    """Return the given diagnosis, or examine the record if it is None."""
    if record is not None and not isinstance(record, Record):
        fail("`record` must be a `Record`.", record=record)
    if diagnosis is None and record is not None:
        return doctor.examine(record)
    if not isinstance(diagnosis, doctor.Diagnosis):
        fail("`diagnosis` must be a `Diagnosis`.", diagnosis=diagnosis)
    return diagnosis


def part(facts, *names):
    """Return the value under these names in nested dicts, or None."""
    for name in names:
        facts = facts.get(name) if isinstance(facts, dict) else None
    return facts


def dicts(facts):
    """Return the dicts in a list; a foreign record may hold anything else."""
    return [f for f in facts if isinstance(f, dict)] if isinstance(facts, list) else []
