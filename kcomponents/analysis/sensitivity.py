"""sensitivity: how much noise on the weights of each layer changes the loss."""

import dataclasses
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from kcomponents import _backends
from kcomponents._checks import fail, number, positive_int


@dataclasses.dataclass(frozen=True)
class Shake:
    """How much noise on the weights of one variable changes the loss.

    Args:
        path: Path of the variable.
        shaken: Root mean square of the measured change of the loss.
        gradient: The change that the gradient alone predicts.

    Example:
        >>> from kcomponents.analysis import Shake
        >>> Shake("dense/kernel", shaken=0.2, gradient=0.1).ratio
        2.0
    """

    path: str
    shaken: float
    gradient: float

    @property
    def ratio(self) -> float:
        """Measured over predicted change; 1 where the loss is locally linear."""
        return self.shaken / self.gradient if self.gradient else float("inf")


def sensitivity(
    model: keras.Model,
    x: Any,
    y: ArrayLike,
    *,
    scale: float = 0.01,
    repeats: int = 8,
    seed: int = 0,
) -> list[Shake]:
    r"""Measure how much a little noise on the weights of each layer changes the loss.

    Each weight of a variable `w` gets normal noise with standard deviation
    `scale * sqrt(mean(w^2))`. For a small scale the loss changes by
    `sum(noise * gradient)`, which has the standard deviation
    `scale * sqrt(mean(w^2)) * norm(gradient)`; the result contains both. If noise in
    early layers hardly changes the loss and noise in late layers does, gradients
    vanish.

    Args:
        model: Built and compiled Keras model. It is not changed.
        x: Inputs, as the model takes them.
        y: Array of targets.
        scale: Float above 0, the standard deviation of the noise relative to the
            weights. Defaults to 0.01.
        repeats: Int, number of noise samples for each variable. Defaults to 8.
        seed: Int, seed of the noise. Defaults to 0.

    Returns:
        List of `Shake`, one for each trainable variable that is not all zeros, in the
        order of the variables.

    Raises:
        ValueError: If the model is not built or not compiled with a loss, or an
            argument is out of range.

    Example:
        >>> import numpy as np
        >>> import keras
        >>> from kcomponents.analysis import sensitivity
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> [shake] = sensitivity(model, np.ones((4, 3)), np.zeros((4, 1)))
        >>> shake.path.endswith("kernel"), shake.shaken > 0
        (True, True)

    Reference:
        Glorot and Bengio, [Understanding the difficulty of training deep feedforward
        neural networks](https://proceedings.mlr.press/v9/glorot10a.html), 2010.
    """
    scale = number("scale", scale, 0, open_low=True)
    repeats = positive_int("repeats", repeats)
    if not model.built or not model.compiled or model.loss is None:
        rule = "`model` must be built and compiled with a loss."
        fail(rule, model=model.name)
    loss = _Loss(model, x, y)
    slopes, before = _backends.slopes(loss, loss.values), loss.of(loss.values)
    random, found = np.random.default_rng(seed), []
    for place, (variable, value) in enumerate(loss.weights):
        size = scale * np.sqrt(np.mean(np.square(value)))
        if size == 0:
            continue
        noise = size * random.standard_normal((repeats, *value.shape))
        after = [loss.of(loss.shaken(place, one)) for one in noise]
        predicted = size * np.linalg.norm(slopes[place].reshape(-1))
        rms = np.sqrt(np.mean(np.square(np.subtract(after, before))))
        found.append(Shake(variable.path, float(rms), float(predicted)))
    return found


class _Loss:
    """The loss of a model on some data as a function of its trainable weights."""

    def __init__(self, model, x, y):
        self._model, self._data = model, (x, y)
        self._variables = list(model.trainable_variables)
        self.values = [np.array(v.numpy()) for v in self._variables]

    @property
    def weights(self):
        """Pairs of a variable and its value."""
        return list(zip(self._variables, self.values, strict=True))

    def __call__(self, *values):
        x, y = self._data
        with keras.StatelessScope(zip(self._variables, values, strict=True)):
            predicted = self._model(x, training=False)
            arguments = {"y": y, "y_pred": predicted, "training": False}
            return self._model.compute_loss(x=x, **arguments)

    def of(self, values):
        """Return the loss with these weights as a float."""
        return float(self(*map(keras.ops.convert_to_tensor, values)))

    def shaken(self, place, noise):
        """Return the weights with noise added to one variable."""
        values = list(self.values)
        values[place] = (values[place] + noise).astype(values[place].dtype)
        return values
