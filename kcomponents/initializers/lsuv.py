"""lsuv: scale the weights until every layer's output has unit variance."""

import contextlib
from typing import Any

import keras
import numpy as np
from keras import ops

from kcomponents._checks import fail, number, positive_int


def lsuv(
    model: keras.layers.Layer,
    x: Any,
    *,
    target_variance: float = 1.0,
    tolerance: float = 0.1,
    max_rounds: int = 10,
    seed: int | None = None,
) -> list[tuple[str, float, int]]:
    """Initialize a model from data by layer-sequential unit variance (LSUV).

    Each layer with a kernel gets an orthonormal kernel. The kernel is then divided by
    the standard deviation of the layer's output on the batch, before the activation,
    until the variance reaches the target. Layers are processed in the order in which
    the model calls them, so each layer sees the outputs of the layers scaled before it.

    Dense and convolutional layers are included wherever they are: in nested and
    subclassed models, and inside other layers. A layer that is used several times is
    scaled at its first use. Biases, frozen kernels, recurrent kernels, and the state of
    other layers, such as the averages of batch normalization, do not change.

    Args:
        model: Built `keras.Model` or layer. It is changed in place.
        x: Batch of inputs for the model: array, or list or dict of arrays. A few
            hundred samples give a good estimate.
        target_variance: Float above 0, the variance to reach. Defaults to `1.0`.
        tolerance: Float above 0, the accepted distance from the target variance.
            Defaults to `0.1`.
        max_rounds: Int, the largest number of times to scale a layer. Defaults to `10`.
        seed: Int, for reproducible kernels. Defaults to `None`.

    Returns:
        List of tuples `(path, variance, rounds)` in the order of the calls: the path of
        a layer, its final variance, and how many times it was scaled.

    Raises:
        ValueError: If the model is not built or has no kernel to scale, if the batch is
            empty or not finite, if an argument is out of range, or if the output of a
            layer is constant or not finite. The model is then unchanged.

    Example:
        >>> from kcomponents.initializers import lsuv
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu")])
        >>> [(path, variance, rounds)] = lsuv(model, keras.random.normal((100, 4)))
        >>> 0.9 <= variance <= 1.1
        True

    Reference: Mishkin & Matas, All You Need Is a Good Init, 2016,
    [arXiv:1511.06422](https://arxiv.org/abs/1511.06422).
    """
    goal = number("target_variance", target_variance, 0, open_low=True)
    limits = goal, number("tolerance", tolerance, 0, open_low=True)
    rounds = positive_int("max_rounds", max_rounds)
    kernels, report = _kernels(model), []
    _check_batch(x)
    draw = keras.initializers.Orthogonal(seed=keras.random.SeedGenerator(seed))
    # Assignments in the scope do not reach the model, even if an error is raised.
    with keras.StatelessScope() as scope, contextlib.ExitStack() as stack:
        for layer, kernel in kernels:
            call = _scaled_call(layer, kernel, draw, limits, rounds, report)
            stack.enter_context(_replaced(layer, "call", call))
        model(x, training=False)
    for _, kernel in kernels:
        values = scope.get_current_value(kernel)
        if values is not None:
            kernel.assign(values)
    return report


def _kernels(model):
    """Return pairs (innermost layer, kernel), each trainable kernel once."""
    if not model.built:
        fail("`model` must be built: call it on a batch first.", model=model.name)
    found = {}
    for layer in _layers(model):
        kernel = getattr(layer, "kernel", getattr(layer, "pointwise_kernel", None))
        suits = isinstance(kernel, keras.Variable) and kernel.trainable
        if suits and not hasattr(layer, "recurrent_kernel"):
            found[id(kernel)] = layer, kernel
    if not found:
        fail("`model` must have a layer with a trainable kernel.", model=model.name)
    return list(found.values())


def _layers(layer):
    yield layer
    # `Model.layers` works on any layer; layers that contain layers do not have it.
    for inner in keras.Model.layers.fget(layer):
        yield from _layers(inner)


def _check_batch(x):
    shapes = []
    for part in keras.tree.flatten(x):
        values = ops.convert_to_numpy(part).astype("float64")
        shapes.append(values.shape)
        if values.size == 0 or not np.isfinite(values).all():
            fail("`x` must contain samples of finite numbers.", shape=values.shape)
    if not shapes:
        fail("`x` must contain at least one array.", x=x)


def _scaled_call(layer, kernel, draw, limits, max_rounds, report):
    """Return a `call` that scales the kernel the first time it is called."""
    call = layer.call
    seen = []

    def scaled_call(*args, **kwargs):
        if not seen:
            seen.append(True)
            with _replaced(layer, "activation", keras.activations.linear):
                variance, rounds = _scale(
                    kernel, draw, lambda: call(*args, **kwargs), limits, max_rounds
                )
            report.append((layer.path, variance, rounds))
        return call(*args, **kwargs)

    return scaled_call


def _scale(kernel, draw, output, limits, max_rounds):
    goal, tolerance = limits
    # Not `kernel.dtype`, which inside a call is the compute dtype.
    values = draw(kernel.shape, "float32")
    for rounds in range(max_rounds + 1):
        kernel.assign(values)
        outputs = ops.convert_to_numpy(ops.cast(output(), "float32"))
        variance = float(outputs.var())
        if not 0 < variance < np.inf:
            fail(
                "The output of every layer must vary over `x` and be finite.",
                kernel=kernel.path,
                variance=variance,
            )
        if abs(variance - goal) < tolerance or rounds == max_rounds:
            return variance, rounds
        values = values * (goal / variance) ** 0.5


@contextlib.contextmanager
def _replaced(layer, name, value):
    """Set an attribute for a while, past the attribute tracking of Keras and torch."""
    own = vars(layer)
    before = {name: own[name]} if name in own else {}
    own[name] = value
    try:
        yield
    finally:
        del own[name]
        own.update(before)
