"""Find all hyperparameters of a search space, and list its configurations."""

from kcomponents.tuning._optional import needed

MOST_POINTS = 10


def build_with(hypermodel, hp):
    """Return the model that a `HyperModel` or a function `build(hp)` builds."""
    if isinstance(hypermodel, needed("keras_tuner").HyperModel):
        return hypermodel.build(hp)
    return hypermodel(hp)


def space_of(hypermodel):
    """Return `HyperParameters` as they are, or explore a hypermodel."""
    if isinstance(hypermodel, needed("keras_tuner").HyperParameters):
        return hypermodel
    return explore(hypermodel)


def declared(hypermodel):
    """Return the hyperparameters that a `HyperModel` declares, or an empty space."""
    keras_tuner = needed("keras_tuner")
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
    kinds = needed("keras_tuner").engine.hyperparameters
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
    kinds = needed("keras_tuner").engine.hyperparameters
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
