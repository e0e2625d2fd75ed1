"""clipped: any Keras optimizer, with gradients bounded before they are applied."""

import keras

from kcomponents.optimizers._bounds import Bounds
from kcomponents.optimizers._wrapper import wrap


def clipped(
    optimizer,
    *,
    global_norm=None,
    norm=None,
    value=None,
    agc=None,
    nonfinite="skip",
    exclude=None,
):
    """Return an optimizer of the same class that clips gradients.

    What is clipped is what is applied: the sum over replicas, the mean over
    accumulated steps, without loss scale, with rows of an embedding summed. Several
    bounds act in the order `value`, `agc`, `norm`, `global_norm`; all hold at the end.
    No variables are added: states saved with and without clipping fit each other.

    Args:
        optimizer: Keras optimizer, or its name. It is left as it is: the new one has
            its settings and, if it is built, its state.
        global_norm: Float above 0, largest L2 norm of all gradients together, which
            are shortened by one factor. Defaults to `None`, as all bounds do.
        norm: Float above 0, largest L2 norm of each gradient by itself.
        value: Float above 0, largest size of an entry.
        agc: Float above 0, largest norm of a unit's gradient over the norm of its
            weights ("adaptive gradient clipping"); 0.01 is usual.
        nonfinite: What to do where a gradient holds infinity or NaN: `"skip"` the
            whole update, so that weights, slots and `iterations` stay; `"zero"` those
            entries; `"raise"` a `FloatingPointError` that names the variables, which
            needs `run_eagerly=True`; or `None` to leave them. Defaults to `"skip"`.
        exclude: Optional string or list of strings, regular expressions searched in
            the paths of variables that `agc` leaves out, as for the last layer.

    Returns:
        Optimizer, an instance of the class of `optimizer`.

    Raises:
        ValueError: If a bound is not above 0, nothing is asked for, or `optimizer`
            clips already or is a `LossScaleOptimizer` (clip the one inside).

    Example:
        >>> from kcomponents.optimizers import clipped
        >>> optimizer = clipped(keras.optimizers.Adam(0.01), global_norm=1.0)
        >>> isinstance(optimizer, keras.optimizers.Adam)
        True
        >>> weight = keras.Variable([1.0, 1.0])
        >>> optimizer = clipped(keras.optimizers.SGD(0.5), norm=25.0)
        >>> optimizer.apply([keras.ops.array([30.0, 40.0])], [weight])
        >>> keras.ops.convert_to_numpy(weight).tolist()
        [-6.5, -9.0]

    Reference: Pascanu et al., "On the difficulty of training recurrent neural
    networks", 2013, https://arxiv.org/abs/1211.5063; Brock et al., "High-performance
    large-scale image recognition without normalization", 2021,
    https://arxiv.org/abs/2102.06171
    """
    limits = {"global_norm": global_norm, "norm": norm, "value": value, "agc": agc}
    bounds = Bounds.checked(**limits, nonfinite=nonfinite, exclude=exclude)
    return wrap(keras.optimizers.get(optimizer), bounds)
