"""Let a search choose among the remedies of a diagnosis, for each setting."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kcomponents._checks import fail
from kcomponents.doctor import Diagnosis, Finding, Remedy
from kcomponents.tuning._choice_arguments import log_float

UNCHANGED = "unchanged"
# Settings whose values are the ends of a range, not the only choices.
RANGES = ("learning_rate",)


def space(
    remedies: Diagnosis | Finding | Remedy | Sequence[Finding | Remedy],
    *,
    settings: Iterable[str] | None = None,
) -> Callable[[Any], dict[str, Any]]:
    """Turn remedies into hyperparameters for a search.

    Each setting becomes a choice with its name: `"unchanged"`, the default, or one of
    the values of its remedies, in order. Two or more learning rates become a range,
    `learning_rate/value`, on a logarithmic scale. Remedies without values are skipped.

    Args:
        remedies: `kcomponents.doctor.Diagnosis`, a `Finding`, a `Remedy`, or a list of
            findings or remedies.
        settings: Optional names of the settings to use, for example the arguments of
            your `build` function, `inspect.signature(build).parameters`. Defaults to
            `None`, all settings.

    Returns:
        Function that takes `hp` and returns a dict of the settings to change, for
        `build(**settings(hp))`. Unchanged settings are not in it.

    Raises:
        ValueError: If no remedy has values to try, as in a healthy diagnosis, or if
            there is none for `settings`.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> from kcomponents.doctor import Diagnosis, Finding, Remedy
        >>> remedy = Remedy("hidden_activation", ("prelu", "leaky_relu"), "None dies.")
        >>> finding = Finding("dead_relu", "dense", ("Many.",), "high", (remedy,))
        >>> diagnosis = Diagnosis("not_learning", (finding,))
        >>> settings = tuning.space(diagnosis)
        >>> hp = keras_tuner.HyperParameters()
        >>> settings(hp)
        {}
        >>> hp.values["hidden_activation"] = "prelu"
        >>> settings(hp)
        {'hidden_activation': 'prelu'}
    """
    choices = values_by_setting(remedies)
    if not choices:
        rule = "There is nothing to search: no remedy has values to try."
        fail(rule, remedies=remedies)
    if settings is not None:
        named = {name: choices[name] for name in settings if name in choices}
        if not named:
            rule = f"`settings` must include one of {', '.join(choices)}."
            fail(rule, settings=list(settings))
        choices = named
    return RemedySettings(choices)


def values_by_setting(remedies):
    """Return setting → values of all its remedies, for settings that have values."""
    found = {}
    for remedy in _flat(remedies):
        values = found.setdefault(remedy.setting, [])
        values += [value for value in remedy.values if value not in values]
    return {setting: values for setting, values in found.items() if values}


def _flat(remedies, *, in_list=False):
    """Return a list of remedies from all that `space` accepts."""
    if isinstance(remedies, Remedy):
        return [remedies]
    if isinstance(remedies, Finding):
        return remedies.remedies
    if isinstance(remedies, Diagnosis):
        return [remedy for found in remedies.findings for remedy in found.remedies]
    if in_list or not isinstance(remedies, (list, tuple)):
        rule = "`remedies` must be a `Diagnosis`, or a list of findings or remedies."
        fail(rule, remedies=remedies)
    return [remedy for part in remedies for remedy in _flat(part, in_list=True)]


class RemedySettings:
    """Function of `hp` that returns the settings to change, as keyword arguments."""

    def __init__(self, choices):
        self.choices = choices

    def __repr__(self):
        return f"<RemedySettings {', '.join(self.choices)}>"

    def __call__(self, hp):
        chosen = {name: _choose(hp, name, v) for name, v in self.choices.items()}
        return {name: value for name, value in chosen.items() if value != UNCHANGED}


def _choose(hp, name, values):
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
