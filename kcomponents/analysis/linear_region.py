"""linear_region: the linear map that a network of rectifiers computes at an input."""

import dataclasses

import keras
import numpy as np
from numpy.typing import ArrayLike

from kcomponents import _backends
from kcomponents._checks import fail
from kcomponents.analysis._piecewise_linear import rectifier_outputs


@dataclasses.dataclass(frozen=True)
class LinearRegion:
    """The linear maps of a network around some inputs: `weights @ inputs + bias`.

    Args:
        weights: Array of shape `(samples, outputs, *input_shape)`.
        bias: Array of shape `(samples, outputs)`.
        active: Dict of layer name to a boolean array with the units that are active for
            each sample. Without the inactive units, a smaller linear network remains.

    Example:
        >>> import numpy as np
        >>> from kcomponents.analysis import LinearRegion
        >>> region = LinearRegion(np.ones((1, 1, 3)), np.ones((1, 1)), {})
        >>> float(region(np.ones((1, 3)))[0, 0])
        4.0
    """

    weights: np.ndarray
    bias: np.ndarray
    active: dict[str, np.ndarray]

    def __call__(self, x: ArrayLike) -> np.ndarray:
        """Apply the linear map of each sample to an input.

        Args:
            x: Array of inputs, one for each sample.
        """
        samples, outputs = self.bias.shape
        flat = self.weights.reshape(samples, outputs, -1)
        return np.einsum("soi,si->so", flat, np.reshape(x, (samples, -1))) + self.bias


def linear_region(model: keras.Model, x: ArrayLike) -> LinearRegion:
    """Compute the exact linear map of a piecewise linear network at each input.

    A network of rectifiers divides the input space into regions and is linear in each:
    for all `x'` in the same region as `x`, `f(x') = weights x' + bias`.

    Args:
        model: Built `Sequential` or functional model with one input and one output, and
            activations such as `relu`, `leaky_relu`, `PReLU`, `Maxout`, or none.
        x: Array of shape `(samples, *input_shape)`.

    Returns:
        `LinearRegion`, with outputs flattened to `(samples, outputs)`.

    Raises:
        ValueError: If the model has no graph of layers or more than one input or
            output, or a layer is not piecewise linear (the message names it).

    Example:
        >>> import numpy as np
        >>> import keras
        >>> from kcomponents.analysis import linear_region
        >>> hidden = keras.layers.Dense(8, "relu", name="hidden")
        >>> model = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(2)])
        >>> x = np.ones((1, 3), "float32")
        >>> region = linear_region(model, x)
        >>> bool(np.allclose(region(x), model.predict(x, verbose=0), atol=1e-5))
        True
        >>> region.active["hidden"].shape
        (1, 8)

    Reference:
        Montúfar et al., [On the Number of Linear Regions of Deep Neural
        Networks](https://arxiv.org/abs/1402.1869), 2014.
    """
    layers = rectifier_outputs(model)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        rule = "`model` must have one input and one output."
        fail(rule, inputs=len(model.inputs), outputs=len(model.outputs))
    x = np.asarray(x, "float32")
    outputs = np.asarray(model.predict(x, verbose=0), "float32")
    outputs = outputs.reshape(len(x), -1)
    weights = np.stack([_row(model, x, k) for k in range(outputs.shape[1])], axis=1)
    linear = LinearRegion(weights, np.zeros_like(outputs), {})
    return LinearRegion(weights, outputs - linear(x), _active(model, layers, x))


def _row(model, x, place):
    """Return the gradient of one output with respect to each sample."""

    def total(inputs):
        outputs = keras.ops.reshape(model(inputs, training=False), (len(x), -1))
        return keras.ops.sum(outputs[:, place])

    [row] = _backends.slopes(total, [x])
    return row


def _active(model, layers, x):
    if not layers:
        return {}
    hidden = keras.Model(model.inputs[0], list(layers.values()))
    outputs = keras.tree.flatten(hidden.predict(x, verbose=0))
    return {name: values > 0 for name, values in zip(layers, outputs, strict=True)}
