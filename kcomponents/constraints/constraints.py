"""Constraints on norms, on ranges, and to exact zeros."""

from collections.abc import Sequence

import keras
from keras import ops

from kcomponents._checks import axis_in, fail, number, one_of, whole_axis
from kcomponents._registration import register
from kcomponents._tensors import widened


@register
class MaxNorm(keras.constraints.Constraint):
    """Constrain the norm of the incoming weights of each unit or filter.

    `w = w * min(norm, max_value) / (epsilon() + norm)`, with norms in float32 or wider.

    With `axis="auto"` the norm is taken over all axes of the weight except the last one
    (over the only axis of a vector). This bounds each column of a `Dense` kernel and
    each filter of a convolution. `keras.constraints.MaxNorm` uses axis 0 only, which
    does not bound a filter. Pass the axes if the last axis does not number the units:
    `[0, 1]` for `DepthwiseConv2D`, `[0, 1, 3]` for `Conv2DTranspose`.

    Args:
        max_value: Float above 0, the largest norm. Defaults to `2`.
        axis: `"auto"`, int or list of ints, the axes over which a norm is taken.
            Defaults to `"auto"`.

    Raises:
        ValueError: If an argument is out of range, or if a weight does not have the
            axis.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import MaxNorm
        >>> kernel = MaxNorm(1.0)(ops.array([[3.0, 0.3], [4.0, 0.4]]))
        >>> print(ops.convert_to_numpy(kernel).round(3))
        [[0.6 0.3]
         [0.8 0.4]]

    Reference:
        Srivastava et al., [Dropout: a simple way to prevent neural networks from
        overfitting](https://jmlr.org/papers/v15/srivastava14a.html), 2014.
    """

    def __init__(self, max_value: float = 2, axis: str | int | Sequence[int] = "auto"):
        self.max_value = number("max_value", max_value, 0, open_low=True)
        self.axis = _checked_axis(axis)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        norms = _norms(w, self.axis)
        return _rescaled(w, norms, ops.minimum(norms, self.max_value))

    def get_config(self):
        return {"max_value": self.max_value, "axis": self.axis}


@register
class UnitNorm(keras.constraints.Constraint):
    """Constrain the incoming weights of each unit or filter to norm 1.

    `w = w / (epsilon() + norm)`, with norms in float32 or wider. Weights at zero stay
    at zero. With `axis="auto"` the norm is taken over all axes of the weight except the
    last one (over the only axis of a vector), as in `MaxNorm`.

    Args:
        axis: `"auto"`, int or list of ints, the axes over which a norm is taken.
            Defaults to `"auto"`.

    Raises:
        ValueError: If `axis` is invalid, or if a weight does not have the axis.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import UnitNorm
        >>> kernel = UnitNorm()(ops.array([[3.0, 0.0], [4.0, 0.5]]))
        >>> print(ops.convert_to_numpy(kernel).round(3))
        [[0.6 0. ]
         [0.8 1. ]]

    Reference:
        Salimans and Kingma, [Weight normalization](https://arxiv.org/abs/1602.07868),
        2016.
    """

    def __init__(self, axis: str | int | Sequence[int] = "auto"):
        self.axis = _checked_axis(axis)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        return _rescaled(w, _norms(w, self.axis), 1.0)

    def get_config(self):
        return {"axis": self.axis}


@register
class MinMaxNorm(keras.constraints.Constraint):
    """Constrain the norm of the incoming weights of each unit or filter to a range.

    `w = w * desired / (epsilon() + norm)`, where `desired` is
    `rate * clip(norm, min_value, max_value) + (1 - rate) * norm`, with norms in float32
    or wider. Weights at zero stay at zero. With `axis="auto"` the norm is taken over
    all axes of the weight except the last one (over the only axis of a vector), as in
    `MaxNorm`.

    Args:
        min_value: Float of at least 0, the smallest norm. Defaults to `0.0`.
        max_value: Float above 0, the largest norm. Defaults to `1.0`.
        rate: Float in [0, 1], how far one call moves a norm toward the range: `1.0`
            enforces the range at every call. Defaults to `1.0`.
        axis: `"auto"`, int or list of ints, the axes over which a norm is taken.
            Defaults to `"auto"`.

    Raises:
        ValueError: If an argument is out of range, if `min_value > max_value`, or if a
            weight does not have the axis.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import MinMaxNorm
        >>> kernel = MinMaxNorm(0.5, 1.0)(ops.array([[3.0, 0.06], [4.0, 0.08]]))
        >>> print(ops.convert_to_numpy(kernel).round(3))
        [[0.6 0.3]
         [0.8 0.4]]

    Reference:
        Srivastava et al., [Dropout: a simple way to prevent neural networks from
        overfitting](https://jmlr.org/papers/v15/srivastava14a.html), 2014.
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: str | int | Sequence[int] = "auto",
    ):
        self.min_value = number("min_value", min_value, 0)
        self.max_value = number("max_value", max_value, 0, open_low=True)
        if self.min_value > self.max_value:
            rule = "`min_value` must not exceed `max_value`."
            fail(rule, min_value=min_value, max_value=max_value)
        self.rate = number("rate", rate, 0, 1)
        self.axis = _checked_axis(axis)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        norms = _norms(w, self.axis)
        bounded = ops.clip(norms, self.min_value, self.max_value)
        return _rescaled(w, norms, self.rate * bounded + (1 - self.rate) * norms)

    def get_config(self):
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


@register
class Clip(keras.constraints.Constraint):
    """Constrain each weight to the range `[-c, c]`.

    `w = clip(w, -c, c)`, entry by entry.

    Args:
        c: Float above 0, the largest absolute value. Defaults to `0.01`, the value for
            the critic in the reference.

    Raises:
        ValueError: If `c` is not a finite number above 0.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import Clip
        >>> ops.convert_to_numpy(Clip(0.5)(ops.array([-2.0, 0.25]))).tolist()
        [-0.5, 0.25]

    Reference:
        Arjovsky et al., [Wasserstein GAN](https://arxiv.org/abs/1701.07875), 2017.
    """

    def __init__(self, c: float = 0.01):
        self.c = number("c", c, 0, open_low=True)

    def __call__(self, w):
        return ops.clip(ops.convert_to_tensor(w), -self.c, self.c)

    def get_config(self):
        return {"c": self.c}


@register
class UnitInterval(keras.constraints.Constraint):
    """Constrain each weight to the range [0, 1], for example the slopes of PReLU.

    `w = clip(w, 0, 1)`. With slopes in [0, 1], PReLU is `maximum(x, slope * x)`: it
    never decreases, and the absolute value of its output never exceeds its input's.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import UnitInterval
        >>> ops.convert_to_numpy(UnitInterval()(ops.array([-2.0, 0.25, 3.0]))).tolist()
        [0.0, 0.25, 1.0]

    Reference:
        He et al., [Delving deep into rectifiers](https://arxiv.org/abs/1502.01852),
        2015, for PReLU.
    """

    def __call__(self, w):
        return ops.clip(ops.convert_to_tensor(w), 0.0, 1.0)


@register
class ProximalGroup(keras.constraints.Constraint):
    """Group soft thresholding, which sets weak groups of weights to exactly zero.

    `w = w * max(0, norm - threshold) / (epsilon() + norm)`, where `norm` is the norm of
    the weight's group, in float32 or wider. Each index along `axis` is one group, as in
    `kcomponents.regularizers.GroupLasso`: the norm is taken over the other axes.

    Keras applies a constraint after each optimizer step. SGD with this constraint is
    proximal gradient descent on `GroupLasso(factor, axis)`, with
    `threshold = learning_rate * factor * sqrt(size)`, where `size` is the number of
    weights in a group.

    Args:
        threshold: Float above 0, by how much each step reduces the norm of each group.
        axis: Int, the axis that numbers the groups. Defaults to `-1`: a group contains
            the incoming weights of one unit or filter.

    Raises:
        ValueError: If an argument is out of range, or if a weight does not have the
            axis.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import ProximalGroup
        >>> kernel = ProximalGroup(1.0)(ops.array([[3.0, 0.3], [4.0, 0.4]]))
        >>> print(ops.convert_to_numpy(kernel).round(3))
        [[2.4 0. ]
         [3.2 0. ]]

    Reference:
        - Yuan and Lin, [Model selection and estimation in regression with grouped
          variables](https://doi.org/10.1111/j.1467-9868.2005.00532.x), 2006.
        - Parikh and Boyd, [Proximal
          algorithms](https://web.stanford.edu/~boyd/papers/prox_algs.html), 2014.
    """

    def __init__(self, threshold: float, axis: int = -1):
        self.threshold = number("threshold", threshold, 0, open_low=True)
        self.axis = whole_axis(axis)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        rank = len(w.shape)
        axis = axis_in("axis", self.axis, rank)
        others = [a for a in range(rank) if a != axis]
        norms = _norms(w, others)
        return _rescaled(w, norms, ops.maximum(norms - self.threshold, 0.0))

    def get_config(self):
        return {"threshold": self.threshold, "axis": self.axis}


@register
class SoftThreshold(keras.constraints.Constraint):
    """Soft thresholding, which sets small weights to exactly zero.

    `w = sign(w) * max(0, |w| - threshold)`: each step moves every weight toward zero by
    the same amount, and weights that reach zero stay there.

    Keras applies a constraint after each optimizer step. SGD with this constraint is
    proximal gradient descent on an L1 penalty `factor * sum(|w|)`, with
    `threshold = learning_rate * factor`. With the gradient of the penalty instead, as
    in `kcomponents.regularizers.L1`, weights oscillate around zero.

    Args:
        threshold: Float above 0, by how much each step reduces the absolute value of
            each weight.

    Shapes:
        Weights of any shape; the result has the same shape.

    Raises:
        ValueError: If `threshold` is not a number above 0.

    Example:
        >>> from keras import ops
        >>> from kcomponents.constraints import SoftThreshold
        >>> kernel = SoftThreshold(0.5)(ops.array([[2.0, -0.75], [0.25, -0.5]]))
        >>> print(ops.convert_to_numpy(kernel) + 0)
        [[ 1.5  -0.25]
         [ 0.    0.  ]]

    Reference:
        - Tibshirani, [Regression shrinkage and selection via the
          lasso](https://doi.org/10.1111/j.2517-6161.1996.tb02080.x), 1996.
        - Parikh and Boyd, [Proximal
          algorithms](https://web.stanford.edu/~boyd/papers/prox_algs.html), section
          6.5.2, 2014.
    """

    def __init__(self, threshold: float):
        self.threshold = number("threshold", threshold, 0, open_low=True)

    def __call__(self, w):
        w = ops.convert_to_tensor(w)
        return ops.sign(w) * ops.maximum(ops.abs(w) - self.threshold, 0)

    def get_config(self):
        return {"threshold": self.threshold}


def _checked_axis(axis):
    """Return `axis` in the form of the config: `"auto"`, an int or a list of ints."""
    if isinstance(axis, str):
        return one_of("axis", axis, ["auto"])
    if isinstance(axis, (list, tuple)) and axis:
        return [whole_axis(a) for a in axis]
    return whole_axis(axis)


def _norms(w, axis):
    """Return the L2 norms of `w` along `axis`, in float32 or wider, axes kept."""
    rank = len(w.shape)
    if axis == "auto":
        axes = range(max(1, rank - 1))
    else:
        axes = axis if isinstance(axis, list) else [axis]
    axes = tuple(axis_in("axis", a, rank) for a in axes)
    w = widened(w)
    # Backends disagree about a sum over no axis.
    if not axes:
        return ops.absolute(w)
    return ops.sqrt(ops.sum(ops.square(w), axis=axes, keepdims=True))


def _rescaled(w, norms, desired):
    """Return `w` rescaled from `norms` to the desired norms, in its own dtype."""
    # As in Keras, epsilon keeps weights of norm 0 at 0.
    scale = desired / (keras.config.epsilon() + norms)
    return ops.cast(widened(w) * scale, w.dtype)
