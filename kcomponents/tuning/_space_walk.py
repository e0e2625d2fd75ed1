"""Find the hyperparameters of a search space; list and count its configurations."""

import math

from kcomponents._activation_traits import ALIASES, COMPARING, TRAITS
from kcomponents._optional import require

MOST_POINTS = 10


def build_with(hypermodel, hp):
    """Return the model that a `HyperModel` or a function `build(hp)` builds."""
    if isinstance(hypermodel, require("keras_tuner").HyperModel):
        return hypermodel.build(hp)
    return hypermodel(hp)


def space_of(hypermodel):
    """Return `HyperParameters` as they are, or explore a hypermodel."""
    if isinstance(hypermodel, require("keras_tuner").HyperParameters):
        return hypermodel
    return explore(hypermodel)


def declared(hypermodel):
    """Return the hyperparameters that a `HyperModel` declares, or an empty space."""
    keras_tuner = require("keras_tuner")
    hp = keras_tuner.HyperParameters()
    if isinstance(hypermodel, keras_tuner.HyperModel):
        hypermodel.declare_hyperparameters(hp)
    return hp


def explore(hypermodel):
    """Return all hyperparameters, with their default values.

    The model is built once, and again for each conditional scope that was not active.
    """
    space = declared(hypermodel)
    open_scopes, seen = [[]], []
    while open_scopes:
        scope = open_scopes.pop(0)
        values = values_with(space, {c.name: c.values for c in scope})
        if scope in seen or not all(condition.is_active(values) for condition in scope):
            # Another build explored it, or its parent cannot have a value for it.
            continue
        hp = space.copy()
        hp.values = values
        build_with(hypermodel, hp)
        space.merge(hp, overwrite=False)
        seen += [scope, *hp.active_scopes]
        open_scopes += [s for s in hp.inactive_scopes if s not in open_scopes]
    space.values = values_with(space, {})
    return space


def values_with(space, wanted):
    """Return values of all active hyperparameters.

    `wanted` maps a name to values in order of preference; the first possible one is
    used, or else the default.
    """
    values = {}
    for hp in space.space:
        if hp.name not in values and is_active(hp, values):
            allowed = [v for v in wanted.get(hp.name, ()) if may_be(hp, v)]
            values[hp.name] = allowed[0] if allowed else hp.default
    return values


def is_active(hp, values):
    """Return whether a hyperparameter's conditions hold."""
    return all(condition.is_active(values) for condition in hp.conditions)


def may_be(hp, value):
    """Return whether a hyperparameter can have that value."""
    kinds = require("keras_tuner").engine.hyperparameters
    if isinstance(hp, (kinds.Int, kinds.Float)) and hp.step is None:
        return hp.min_value <= value <= hp.max_value
    return value in list(hp.values)


def configurations(hp):
    """Yield all configurations as dicts of values.

    A range without a step counts as at most ten points, including both ends, equally
    spaced on its scale. The hyperparameter that was registered last changes fastest.

    Args:
        hp: `keras_tuner.HyperParameters`.
    """
    yield from _extended(hp.space, 0, {})


def _extended(space, place, values):
    if place == len(space):
        yield dict(values)
        return
    hp = space[place]
    if hp.name in values or not is_active(hp, values):
        yield from _extended(space, place + 1, values)
        return
    for value in points(hp):
        yield from _extended(space, place + 1, {**values, hp.name: value})


def points(hp):
    """Return the values of a hyperparameter, at most ten of a range without a step."""
    kinds = require("keras_tuner").engine.hyperparameters
    if isinstance(hp, kinds.Boolean):
        return [False, True]
    if not isinstance(hp, (kinds.Int, kinds.Float)):
        return list(dict.fromkeys(hp.values))
    if hp.step is not None:
        # Rounding errors of float steps may exceed the range.
        values = [type(hp.default)(value) for value in hp.values]
        return [min(value, hp.max_value) for value in values]
    spread = [hp.prob_to_value(i / (MOST_POINTS - 1)) for i in range(MOST_POINTS)]
    return sorted({min(max(v, hp.min_value), hp.max_value) for v in spread})


# Count configurations without listing them


def count(space):
    """Return the number of configurations: the product over independent groups.

    Only values that appear in conditions are treated separately, so many values cost no
    extra time.
    """
    return math.prod(_count(group, {}) for group in _groups(space))


def _count(group, values):
    """Count the configurations of a group, given the values of its parents."""
    for place, hp in enumerate(group):
        if hp.name in values or not is_active(hp, values):
            continue
        rest = group[place + 1 :]
        named = _named(hp.name, rest)
        if not named:
            return number_of(hp) * _count(rest, {**values, hp.name: None})
        special = [value for value in dict.fromkeys(named) if may_be(hp, value)]
        others = number_of(hp) - len(special)
        total = sum(_count(rest, {**values, hp.name: value}) for value in special)
        if others > 0:
            total += others * _count(rest, {**values, hp.name: None})
        return total
    return 1


def _named(name, group):
    """Return the values of a hyperparameter that appear in conditions of the group."""
    conditions = [c for hp in group for c in hp.conditions if c.name == name]
    return [value for condition in conditions for value in condition.values]


def number_of(hp):
    """Return the number of values of a hyperparameter, inf for a continuous range."""
    kinds = require("keras_tuner").engine.hyperparameters
    if isinstance(hp, (kinds.Int, kinds.Float)) and hp.step is None:
        if isinstance(hp, kinds.Int):
            return hp.max_value - hp.min_value + 1
        return math.inf if hp.max_value > hp.min_value else 1
    return len(points(hp))


def _groups(space):
    """Return groups of hyperparameters, without conditions between two groups."""
    groups = []
    for hp in space:
        names = {hp.name, *(condition.name for condition in hp.conditions)}
        joined = [group for group in groups if names & {other.name for other in group}]
        groups = [group for group in groups if group not in joined]
        groups.append([*(hp for group in joined for hp in group), hp])
    order = {id(hp): place for place, hp in enumerate(space)}
    return [sorted(group, key=lambda hp: order[id(hp)]) for group in groups]


# Which hyperparameter is the activation, and which the regularizer

# Without activations that compare all units, such as softmax.
ACTIVATIONS = {*TRAITS, *ALIASES, "none"} - COMPARING
REGULARIZERS = {"elastic_net", "group_lasso", "l1", "l1_l2", "l1l2", "l2", "none"}


def activation_of(space):
    """Return the name of the first choice among activations, or None."""
    return _first(space, ACTIVATIONS)


def regularizer_of(space):
    """Return the name of the first choice among regularizers, or None."""
    return _first(space, REGULARIZERS)


def _first(space, kinds):
    for hp in space.space:
        values = getattr(hp, "values", None) or []
        # "maxout:3" is a maxout.
        names = {str(value).split(":")[0] for value in values}
        if len(names) > 1 and names <= kinds:
            return hp.name
    return None
