"""The values in a store, each checked for its form where it enters.

Anyone who may write to a shared journal or database may have written what is in it. A
slot names a folder that is written and deleted, so it must be a name and nothing else.
"""

import datetime
import math
import re

import optuna

from kcomponents._json_values import plain
from kcomponents._text import clean

# "7", "full-7", "repeat-7-0" or "repeat-full-7-0".
SLOT = re.compile(r"(full-)?[0-9]{1,9}|repeat-(full-)?[0-9]{1,9}-[0-9]{1,9}")
LABEL = re.compile(r"[a-z][a-z0-9_]{0,59}")
KINDS = "search", "baseline", "full", "repeat"
# Classes of keras-tuner that a search space consists of.
CHOICES, CONDITIONS = ("Boolean", "Choice", "Fixed", "Float", "Int"), ("Parent",)
# The most characters of the name of a worker.
LONGEST_NAME = 300
# Larger integers may not fit into a float, or have too many digits to be shown.
LARGEST = 2**63
# Seconds since 1970: the end of the year 9999, the last one that Python can show.
LAST_SECOND = 253402300799 - 86400


# Forms of values.


def is_slot(value):
    """Return whether a value is the name of a trial, which a path may contain."""
    return isinstance(value, str) and SLOT.fullmatch(value) is not None


def _is_kind(value):
    return isinstance(value, str) and value in KINDS


def _is_label(value):
    return isinstance(value, str) and LABEL.fullmatch(value) is not None


def _is_text(value):
    return isinstance(value, str)


def _is_name(value):
    is_short = isinstance(value, str) and 0 < len(value) <= LONGEST_NAME
    return is_short and clean(value, keep="") == value


def _is_flag(value):
    return isinstance(value, bool)


def _is_count(value):
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return is_whole and 0 <= value < LARGEST


def _is_positive(value):
    return _is_count(value) and value > 0


def _is_number(value):
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or -LARGEST < value < LARGEST


def _is_amount(value):
    return _is_number(value) and math.isfinite(value) and value >= 0


def _is_time(value):
    return _is_amount(value) and value < LAST_SECOND


def _is_scalar(value):
    return value is None or isinstance(value, bool | str) or _is_number(value)


def _is_plain(value):
    # A store has only what JSON can hold; `plain` checks the depth.
    return isinstance(value, dict) and plain(value) is not None


def _is_dict_of(value, form):
    is_dict = isinstance(value, dict) and all(isinstance(key, str) for key in value)
    return is_dict and all(map(form, value.values()))


def _is_list_of(value, form):
    return isinstance(value, list) and all(map(form, value))


def _are_values(value):
    return _is_dict_of(value, _is_scalar)


def _are_texts(value):
    return _is_dict_of(value, _is_text)


def _are_curves(value):
    return _is_dict_of(value, lambda curve: _is_list_of(curve, _is_number))


def _is_objective(value):
    is_whole = isinstance(value, dict) and value.keys() == {"name", "direction"}
    return is_whole and _is_text(value["name"]) and value["direction"] in ("min", "max")


def _are_settings(value):
    if not _are_values(value) or not all(map(_is_label, value)):
        return False
    counts = (value.get(name) for name in ("max_trials", "seed"))
    return all(count is None or _is_count(count) for count in counts)


def _is_space(value):
    """Return whether a value is the config of keras-tuner's `HyperParameters`.

    Only its own classes are named: Keras would make any registered class otherwise.
    """
    if not _is_plain(value) or not isinstance(value.get("values"), dict):
        return False
    return _is_list_of(value.get("space"), _is_hyperparameter)


def _is_hyperparameter(value):
    if not _is_object(value, CHOICES) or not _is_text(value["config"].get("name")):
        return False
    conditions = value["config"].get("conditions", [])
    return _is_list_of(conditions, lambda each: _is_object(each, CONDITIONS))


def _is_object(value, classes):
    is_config = isinstance(value, dict) and value.keys() == {"class_name", "config"}
    return (
        is_config
        and isinstance(value["class_name"], str)
        and value["class_name"] in classes
        and isinstance(value["config"], dict)
    )


# What a store may hold: name → form, what the value must be, whether it may be `None`.

COUNT = _is_count, "a whole number of at least 0", True
AMOUNT = _is_amount, "a finite number of at least 0", True
OF_TRIAL = {
    "slot": (is_slot, "a name such as '7', 'full-7' or 'repeat-7-0'", False),
    "kind": (_is_kind, f"one of {', '.join(KINDS)}", False),
    "of": (is_slot, "the slot of another trial", True),
    "owner": (_is_name, "a name of printable characters", True),
    "beat": COUNT,
    "lost": (_is_count, "a whole number of at least 0", False),
    "attempts": (_is_count, "a whole number of at least 0", False),
    "values": (_are_values, "a dict of numbers, strings, booleans and None", False),
    "seed": COUNT,
    "started": (_is_time, "a time in seconds since 1970", True),
    "reason": (_is_label, "a word such as 'out_of_memory'", True),
    "message": (_is_text, "a string", False),
    "score": (_is_number, "a number", True),
    "best_epoch": COUNT,
    "epochs": COUNT,
    "curves": (_are_curves, "a dict of lists of numbers", True),
    "seconds": AMOUNT,
    "peak_memory": AMOUNT,
    "parameters": COUNT,
    "reused": (_is_flag, "a boolean", False),
    "versions": (_are_texts, "a dict of strings", True),
}
OF_SEARCH = {
    "fingerprint": (_is_plain, "a dict", False),
    "settings": (_are_settings, "the settings of a search", False),
    "objective": (_is_objective, "a dict of a name and a direction", False),
    "epochs": (_is_positive, "a whole number of at least 1", False),
    "versions": (_are_texts, "a dict of strings", False),
    "space": (_is_space, "the search space of keras-tuner", False),
    "command": (_is_text, "a string", True),
    "stop": (_is_flag, "a boolean", False),
}


def check_facts(facts):
    """Raise a ValueError if a fact about a search has not the form it must have.

    Args:
        facts: Dict of the attributes of a study, which may also have others.
    """
    _check("search", facts, OF_SEARCH)


def check_trial(frozen):
    """Raise a ValueError if a trial has an attribute that no search writes.

    Args:
        frozen: Optuna's frozen trial. One without a slot was added by another program:
            only the parts that Optuna itself reads are checked.
    """
    subject, facts = f"trial {frozen.number}", frozen.user_attrs
    _check_parts_of_optuna(subject, frozen)
    if not isinstance(facts, dict):
        _refuse(subject, "user_attrs", facts, "a dict")
    if "slot" not in facts:
        return
    _check(subject, facts, OF_TRIAL)
    if "kind" not in facts:
        _refuse(subject, "kind", None, OF_TRIAL["kind"][1])
    if facts.get("score") is not None and "values" not in facts:
        _refuse(subject, "values", None, "present in a trial with a score")


def _check_parts_of_optuna(subject, frozen):
    reports = frozen.intermediate_values
    for name, value in (("steps", [*reports]), ("reports", [*reports.values()])):
        form = _is_count if name == "steps" else _is_number
        if not _is_list_of(value, form):
            _refuse(subject, name, value, "a list of numbers")
    values, state = frozen.values or [], frozen.state
    if not _is_list_of(values, _is_number) or len(values) > 1:
        _refuse(subject, "values", values, "a list of one number")
    started, ended = frozen.datetime_start, frozen.datetime_complete
    if state.name != "WAITING" and not isinstance(started, datetime.datetime):
        _refuse(subject, "datetime_start", started, "present in a trial that began")
    if state.is_finished() and not isinstance(ended, datetime.datetime):
        _refuse(subject, "datetime_complete", ended, "present in a trial that ended")
    # Optuna does not check what it reads, but checks what it makes.
    optuna.trial.create_trial(
        state=state,
        values=frozen.values,
        params=frozen.params,
        distributions=frozen.distributions,
    )


def _check(subject, facts, forms):
    for name, (has_form, what, may_be_none) in forms.items():
        if name not in facts or may_be_none and facts[name] is None:
            continue
        if not has_form(facts[name]):
            _refuse(subject, name, facts[name], what)


def _refuse(subject, name, value, what):
    shown = repr(value)
    shown = shown if len(shown) <= 200 else f"{shown[:100]} ... {shown[-100:]}"
    raise ValueError(f"`{name}` of {subject} must be {what}, not {shown}")
