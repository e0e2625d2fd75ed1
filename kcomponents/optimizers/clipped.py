"""clipped: add gradient clipping to any Keras optimizer."""

from collections.abc import Sequence

import keras

from kcomponents.optimizers._bounds import Bounds
from kcomponents.optimizers._wrapper import wrap


def clipped(
    optimizer: str | keras.optimizers.Optimizer,
    *,
    global_clipnorm: float | None = None,
    clipnorm: float | None = None,
    clipvalue: float | None = None,
    agc: float | None = None,
    nonfinite: str | None = "skip",
    exclude: str | Sequence[str] | None = None,
) -> keras.optimizers.Optimizer:
    """Return an optimizer of the same class that clips gradients.

    It clips the gradients that are applied: summed over replicas, averaged over
    accumulated steps, without the loss scale, and with the rows of an embedding
    summed. Several bounds act in the order `clipvalue`, `agc`, `clipnorm`,
    `global_clipnorm`, and all of them hold at the end. No variables are added, so an
    optimizer state saved without clipping can be loaded with clipping, and vice versa.

    The attributes `clipnorm`, `clipvalue` and `global_clipnorm` of the returned
    optimizer stay `None`, so Keras does not clip a second time.

    Args:
        optimizer: Keras optimizer, or its name. It is not changed: the returned
            optimizer has its settings and, if it is built, a copy of its state.
        global_clipnorm: Float above 0, the largest L2 norm of all gradients together;
            all are scaled by the same factor. Defaults to `None`, no bound.
        clipnorm: Float above 0, the largest L2 norm of each gradient. Defaults to
            `None`.
        clipvalue: Float above 0, the largest absolute value of an entry. Defaults to
            `None`.
        agc: Float above 0, the largest ratio of the norm of a unit's gradient to the
            norm of its weights ("adaptive gradient clipping"); 0.01 is usual. Defaults
            to `None`.
        nonfinite: What happens if a gradient contains infinity or NaN: `"skip"` the
            whole update, which leaves weights, optimizer state and `iterations`
            unchanged; `"zero"` those entries; `"raise"` a `FloatingPointError` that
            names the variables, which needs `run_eagerly=True`; or `None` to apply
            them. Defaults to `"skip"`.
        exclude: String or list of strings, regular expressions searched in the paths
            of variables. Matching variables are not clipped by `agc`, which is usual
            for the last layer. Defaults to `None`.

    Returns:
        Optimizer, an instance of the class of `optimizer`.

    Raises:
        ValueError: If a bound is not above 0, if there is no bound and `nonfinite` is
            `None`, if `optimizer` clips already, or if it is a `LossScaleOptimizer`
            (clip its inner optimizer instead).

    Example:
        >>> from kcomponents.optimizers import clipped
        >>> optimizer = clipped(keras.optimizers.Adam(0.01), global_clipnorm=1.0)
        >>> isinstance(optimizer, keras.optimizers.Adam)
        True
        >>> weight = keras.Variable([1.0, 1.0])
        >>> optimizer = clipped(keras.optimizers.SGD(0.5), clipnorm=25.0)
        >>> optimizer.apply([keras.ops.array([30.0, 40.0])], [weight])
        >>> keras.ops.convert_to_numpy(weight).tolist()
        [-6.5, -9.0]

    Reference: Pascanu et al., "On the difficulty of training recurrent neural
    networks", 2013, https://arxiv.org/abs/1211.5063; Brock et al., "High-performance
    large-scale image recognition without normalization", 2021,
    https://arxiv.org/abs/2102.06171
    """
    bounds = Bounds.checked(
        global_clipnorm=global_clipnorm,
        clipnorm=clipnorm,
        clipvalue=clipvalue,
        agc=agc,
        nonfinite=nonfinite,
        exclude=exclude,
    )
    return wrap(keras.optimizers.get(optimizer), bounds)
