"""describe: a search space in words."""

from kcomponents.tuning._optional import needed
from kcomponents.tuning._spaces.explore import space_of
from kcomponents.tuning._spaces.size import count


def describe(hypermodel):
    """Return a search space as text: each hyperparameter, children under their parents.

    Args:
        hypermodel: Function `build(hp)`, `keras_tuner.HyperModel`, or
            `keras_tuner.HyperParameters`. The first two are built a few times, once for
            each conditional scope.

    Returns:
        String of several lines; `*` marks the value that a search begins with. A
        condition stands before what it holds for.

    Raises:
        ValueError: If `build` refuses its values; any error of it is passed on.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> hidden = tuning.activation(hp, choices=["relu", "maxout"])
        >>> print(tuning.describe(hp))
        activation: relu*, maxout
          if maxout: activation/pieces: 2 to 4, begins with 2
        4 configurations
    """
    space = space_of(hypermodel).space
    number = count(space)
    lines = [line for hp in space if not hp.conditions for line in _lines(hp, space)]
    if isinstance(number, float):
        return "\n".join([*lines, "any number of configurations"])
    plural = "" if number == 1 else "s"
    return "\n".join([*lines, f"{number:,} configuration{plural}"])


def _lines(hp, space):
    """Return the line of a hyperparameter and, indented, those of its children."""
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
    """Tell whether the innermost condition is about this very hyperparameter."""
    return conditions[-1].name == hp.name and conditions[:-1] == hp.conditions


def _values(hp):
    kinds = needed("keras_tuner").engine.hyperparameters
    if isinstance(hp, kinds.Fixed):
        return f"always {_shown(hp.value)}"
    if not isinstance(hp, (kinds.Int, kinds.Float)):
        marked = [_shown(v) + "*" * (v == hp.default) for v in hp.values]
        return ", ".join(marked)
    scale = "" if hp.sampling == "linear" else f", {hp.sampling} scale"
    plain = hp.step is None or isinstance(hp, kinds.Int) and hp.step == 1
    step = "" if plain else f", step {_shown(hp.step)}"
    ends = f"{_shown(hp.min_value)} to {_shown(hp.max_value)}"
    return f"{ends}{scale}{step}, begins with {_shown(hp.default)}"


def _shown(value):
    return f"{value:.6g}" if isinstance(value, float) else str(value)
