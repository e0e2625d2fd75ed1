"""space: turn the doctor's remedies into a search space."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kcomponents._check import fail
from kcomponents.doctor import Diagnosis, Finding, Remedy
from kcomponents.tuning._spaces.remedies import Settings, merged


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
    found = merged(remedies)
    if not found:
        rule = "There is nothing to search: no remedy has values to try."
        fail(rule, remedies=remedies)
    if settings is not None:
        taken = {name: found[name] for name in settings if name in found}
        if not taken:
            rule = f"`settings` must include one of {', '.join(found)}."
            fail(rule, settings=list(settings))
        found = taken
    return Settings(found)
