"""GradientNormLogger: the norm of the gradients, before and after clipping."""

import math
from typing import Any

import numpy as np
from keras import ops

from kcomponents._checks import boolean, fail, number, one_of
from kcomponents._text import table
from kcomponents.callbacks._monitor import Monitor
from kcomponents.probes import Probe, Statistic
from kcomponents.record import Record

# Norms from 2^-32 to 2^32 in bins of an eighth of an octave: percentiles are exact to
# 4.5%, from a vector that stays on the device.
BINS, PER_OCTAVE, LOWEST = 512, 8, -32
# The upper edges of the bins, squared; every finite norm is below the last one.
EDGES = 4.0 ** (LOWEST + np.arange(1, BINS + 1) / PER_OCTAVE)
EDGES[-1] = math.inf


def _total(view):
    """Return the squared norm of all gradients if it is finite, else 0."""
    return ops.where(view.finite, view.total, 0.0)


def _below(view):
    """Return a vector with a 1 for each bin whose upper edge is above the norm."""
    # NaN and infinity are below no edge, not even infinity.
    edges = ops.convert_to_tensor(EDGES.astype("float32"))
    return ops.cast(view.total < edges, "float32")


def _largest(view):
    # Below every norm, so that the norm of another step is kept.
    return ops.where(view.finite, view.total, -math.inf)


def _is_finite(view):
    """Return whether a gradient is finite before and after clipping."""
    return ops.isfinite(view.before + view.total)


def _finite_steps(view):
    return ops.cast(view.once(_is_finite), "float32")


def _clipped_steps(view):
    # Rounding errors of a bound that changes nothing stay far below this.
    clipped = view.total < view.before * (1 - 2e-5)
    return ops.cast(ops.logical_and(view.once(_is_finite), clipped), "float32")


def _clipped_total(view):
    return ops.where(view.once(_is_finite), view.total, 0.0)


TOTALS = (
    Statistic("gradient_square", "gradients", lambda v: v.once(_total)),
    Statistic("gradient_norm_sum", "gradients", lambda v: ops.sqrt(v.once(_total))),
    Statistic("gradient_square_max", "gradients", _largest, "max"),
    Statistic("gradient_square_last", "gradients", lambda v: v.total, "last_finite"),
    Statistic("gradient_norms_below", "gradients", _below),
)
CLIPPED = (
    Statistic("clipped_square", "clipped_gradients", _clipped_total),
    Statistic("clipped_steps", "clipped_gradients", _clipped_steps),
    Statistic("applied_steps", "clipped_gradients", _finite_steps),
)
PER_VARIABLE = Statistic(
    "gradient_squares",
    "gradients",
    lambda v: ops.where(v.finite, v.squares, 0.0),
    per_variable=True,
)


class GradientNormLogger(Monitor):
    """Log the norm of the gradients, before and after clipping, after each epoch.

    `norm = sqrt(sum(g ** 2))` over all trainable variables, without the loss scale, for
    the global batch, and averaged over accumulated batches. It adds to the logs:

    - `grad_norm`: root mean square of the norm over the epoch's optimizer steps.
    - `grad_norm_max`, `grad_norm_last`: the maximum, and the norm of the last step.
    - `grad_norm_clipped`: like `grad_norm`, after clipping by the optimizer.
    - `clip_rate`: share of steps that were clipped, 0 to 1.
    - `skipped_steps`: number of steps in the epoch that did not change the weights,
      because loss scaling, `clipped` or `FiniteGuard` skipped them.

    Only steps with a finite gradient count in all but the last, whoever skips the
    others: `grad_norm_last` is the norm of the last finite one. In an epoch without one
    they are NaN. What cannot be measured is NaN too: clipping inside a
    `MultiOptimizer`, where each optimizer clips its own variables.

    Nothing is logged, and the logger warns once, if the model has no variable to train,
    or if its `train_step` uses other optimizers than that of `compile`.

    In the list of callbacks, put it before those that read its logs, such as
    `CSVLogger`.

    Args:
        per_variable: Boolean, whether to log `grad_norm/<path>` for each variable too.
            Defaults to `False`.
        every: Integer, optimizer steps between readings, which are added to `readings`
            and `record`. Each reading waits for the device. Defaults to `None`, one
            reading per epoch.
        record: `kcomponents.record.Record` that each reading is added to. Defaults to
            `None`.
        verbose: 0 or 1. With 1, the report is printed after training. Defaults to 0.

    Raises:
        ValueError: If an argument is invalid; in `fit`, if the model is not built or
            has no optimizer.

    Example:
        >>> import keras
        >>> from kcomponents.callbacks import GradientNormLogger
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(clipnorm=0.1), "mse")
        >>> x, y = keras.ops.ones((8, 2)), keras.ops.ones((8, 1)) * 9
        >>> logger = GradientNormLogger()
        >>> history = model.fit(x, y, verbose=0, callbacks=[logger]).history
        >>> history["clip_rate"]
        [1.0]
        >>> history["grad_norm"][0] > history["grad_norm_clipped"][0]
        True

    Reference: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent
    neural networks", 2013, https://arxiv.org/abs/1211.5063
    """

    def __init__(
        self,
        *,
        per_variable: bool = False,
        every: int | None = None,
        record: Record | None = None,
        verbose: int = 0,
    ):
        super().__init__(every=every, record=record, verbose=verbose)
        self.per_variable = boolean("per_variable", per_variable)

    def _reset(self):
        super()._reset()
        self._rows = []
        self._below, self._norm_sum, self._count = np.zeros(BINS), 0.0, 0
        self._skipped = 0

    def _make_probe(self):
        own = (PER_VARIABLE,) if self.per_variable else ()
        return Probe(*TOTALS, *CLIPPED, *own)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Attach the probe, and warn if there is no gradient to measure."""
        super().on_train_begin(logs)
        self._has_gradients()

    def _log_epoch(self, epoch, reading, logs):
        if not self._has_gradients():
            return
        value = {n: v.get("all") for n, v in reading.values.items()}
        steps, applied = value["gradient_norms_below"][-1], value["applied_steps"]
        measured = {
            "grad_norm": _root_mean(value["gradient_square"], steps),
            "grad_norm_max": _root_mean(value["gradient_square_max"], steps and 1),
            "grad_norm_last": _root_mean(value["gradient_square_last"], steps and 1),
            "grad_norm_clipped": _root_mean(value["clipped_square"], applied),
            "clip_rate": value["clipped_steps"] / applied if applied else math.nan,
            "skipped_steps": self._skipped_now(),
        }
        for path, square in reading.values.get("gradient_squares", {}).items():
            measured[f"grad_norm/{path}"] = _root_mean(square, steps)
        logs.update(measured)
        self._rows.append((epoch, measured))
        self._below += value["gradient_norms_below"]
        self._norm_sum += value["gradient_norm_sum"]
        self._count += steps

    def _skipped_now(self):
        before, self._skipped = self._skipped, self._steps_due() - self._steps()
        return max(self._skipped - before, 0)

    @property
    def report(self) -> str:
        """Table of the norms in each epoch of the last `fit`."""
        if not self._rows:
            return "No gradient was measured."
        keys = ["grad_norm", "grad_norm_max", "grad_norm_clipped", "clip_rate"]
        rows = [
            [epoch + 1, *(logged[key] for key in keys)] for epoch, logged in self._rows
        ]
        return table(["epoch", *keys], rows)

    def suggest_clipnorm(
        self, rule: str = "percentile", *, percentile: float = 10
    ) -> float:
        """Suggest a `global_clipnorm` from the norms measured in the last `fit`.

        Args:
            rule: String, `"percentile"` or `"mean"` of all measured norms. The
                percentile (AutoClip) is exact to 4.5%. For the mean, Pascanu et al.
                report that any bound from half to ten times as large works about as
                well. Defaults to `"percentile"`.
            percentile: Float from 0 to 100. Defaults to 10, as in AutoClip.

        Returns:
            Float, the suggested bound.

        Raises:
            ValueError: If no finite gradient was measured yet, or an argument is
                invalid.

        Reference: Seetharaman et al., "AutoClip: adaptive gradient clipping for source
        separation networks", 2020, https://arxiv.org/abs/2007.14469
        """
        one_of("rule", rule, ("percentile", "mean"))
        share = number("percentile", percentile, 0, 100) / 100
        if not self._count:
            rule = "No gradient norms were measured yet: call `fit` with this callback."
            fail(rule, steps=0)
        if rule == "mean":
            return self._norm_sum / self._count
        # At least the bin of the smallest norm, not an empty bin below it.
        rank = max(share * self._count, 0.5)
        place = int(np.searchsorted(self._below, rank))
        return 2.0 ** ((min(place, BINS - 1) + 0.5) / PER_OCTAVE + LOWEST)


def _root_mean(square, steps):
    return math.sqrt(square / steps) if steps else math.nan
