"""apply: make the change that a remedy suggests, on a copy of a program."""

from typing import Any

import keras

from kcomponents._checks import fail
from kcomponents.doctor import Finding, Remedy
from kcomponents.treatment._forks import fork
from kcomponents.treatment._settings import CHANGES, NotApplicable, Program


def apply(
    remedy: Remedy,
    model: keras.Model,
    fit: dict[str, Any] | None = None,
    *,
    value: Any = None,
    finding: Finding | None = None,
) -> tuple[keras.Model, dict[str, Any]]:
    """Return a copy of a model and of the arguments of its `fit`, with a remedy.

    Neither the model nor the arrays in `fit` are changed.

    Args:
        remedy: `kcomponents.doctor.Remedy`.
        model: Compiled Keras model, which is copied with its weights, or a function
            without arguments that returns one.
        fit: Dict of arguments of `fit`, with arrays as `"x"` and `"y"` if the remedy
            changes data. Defaults to `None`, for no arguments.
        value: The value to set. Defaults to `None`: the first one of the remedy.
        finding: `kcomponents.doctor.Finding` of the remedy, whose place says which
            layer or output to change, where a remedy changes one. Defaults to `None`.

    Returns:
        Pair of the compiled model and the dict of arguments.

    Raises:
        ValueError: If the remedy cannot be applied by itself: it is a step to take by
            hand, needs new layers, or does not fit the model or the data.

    Example:
        >>> import keras
        >>> from kcomponents.doctor import Remedy
        >>> from kcomponents.treatment import apply
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(9.0), "mse")
        >>> remedy = Remedy("learning_rate", (0.01,), "It stops overshooting.")
        >>> better, _ = apply(remedy, model)
        >>> round(float(better.optimizer.learning_rate), 4)
        0.01
    """
    if not isinstance(remedy, Remedy):
        fail("`remedy` must be a `kcomponents.doctor.Remedy`.", remedy=remedy)
    if remedy.setting not in CHANGES:
        known = ", ".join(sorted(CHANGES))
        rule = f"`remedy` must be a change of one of these settings: {known}."
        fail(rule, setting=remedy.setting)
    if value is None and remedy.values:
        value = remedy.values[0]
    where = "" if finding is None else finding.where
    program = Program(fork(model), fit or {}, where)
    try:
        program.set(remedy.setting, value)
    except NotApplicable as reason:
        rule = f"`remedy` must be one that can be applied by itself: {reason}."
        fail(rule, setting=remedy.setting, value=value)
    return program.model, program.fit
