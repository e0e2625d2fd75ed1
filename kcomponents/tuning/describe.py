"""Describe a search space as text, and count its configurations."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kcomponents._optional import require
from kcomponents.tuning._space_walk import count, space_of

if TYPE_CHECKING:
    import keras_tuner


def describe(
    hypermodel: "Callable | keras_tuner.HyperModel | keras_tuner.HyperParameters",
) -> str:
    """Describe a search space: one line for each hyperparameter, with its values.

    Args:
        hypermodel: Function `build(hp)`, `keras_tuner.HyperModel`, or
            `keras_tuner.HyperParameters`. The first two are built a few times, once for
            each conditional scope.

    Returns:
        String of several lines; `*` marks the default. Hyperparameters with a condition
        are indented under their parent, after `if`.

    Raises:
        ValueError: If `build` raises it; any error of `build` is passed on.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> hidden = tuning.activation(hp, choices=["relu", "maxout"])
        >>> print(tuning.describe(hp))
        activation: relu*, maxout
          if maxout: activation/pieces: 2 to 4, default 2
        4 configurations
    """
    space = space_of(hypermodel).space
    number = count(space)
    lines = [line for hp in space if not hp.conditions for line in _lines(hp, space)]
    if isinstance(number, float):
        return "\n".join([*lines, "infinitely many configurations"])
    plural = "" if number == 1 else "s"
    return "\n".join([*lines, f"{number:,} configuration{plural}"])


def size(
    hypermodel: "Callable | keras_tuner.HyperModel | keras_tuner.HyperParameters",
) -> int | float:
    """Return the number of configurations of a search space.

    A conditional hyperparameter counts only where its condition holds.

    Args:
        hypermodel: Function `build(hp)`, `keras_tuner.HyperModel`, or
            `keras_tuner.HyperParameters`. The first two are built a few times, once for
            each conditional scope.

    Returns:
        Int, or `math.inf` if there is a continuous range without a step.

    Raises:
        ValueError: If `build` raises it; any error of `build` is passed on.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> hidden = tuning.activation(hp, "activation", ["relu", "prelu", "maxout"])
        >>> tuning.size(hp)  # ReLU; PReLU shared or not; maxout of 2, 3 or 4 pieces
        6
    """
    return count(space_of(hypermodel).space)


def _lines(hp, space):
    """Return the line of a hyperparameter and the indented lines of its children."""
    own = f"{hp.name}: {_values(hp)}"
    if hp.conditions:
        values = ", ".join(map(_shown, hp.conditions[-1].values))
        own = f"if {values}: {own}"
    children = [
        child
        for child in space
        if child.conditions and _is_parent(hp, child.conditions)
    ]
    return [own, *(f"  {line}" for child in children for line in _lines(child, space))]


def _is_parent(hp, conditions):
    """Return whether the innermost condition is on this hyperparameter."""
    return conditions[-1].name == hp.name and conditions[:-1] == hp.conditions


def _values(hp):
    kinds = require("keras_tuner").engine.hyperparameters
    if isinstance(hp, kinds.Fixed):
        return f"always {_shown(hp.value)}"
    if not isinstance(hp, (kinds.Int, kinds.Float)):
        marked = [_shown(v) + "*" * (v == hp.default) for v in hp.values]
        return ", ".join(marked)
    scale = "" if hp.sampling == "linear" else f", {hp.sampling} scale"
    plain = hp.step is None or isinstance(hp, kinds.Int) and hp.step == 1
    step = "" if plain else f", step {_shown(hp.step)}"
    ends = f"{_shown(hp.min_value)} to {_shown(hp.max_value)}"
    return f"{ends}{scale}{step}, default {_shown(hp.default)}"


def _shown(value):
    return f"{value:.6g}" if isinstance(value, float) else str(value)
