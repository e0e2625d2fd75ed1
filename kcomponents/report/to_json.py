"""A diagnosis as JSON, for other programs."""

from kcomponents import _json_values
from kcomponents.doctor import Diagnosis
from kcomponents.record import Record
from kcomponents.report._contents import (
    diagnosis_of,
    missing_facts,
    settings_of,
    versions_of,
)


def to_json(diagnosis: Diagnosis | None, record: Record | None = None) -> str:
    """Return a diagnosis as one line of strict JSON.

    NaN and infinity become the strings `"nan"`, `"inf"` and `"-inf"`.

    Args:
        diagnosis: `Diagnosis`, or `None` to examine the record.
        record: `Record` of the run, which adds `"settings"`, `"versions"` and
            `"missing"`. Defaults to `None`, without these keys.

    Returns:
        String: a JSON object with the keys of `Diagnosis.to_dict`, which are
        `"verdict"`, `"sentence"`, `"findings"` and `"notes"`, and the record's keys.

    Raises:
        ValueError: If both are `None`, or one has another type.

    Example:
        >>> from kcomponents.doctor import Diagnosis
        >>> from kcomponents.report import to_json
        >>> print(to_json(Diagnosis("healthy", ())))
        {"verdict": "healthy", "sentence": "No problems found.",
        "findings": [], "notes": []}
    """
    report = _json_values.plain(diagnosis_of(diagnosis, record).to_dict())
    if record is not None:
        report["settings"] = settings_of(record)
        report["versions"] = versions_of(record)
        report["missing"] = list(missing_facts(record))
    return _json_values.to_json(report)
