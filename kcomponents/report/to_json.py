"""to_json: a diagnosis and what it was made from, for other programs."""

from kcomponents import _plain
from kcomponents.doctor import Diagnosis
from kcomponents.record import Record
from kcomponents.report._given import diagnosed
from kcomponents.report._progress import missing
from kcomponents.report._settings import settings_of, versions_of


def to_json(diagnosis: Diagnosis | None, record: Record | None = None) -> str:
    """Return a diagnosis as one line of strict JSON.

    NaN and infinities stand as the strings `"nan"`, `"inf"` and `"-inf"`.

    Args:
        diagnosis: `Diagnosis`, or `None` to have the record examined.
        record: `Record` that the diagnosis is of, for `"settings"`, `"versions"` and
            `"missing"`. Defaults to `None`, without them.

    Returns:
        String: an object of `"verdict"`, `"sentence"`, `"findings"` and `"notes"`, as
        `Diagnosis.to_dict` says, and what the record adds.

    Raises:
        ValueError: If neither is given, or one is something else.

    Example:
        >>> from kcomponents.doctor import Diagnosis
        >>> from kcomponents.report import to_json
        >>> print(to_json(Diagnosis("healthy", ())))
        {"verdict": "healthy", "sentence": "Nothing is wrong with this training.",
        "findings": [], "notes": []}
    """
    told = _plain.plain(diagnosed(diagnosis, record).to_dict())
    if record is not None:
        told["settings"] = settings_of(record)
        told["versions"] = versions_of(record)
        told["missing"] = list(missing(record))
    return _plain.to_json(told)
