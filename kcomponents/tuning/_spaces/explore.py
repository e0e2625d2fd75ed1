"""Find all hyperparameters of a space, and enumerate its configurations."""

from kcomponents.tuning._optional import needed

MOST_POINTS = 10


def build_with(hypermodel, hp):
    """Return what a `HyperModel` or a function `build(hp)` makes of these values."""
    if isinstance(hypermodel, needed("keras_tuner").HyperModel):
        return hypermodel.build(hp)
    return hypermodel(hp)


def space_of(hypermodel):
    """Return the space: of `HyperParameters` itself, else by exploring."""
    if isinstance(hypermodel, needed("keras_tuner").HyperParameters):
        return hypermodel
    return explore(hypermodel)


def declared(hypermodel):
    """Return the space that a `HyperModel` declares beforehand, else an empty one."""
    keras_tuner = needed("keras_tuner")
    hp = keras_tuner.HyperParameters()
    if isinstance(hypermodel, keras_tuner.HyperModel):
        hypermodel.declare_hyperparameters(hp)
    return hp


def explore(hypermodel):
    """Return all hyperparameters, with their defaults for values.

    The model is built once, and again for each conditional scope that was never active.
    """
    space = declared(hypermodel)
    open_scopes, seen = [[]], []
    while open_scopes:
        scope = open_scopes.pop(0)
        values = values_with(space, {c.name: c.values for c in scope})
        if scope in seen or not all(condition.is_active(values) for condition in scope):
            # Opened by another build, or by no value that its parent may have.
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
    """Return values for all that is active, the wanted ones where they may be.

    `wanted` maps a name to the values that will do, the best first; all else gets its
    default.
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
    kinds = needed("keras_tuner").engine.hyperparameters
    if isinstance(hp, (kinds.Int, kinds.Float)) and hp.step is None:
        return hp.min_value <= value <= hp.max_value
    return value in list(hp.values)


def configurations(hp):
    """Yield dicts of values: the product of all choices, children under their parents.

    Ranges without a step are taken at no more than ten points, both ends among them, in
    equal distances on their scale. The order is that of registration, the last one
    changing fastest.

    Args:
        hp: `keras_tuner.HyperParameters`.
    """
    yield from _go_on(hp.space, 0, {})


def _go_on(space, place, values):
    if place == len(space):
        yield dict(values)
        return
    hp = space[place]
    if hp.name in values or not is_active(hp, values):
        yield from _go_on(space, place + 1, values)
        return
    for value in points(hp):
        yield from _go_on(space, place + 1, {**values, hp.name: value})


def points(hp):
    """Return the values of a hyperparameter, of a range without a step a few."""
    kinds = needed("keras_tuner").engine.hyperparameters
    if isinstance(hp, kinds.Boolean):
        return [False, True]
    if not isinstance(hp, (kinds.Int, kinds.Float)):
        return list(dict.fromkeys(hp.values))
    if hp.step is not None:
        # Steps of floats are multiplied and may come out of the range by a rounding.
        found = [type(hp.default)(value) for value in hp.values]
        return [min(value, hp.max_value) for value in found]
    spread = [hp.prob_to_value(i / (MOST_POINTS - 1)) for i in range(MOST_POINTS)]
    return sorted({min(max(v, hp.min_value), hp.max_value) for v in spread})
