"""What a report is made of: a diagnosis and a record, either given or asked for."""

from kcomponents import doctor
from kcomponents._check import fail
from kcomponents.record import Record


def diagnosed(diagnosis, record) -> doctor.Diagnosis:
    """Return the diagnosis that was given, or that of the record."""
    if record is not None and not isinstance(record, Record):
        fail("`record` must be a `Record`.", record=record)
    if diagnosis is None and record is not None:
        return doctor.examine(record)
    if not isinstance(diagnosis, doctor.Diagnosis):
        fail("`diagnosis` must be a `Diagnosis`.", diagnosis=diagnosis)
    return diagnosis


def part(facts, *names):
    """Return what stands in nested dicts under these names, or None."""
    for name in names:
        facts = facts.get(name) if isinstance(facts, dict) else None
    return facts


def dicts(facts):
    """Return those members of a list that are dicts; a stranger's may be anything."""
    return [f for f in facts if isinstance(f, dict)] if isinstance(facts, list) else []
