"""Remedies as hyperparameters: one choice for each setting."""

import json

from kcomponents._check import fail
from kcomponents.doctor import Diagnosis, Finding, Remedy
from kcomponents.tuning._spaces.ranges import log_float

UNCHANGED = "unchanged"
# Settings whose values are the ends of a range, not the only choices.
RANGES = ("learning_rate",)


def merged(remedies):
    """Return setting → values of all its remedies, for settings that have values."""
    found = {}
    for remedy in _remedies(remedies):
        values = found.setdefault(remedy.setting, [])
        values += [value for value in remedy.values if value not in values]
    return {setting: values for setting, values in found.items() if values}


def _remedies(given, *, listed=False):
    if isinstance(given, Remedy):
        return [given]
    if isinstance(given, Finding):
        return given.remedies
    if isinstance(given, Diagnosis):
        return [remedy for finding in given.findings for remedy in finding.remedies]
    if listed or not isinstance(given, (list, tuple)):
        rule = "`remedies` must be a `Diagnosis`, or a list of findings or remedies."
        fail(rule, remedies=given)
    return [remedy for one in given for remedy in _remedies(one, listed=True)]


class Settings:
    """Function of `hp` that returns the settings to change, as keyword arguments."""

    def __init__(self, choices):
        self.choices = choices

    def __repr__(self):
        return f"<Settings {', '.join(self.choices)}>"

    def __call__(self, hp):
        chosen = {name: _chosen(hp, name, v) for name, v in self.choices.items()}
        return {name: value for name, value in chosen.items() if value != UNCHANGED}


def _chosen(hp, name, values):
    if name in RANGES and len(values) > 1 and min(values) > 0:
        bounds = min(values), max(values)
        chosen = hp.Choice(name, [UNCHANGED, "changed"])
        with hp.conditional_scope(name, ["changed"]):
            number = log_float(hp, f"{name}/value", bounds, values[0])
        return chosen if chosen == UNCHANGED else number
    # A `Choice` needs values of one type, without `None` and tuples.
    texts = {_text(value): value for value in values}
    return {UNCHANGED: UNCHANGED, **texts}[hp.Choice(name, [UNCHANGED, *texts])]


def _text(value):
    return value if isinstance(value, str) else json.dumps(value)
