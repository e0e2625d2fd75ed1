"""validate: try every branch of a search space before the search."""

from kcomponents._check import fail
from kcomponents.tuning._optional import needed
from kcomponents.tuning._spaces.batch import first_rows, try_step
from kcomponents.tuning._spaces.cover import Cover
from kcomponents.tuning._spaces.explore import build_with, declared, values_with


def validate(hypermodel, x=None, y=None):
    """Build every branch of a search space, and train each on a batch of four rows.

    Each value of each choice is tried at least once, as are both ends of each range,
    with the conditions that they depend on; not all combinations. Several values are
    tried by one model, so that it takes about as many models as the longest choice has
    values. If one fails, what it does not fail by is set back to its default, so that
    the message names the culprits.

    Args:
        hypermodel: Function `build(hp)` or `keras_tuner.HyperModel`; its `fit` is not
            called.
        x: Optional array of inputs, or a structure of them, of which the first rows are
            taken. Defaults to `None`, random numbers of the shape the model asks for.
        y: The same for the targets. Defaults to `None`: zeros of the outputs' shape,
            class numbers for a loss whose name begins with `"sparse"`; of a model with
            several losses only the outputs are computed.

    Returns:
        List of dicts, the values tried.

    Raises:
        ValueError: If a model cannot be built or trained, naming the values.

    Example:
        >>> import keras
        >>> from kcomponents import tuning
        >>> def build(hp):
        ...     hidden = tuning.activation(hp, choices=["relu", "maxout:2"])
        ...     model = keras.Sequential([
        ...         keras.Input((4,)), *hidden.dense(8), keras.layers.Dense(1)
        ...     ])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> tuning.validate(build)[0]
        {'activation': 'relu'}
    """
    if not callable(getattr(hypermodel, "build", hypermodel)):
        rule = "`hypermodel` must be a function `build(hp)` or a `HyperModel`."
        fail(rule, hypermodel=hypermodel)
    x, y = (None if data is None else first_rows(data) for data in (x, y))
    space, tried = declared(hypermodel), []
    for values in Cover(space):
        tried.append(values)
        if error := _error(hypermodel, space, values, x, y):
            values = _culprits(hypermodel, space, values, x, y)
            told = f"{type(error).__name__}: {error}"
            raise ValueError(f"`build` fails with {values or tried[0]}: {told}") from (
                error
            )
    return tried


def _error(hypermodel, space, values, x, y):
    """Return the error of a model with these values, or None; let the space grow."""
    hp = needed("keras_tuner").HyperParameters.from_config(space.get_config())
    hp.values = dict(values)
    try:
        model = build_with(hypermodel, hp)
        # Not every search is for a Keras model.
        if hasattr(model, "train_on_batch"):
            try_step(model, x, y)
    except Exception as error:
        return error
    finally:
        space.merge(hp, overwrite=False)
        values |= {name: hp.values[name] for name in hp.values if name not in values}
    return None


def _culprits(hypermodel, space, values, x, y):
    """Return the values without which it would not fail."""
    kept = {k: [v] for k, v in values.items() if v != values_with(space, {}).get(k)}
    for name in list(kept):
        fewer = {key: value for key, value in kept.items() if key != name}
        tried = values_with(space, fewer)
        if _error(hypermodel, space, tried, x, y):
            kept = fewer
    return {name: value for name, [value] in kept.items()}
