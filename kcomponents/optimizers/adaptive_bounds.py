"""Bounds of the gradient norm that follow the norms of the run."""

import abc
from typing import Any, Self

import keras
from keras import ops

from kcomponents._checks import fail, number, one_of, positive_int
from kcomponents._registration import register

# Added to a standard deviation, and the smallest bound.
EPSILON, SMALLEST = 1e-6, 1e-30


class AdaptiveBound(abc.ABC):
    """Base class of bounds that depend on the gradient norms of earlier steps.

    A subclass names in `variables` what it remembers, and computes the bound in `step`.
    The optimizer keeps what is remembered, and saves it.

    Example:
        >>> import keras
        >>> from kcomponents.optimizers import AdaptiveBound, clipped
        >>> class TwiceTheLast(AdaptiveBound):
        ...     def variables(self):
        ...         return {"last": ((), 1.0)}
        ...     def step(self, norm, state):
        ...         bound = keras.ops.minimum(norm, 2 * state[0])
        ...         return bound, [bound]
        ...     def get_config(self):
        ...         return {}
        >>> weight = keras.Variable([0.0])
        >>> optimizer = clipped(keras.optimizers.SGD(1.0), adaptive=TwiceTheLast())
        >>> for grad in (9.0, 9.0, 9.0):
        ...     optimizer.apply([keras.ops.array([grad])], [weight])
        >>> float(weight.numpy()[0])
        -14.0
    """

    @abc.abstractmethod
    def variables(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """Return name → shape and first value of each array that is remembered.

        An array is of integers if its first value is an `int`.
        """

    @abc.abstractmethod
    def step(self, norm: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        """Return the bound of a step, and what is remembered after it.

        Args:
            norm: Scalar tensor, the global norm of the gradients. If it is not finite,
                the optimizer leaves out what is returned.
            state: List of tensors, one for each of `variables`.
        """

    @abc.abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the bound of a config that `get_config` returned."""
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), *self.get_config().values()))

    def __repr__(self):
        given = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({given})"


@register
class NormPercentile(AdaptiveBound):
    """Bound on the gradient norm at a percentile of the norms seen ("AutoClip").

    `bound = percentile(norms of the last window steps, this one included)`. Norms are
    remembered as they were before clipping. With a low percentile, most steps get the
    same length, and only their direction is left to the gradient.

    Args:
        percentile: Float from 0 to 100. Defaults to `10.0`.
        window: Integer, the number of norms that are remembered. Sorting them is a part
            of each step. Defaults to `1000`.
        warmup_steps: Integer, the number of first steps that are not clipped.
            Defaults to `1`.

    Raises:
        ValueError: If `percentile` is not from 0 to 100, or if `window` or
            `warmup_steps` is not a positive integer.

    Example:
        >>> import keras
        >>> from kcomponents.optimizers import NormPercentile, clipped
        >>> weight = keras.Variable([0.0])
        >>> half = NormPercentile(percentile=50)
        >>> optimizer = clipped(keras.optimizers.SGD(1.0), adaptive=half)
        >>> for grad in (1.0, 1.0, 100.0):
        ...     optimizer.apply([keras.ops.array([grad])], [weight])
        >>> float(weight.numpy()[0])
        -3.0

    Reference:
        Seetharaman et al., [AutoClip: adaptive gradient clipping for source separation
        networks](https://arxiv.org/abs/2007.14469), 2020.
    """

    def __init__(
        self, percentile: float = 10.0, window: int = 1000, warmup_steps: int = 1
    ):
        self.percentile = number("percentile", percentile, 0, 100)
        self.window = positive_int("window", window)
        self.warmup_steps = positive_int("warmup_steps", warmup_steps)

    def variables(self) -> dict[str, tuple[tuple[int, ...], float]]:
        # Places that are not filled yet sort last.
        return {"norms": ((self.window,), float("inf")), "count": ((), 0)}

    def step(self, norm: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        norms, count = state
        places = ops.arange(self.window, dtype=count.dtype)
        norms = ops.where(places == ops.mod(count, self.window), norm, norms)
        last = ops.cast(ops.minimum(count, self.window - 1), "float32")
        place = last * (self.percentile / 100)
        low, high = ops.floor(place), ops.minimum(ops.ceil(place), last)
        ordered = ops.sort(norms)
        below, above = (ops.take(ordered, ops.cast(n, "int32")) for n in (low, high))
        bound = below + (place - low) * (above - below)
        bound = ops.where(count < self.warmup_steps, norm, bound)
        return bound, [norms, count + 1]

    def get_config(self) -> dict[str, Any]:
        return {
            "percentile": self.percentile,
            "window": self.window,
            "warmup_steps": self.warmup_steps,
        }


@register
class NormZScore(AdaptiveBound):
    """Bound on the gradient norm where it is far above its moving average ("ZClip").

    With the moving `mean` and standard deviation `std` of the norms, and
    `z = (norm - mean) / std`, a norm with `z > threshold` is clipped to
    `mean + threshold² / z · std`: the further out, the shorter. What is remembered is
    the norm after clipping. Steps without a spike are left as they are.

    Args:
        threshold: Float above 0, standard deviations above the mean from which on a
            norm is clipped. Defaults to `2.5`.
        decay: Float from 0 to below 1, the share of the old mean and variance in the
            new ones. Defaults to `0.97`.
        warmup_steps: Integer, at least 2, the number of first steps, which give the
            first mean and variance and are not clipped. Defaults to `25`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import keras
        >>> from kcomponents.optimizers import NormZScore, clipped
        >>> weight = keras.Variable([0.0])
        >>> spikes = NormZScore(warmup_steps=4)
        >>> optimizer = clipped(keras.optimizers.SGD(1.0), adaptive=spikes)
        >>> for grad in (1.0, 2.0, 1.0, 2.0, 1000.0):
        ...     optimizer.apply([keras.ops.array([grad])], [weight])
        >>> round(float(weight.numpy()[0]), 2)
        -7.5

    Reference:
        Kumar et al., [ZClip: adaptive spike mitigation for LLM
        pre-training](https://arxiv.org/abs/2504.02507), 2025.
    """

    def __init__(
        self, threshold: float = 2.5, decay: float = 0.97, warmup_steps: int = 25
    ):
        self.threshold = number("threshold", threshold, 0, open_low=True)
        self.decay = number("decay", decay, 0, 1)
        if self.decay == 1:
            fail("`decay` must be below 1: the mean would never move.", decay=decay)
        self.warmup_steps = positive_int("warmup_steps", warmup_steps)
        if self.warmup_steps < 2:
            rule = "`warmup_steps` must be at least 2: one norm has no deviation."
            fail(rule, warmup_steps=warmup_steps)

    def variables(self) -> dict[str, tuple[tuple[int, ...], float]]:
        return {"mean": ((), 0.0), "variance": ((), 0.0), "count": ((), 0)}

    def step(self, norm: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        mean, variance, count = state
        is_first, seen = count < self.warmup_steps, ops.cast(count, "float32")
        std = ops.sqrt(variance) + EPSILON
        z = (norm - mean) / std
        is_spike = ops.logical_and(ops.logical_not(is_first), z > self.threshold)
        far = ops.where(is_spike, z, 1.0)
        bound = ops.where(is_spike, mean + self.threshold**2 / far * std, norm)
        # Of the first steps, the mean and the variance of all; later, moving ones.
        keep = ops.where(is_first, seen / (seen + 1.0), self.decay)
        of_now = (bound - mean) ** 2 * ops.where(is_first, keep, keep**2)
        mean = keep * mean + (1 - keep) * bound
        variance = keep * variance + (1 - keep) * of_now
        return bound, [mean, variance, count + 1]

    def get_config(self) -> dict[str, Any]:
        return {
            "threshold": self.threshold,
            "decay": self.decay,
            "warmup_steps": self.warmup_steps,
        }


NAMED = {"percentile": NormPercentile, "zscore": NormZScore}


def adaptive_bound(adaptive):
    """Return the bound that an argument `adaptive` of `clipped` names, or None."""
    if isinstance(adaptive, dict):
        adaptive = keras.saving.deserialize_keras_object(adaptive)
    if isinstance(adaptive, str):
        return NAMED[one_of("adaptive", adaptive, tuple(NAMED))]()
    if adaptive is not None and not isinstance(adaptive, AdaptiveBound):
        rule = "`adaptive` must be a name, an AdaptiveBound or None."
        fail(rule, adaptive=adaptive)
    return adaptive
