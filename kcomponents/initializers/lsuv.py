"""lsuv: weights scaled until every layer answers a batch with unit variance."""

import contextlib

import keras
import numpy as np
from keras import ops

from kcomponents._check import fail, number, positive_int


def lsuv(model, x, *, target_variance=1.0, tolerance=0.1, max_rounds=10, seed=None):
    """Initialize a model by the data: layer-sequential unit variance.

    Each layer with a kernel gets an orthonormal one, which is then divided by the
    standard deviation of the layer's output on the batch, before its activation, until
    the variance is right. The layers follow in the order in which the model runs them,
    so each sees what the scaled ones before it give.

    Dense and convolutional layers take part wherever they are: in nested and subclassed
    models, in layers made of layers. A layer that is used several times is scaled by
    its first use. Biases, frozen and recurrent kernels, and the state of other layers,
    such as the averages of batch normalization, stay as they are.

    Args:
        model: Built `keras.Model` or layer, changed in place.
        x: Batch of inputs, as the model takes them: array, or list or dict of arrays.
            Some hundred rows make a good estimate.
        target_variance: Float, the variance to reach. Defaults to `1.0`.
        tolerance: Float, the distance from it that is near enough. Defaults to `0.1`.
        max_rounds: Int, how often a layer is scaled at most. Defaults to `10`.
        seed: Optional int, for repeatable orthonormal kernels.

    Returns:
        List of tuples `(path, variance, rounds)` in the order of running: the path of a
        layer, the variance it ended with, and how often it was scaled.

    Raises:
        ValueError: If the model is not built or has no kernel to scale, if the batch is
            empty or not finite, if an argument is out of range, or if the output of a
            layer does not vary or is not finite. The model is then as it was.

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
    # Nothing assigned in the scope reaches the model, whatever happens in it.
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
    """Return each trainable kernel once, behind the innermost layer that has it."""
    if not model.built:
        fail("`model` must be built; call it on a batch first.", model=model.name)
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
    # The property of models works on any layer, and layers made of layers lack it.
    for inner in keras.Model.layers.fget(layer):
        yield from _layers(inner)


def _check_batch(x):
    shapes = []
    for part in keras.tree.flatten(x):
        values = ops.convert_to_numpy(part).astype("float64")
        shapes.append(values.shape)
        if values.size == 0 or not np.isfinite(values).all():
            fail("`x` must hold rows of finite numbers.", shape=values.shape)
    if not shapes:
        fail("`x` must hold at least one array.", x=x)


def _scaled_call(layer, kernel, draw, limits, max_rounds, report):
    """Return the layer's call, which scales the kernel before its first answer."""
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
    # Not `kernel.dtype`: inside a call it is the compute dtype.
    values = draw(kernel.shape, "float32")
    for rounds in range(max_rounds + 1):
        kernel.assign(values)
        answer = ops.convert_to_numpy(ops.cast(output(), "float32"))
        variance = float(answer.var())
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
    """Put a value in an instance's dict, where no tracker of Keras or torch looks."""
    own = vars(layer)
    before = {name: own[name]} if name in own else {}
    own[name] = value
    try:
        yield
    finally:
        del own[name]
        own.update(before)
