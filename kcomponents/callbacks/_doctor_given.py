"""Checks and conversions of the arguments and logs that the doctor gets."""

from kcomponents._check import fail
from kcomponents.doctor import LABELS, RULES, VERDICTS


def labels_known(stop_on, rules):
    """Return `stop_on` as a set; raise if it contains an unknown label or verdict."""
    given = {stop_on} if isinstance(stop_on, str) else set(stop_on)
    # The labels of custom rules are unknown until they return findings.
    custom = any(callable(rule) and rule not in RULES for rule in rules)
    if not custom and (unknown := given - set(LABELS) - set(VERDICTS)):
        rule = "`stop_on` must contain only these verdicts and labels"
        unknown = sorted(unknown, key=str)
        fail(f"{rule}: {', '.join([*VERDICTS, *LABELS])}.", stop_on=unknown)
    return given


def numbers(logs):
    """Return the entries of logs that are numbers, as Python floats."""
    found = {}
    for name, value in (logs or {}).items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError):
            continue
    return found
