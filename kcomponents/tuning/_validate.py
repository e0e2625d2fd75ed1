"""validate: build and train every branch of a search space before the search."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kcomponents._check import fail
from kcomponents.tuning._optional import needed
from kcomponents.tuning._spaces.batch import first_rows, try_step
from kcomponents.tuning._spaces.cover import Cover
from kcomponents.tuning._spaces.explore import build_with, declared, values_with

if TYPE_CHECKING:
    import keras_tuner


def validate(
    hypermodel: "Callable | keras_tuner.HyperModel", x: Any = None, y: Any = None
) -> list[dict[str, Any]]:
    """Build every branch of a search space, and train each on a batch of four samples.

    Each value of each choice is tried at least once, as are both ends of each range,
    but not all combinations. One model tries several values: the number of models is
    about the number of values of the longest choice. If a model fails, the values that
    do not matter are reset to their defaults; the error lists only the others.

    Args:
        hypermodel: Function `build(hp)` or `keras_tuner.HyperModel`; its `fit` is not
            called.
        x: Optional array of inputs, or a structure of arrays; the first four samples
            are used. Defaults to `None`, random numbers of the model's input shape.
        y: Optional targets, as `x`. Defaults to `None`: zeros of the output shape, or
            class 0 for a loss whose name starts with `"sparse"`. A model with several
            outputs is only called, not trained.

    Returns:
        List of dicts, the hyperparameters that were tried.

    Raises:
        ValueError: If a model cannot be built or trained. The message lists the values
            that cause it.

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
            reason = f"{type(error).__name__}: {error}"
            shown = values or tried[0]
            raise ValueError(f"`build` fails with {shown}: {reason}") from error
    return tried


def _error(hypermodel, space, values, x, y):
    """Return the error of a model with these values, or None; update the space."""
    hp = needed("keras_tuner").HyperParameters.from_config(space.get_config())
    hp.values = dict(values)
    try:
        model = build_with(hypermodel, hp)
        # A search may be for something else than a Keras model.
        if hasattr(model, "train_on_batch"):
            try_step(model, x, y)
    except Exception as error:
        return error
    finally:
        space.merge(hp, overwrite=False)
        values |= {name: hp.values[name] for name in hp.values if name not in values}
    return None


def _culprits(hypermodel, space, values, x, y):
    """Return the values that are needed for the error."""
    kept = {k: [v] for k, v in values.items() if v != values_with(space, {}).get(k)}
    for name in list(kept):
        fewer = {key: value for key, value in kept.items() if key != name}
        tried = values_with(space, fewer)
        if _error(hypermodel, space, tried, x, y):
            kept = fewer
    return {name: value for name, [value] in kept.items()}
