"""What the doctor is given, checked and made plain: labels to stop on, and logs."""

from kcomponents._check import fail
from kcomponents.doctor import LABELS, RULES, VERDICTS


def labels_known(stop_on, rules):
    """Return labels or verdicts as a set, or refuse what no rule can find."""
    given = {stop_on} if isinstance(stop_on, str) else set(stop_on)
    own = any(callable(rule) and rule not in RULES for rule in rules)
    if not own and (unknown := given - set(LABELS) - set(VERDICTS)):
        rule = "`stop_on` must hold labels of rules or verdicts"
        unknown = sorted(unknown, key=str)
        fail(f"{rule}: {', '.join([*VERDICTS, *LABELS])}.", stop_on=unknown)
    return given


def numbers(logs):
    """Return what is a number in logs, as Python floats."""
    found = {}
    for name, value in (logs or {}).items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError):
            continue
    return found
