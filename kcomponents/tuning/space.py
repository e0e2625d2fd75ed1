"""space: a search space made of the remedies that the doctor proposes."""

from kcomponents._check import fail
from kcomponents.tuning._spaces.remedies import Settings, merged


def space(remedies, *, settings=None):
    """Return a function that lets a search try out remedies.

    Each setting becomes a choice of its own name, of `"unchanged"`, with which the
    search begins, and the values of all remedies for it, in order. Two or more learning
    rates become a range, `learning_rate/value`, on a logarithmic scale. Remedies
    without values are advice and are left out.

    Args:
        remedies: `kcomponents.doctor.Diagnosis`, or a list of findings or remedies.
        settings: Optional strings, the settings to take; those that `build` does not
            know, `epochs` for example, would be refused by it. `inspect.signature(
            build).parameters` will do. Defaults to `None`, all of them.

    Returns:
        Callable that takes `hp` and returns a dict of the settings to change, for
        `build(**settings)`. A setting that stays as it is is not in it.

    Raises:
        ValueError: If no remedy has values, as where nothing is wrong, or there is none
            for the settings asked for.

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
        rule = "No remedy has values to try: there is nothing to cure."
        fail(rule, remedies=remedies)
    if settings is not None:
        taken = {name: found[name] for name in settings if name in found}
        if not taken:
            rule = f"No remedy is for these; there are some for {', '.join(found)}."
            fail(rule, settings=list(settings))
        found = taken
    return Settings(found)
