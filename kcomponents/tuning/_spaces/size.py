"""Count the configurations of a search space without listing them."""

import math

from kcomponents.tuning._optional import needed
from kcomponents.tuning._spaces.explore import is_active, may_be, points


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
    kinds = needed("keras_tuner").engine.hyperparameters
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
