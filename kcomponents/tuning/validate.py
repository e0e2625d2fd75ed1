"""Build and train every branch of a search space before the search."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kcomponents._backends import carries_state
from kcomponents._checks import fail
from kcomponents._optional import require
from kcomponents.tuning._space_walk import build_with, declared, points, values_with

if TYPE_CHECKING:
    import keras_tuner

SAMPLES = 4
# Size of an axis that is `None`.
UNKNOWN = 8


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
    x, y = (None if data is None else first_samples(data) for data in (x, y))
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
    hp = require("keras_tuner").HyperParameters.from_config(space.get_config())
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
    defaults = values_with(space, {})
    needed = {k: [v] for k, v in values.items() if v != defaults.get(k)}
    for name in list(needed):
        fewer = {key: value for key, value in needed.items() if key != name}
        tried = values_with(space, fewer)
        if _error(hypermodel, space, tried, x, y):
            needed = fewer
    return {name: value for name, [value] in needed.items()}


# Configurations that together contain every value


class Cover:
    """Iterates over configurations, the defaults first, until each value was used.

    The space may grow during the iteration. The values of a range are its lowest value,
    its highest value and its default.
    """

    def __init__(self, space):
        self.space = space
        self._used = set()
        self._has_started = False

    def __iter__(self):
        while (values := self._next()) is not None:
            yield values
            # By now, the values of new hyperparameters are included.
            self._used |= {_key(name, value) for name, value in values.items()}

    def _next(self):
        if not self._has_started:
            self._has_started = True
            return values_with(self.space, {})
        for hp in self.space.space:
            for value in ends(hp):
                if _key(hp.name, value) not in self._used:
                    # Mark it in any case: it may be impossible with every parent value.
                    self._used.add(_key(hp.name, value))
                    values = self._values(hp, value)
                    if values.get(hp.name) == value:
                        return values
        return None

    def _values(self, target, value):
        """Return a configuration with this value, and as many new ones as possible."""
        wanted = {hp.name: self._new(hp) for hp in self.space.space}
        wanted |= {c.name: c.values for c in target.conditions}
        wanted[target.name] = [value]
        return values_with(self.space, wanted)

    def _new(self, hp):
        return [value for value in ends(hp) if _key(hp.name, value) not in self._used]


def ends(hp):
    """Return all values of a choice, or lowest, highest and default of a range."""
    kinds = require("keras_tuner").engine.hyperparameters
    values = points(hp)
    if isinstance(hp, (kinds.Int, kinds.Float)):
        values = [values[0], values[-1], hp.default]
    return list(dict.fromkeys(values))


def _key(name, value):
    return name, type(value), value


# One training step of a model


def try_step(model, x, y):
    """Train a model on one batch, or only call it if it is not compiled."""
    if x is None:
        x = _inputs(model)
    if y is None and model.compiled:
        y = _targets(model, x)
    if y is None or not model.compiled:
        model(x, training=True)
        return
    # Compiling takes longer than one eager step, except where every eager operation is
    # compiled separately.
    model.run_eagerly = model.run_eagerly or not carries_state
    model.train_on_batch(x, y)


def first_samples(data):
    """Return the first samples of arrays."""
    return keras.tree.map_structure(lambda array: np.asarray(array[:SAMPLES]), data)


def _inputs(model):
    if not getattr(model, "inputs", None):
        rule = "The model's input shape is unknown. Pass `x`, or add a `keras.Input`."
        fail(rule, x=None)
    random = np.random.default_rng(0)

    def random_input(tensor):
        shape = [SAMPLES, *(size or UNKNOWN for size in tensor.shape[1:])]
        values = random.normal(size=shape)
        if not keras.backend.is_float_dtype(tensor.dtype):
            # As indices, zeros are within any vocabulary.
            values = np.zeros(shape)
        return values.astype(tensor.dtype)

    arrays = [random_input(tensor) for tensor in model.inputs]
    return arrays[0] if len(arrays) == 1 else arrays


def _targets(model, x):
    """Return targets that suit the loss, or None for several outputs."""
    predicted = getattr(model, "outputs", None) or keras.tree.flatten(model(x))
    if isinstance(model.loss, (list, tuple, dict)) or len(predicted) > 1:
        return None
    sizes = tuple(predicted[0].shape[1:])
    if None in sizes:
        sizes = tuple(model(x).shape[1:])
    shape = len(keras.tree.flatten(x)[0]), *sizes
    if _name(model.loss).startswith("sparse"):
        return np.zeros(shape[:-1], "int32")
    return np.zeros(shape, "float32")


def _name(loss):
    if isinstance(loss, keras.losses.Loss):
        return loss.name
    return loss if isinstance(loss, str) else getattr(loss, "__name__", "")
