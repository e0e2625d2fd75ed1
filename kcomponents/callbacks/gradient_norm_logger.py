"""GradientNormLogger: how large the gradients are, before and after clipping."""

import math

import numpy as np
from keras import ops

from kcomponents._check import boolean, fail, number, one_of
from kcomponents.callbacks._monitor import Monitor
from kcomponents.callbacks._table import table
from kcomponents.probes import Probe
from kcomponents.statistics import Statistic

# Norms from 2^-32 to 2^32 in bins of an eighth of an octave: a percentile is found
# within 4.5 %, from a vector that stays on the device.
BINS, PER_OCTAVE, LOWEST = 512, 8, -32
# The upper edges of the bins, squared; all that is finite is below the last.
EDGES = 4.0 ** (LOWEST + np.arange(1, BINS + 1) / PER_OCTAVE)
EDGES[-1] = math.inf


def _total(view):
    """Return the squared norm of all gradients if it is finite, else 0."""
    return ops.where(view.finite, view.total, 0.0)


def _below(view):
    """Return a vector with a 1 for each bin whose upper edge is above the norm."""
    # What is not finite is below none, not even infinity.
    edges = ops.convert_to_tensor(EDGES.astype("float32"))
    return ops.cast(view.total < edges, "float32")


def _is_clipped(view):
    # Rounding of a bound that does not bind stays far below this.
    return ops.cast(view.total < view.before * (1 - 2e-5), "float32")


def _finite_total(view):
    return ops.where(ops.isfinite(view.total), view.total, 0.0)


TOTALS = (
    Statistic("gradient_square", "gradients", lambda v: v.once(_total)),
    Statistic("gradient_norm_sum", "gradients", lambda v: ops.sqrt(v.once(_total))),
    Statistic("gradient_square_max", "gradients", lambda v: v.once(_total), "max"),
    Statistic("gradient_square_last", "gradients", lambda v: v.total, "last"),
    Statistic("gradient_norms_below", "gradients", _below),
)
CLIPPED = (
    Statistic("clipped_square", "clipped_gradients", _finite_total),
    Statistic("clipped_steps", "clipped_gradients", _is_clipped),
    Statistic("applied_steps", "clipped_gradients", lambda v: 1.0),
)
PER_VARIABLE = Statistic(
    "gradient_squares",
    "gradients",
    lambda v: ops.where(v.finite, v.squares, 0.0),
    per_variable=True,
)


class GradientNormLogger(Monitor):
    """Add the norm of the gradients to the logs of each epoch.

    `norm = sqrt(sum(g ** 2))` over all variables, as it comes: without loss scale, of
    the global batch, averaged over accumulated steps. Keys: `grad_norm`, the root mean
    square over the epoch's optimizer steps, `grad_norm_max`, `grad_norm_last`,
    `grad_norm_clipped`, the same root mean square after clipping, `clip_rate`, the
    share of steps that were clipped, and `skipped_steps`, how many steps in the epoch
    did not move the weights. Steps whose gradient is not finite are left out of norms.
    Of what was not seen it is NaN: of clipping within a `MultiOptimizer`, whose parts
    clip each for itself.

    List it before callbacks that read its keys, such as `CSVLogger`.

    Args:
        per_variable: Boolean, whether to add `grad_norm/<path>` for each variable too.
            Defaults to `False`.
        every: Optional integer, optimizer steps between readings within an epoch, for
            `readings` and `record`. Each one waits for the device. Defaults to `None`,
            one reading an epoch.
        record: Optional `kcomponents.record.Record` that each reading is added to.
        verbose: 0 or 1, whether to print the report at the end. Defaults to 0.

    Raises:
        ValueError: If `every` is not a positive integer; in `fit`, if the model has no
            weights yet or no optimizer.

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

    def __init__(self, *, per_variable=False, every=None, record=None, verbose=0):
        super().__init__(every=every, record=record, verbose=verbose)
        self.per_variable = boolean("per_variable", per_variable)

    def _forget(self):
        super()._forget()
        self._rows = []
        self._below, self._norm_sum, self._count = np.zeros(BINS), 0.0, 0
        self._skipped = 0

    def _make_probe(self):
        own = (PER_VARIABLE,) if self.per_variable else ()
        return Probe(*TOTALS, *CLIPPED, *own)

    def _see_epoch(self, epoch, reading, logs):
        value = {n: v.get("all") for n, v in reading.values.items()}
        steps, applied = value["gradient_norms_below"][-1], value["applied_steps"]
        found = {
            "grad_norm": _root_mean(value["gradient_square"], steps),
            "grad_norm_max": math.sqrt(max(value["gradient_square_max"], 0.0)),
            "grad_norm_last": math.sqrt(value["gradient_square_last"]),
            "grad_norm_clipped": _root_mean(value["clipped_square"], applied),
            "clip_rate": value["clipped_steps"] / applied if applied else math.nan,
            "skipped_steps": self._skipped_now(),
        }
        for path, square in reading.values.get("gradient_squares", {}).items():
            found[f"grad_norm/{path}"] = _root_mean(square, steps)
        logs.update(found)
        self._rows.append((epoch, found))
        self._below += value["gradient_norms_below"]
        self._norm_sum += value["gradient_norm_sum"]
        self._count += steps

    def _skipped_now(self):
        before, self._skipped = self._skipped, self._steps_due() - self._steps()
        return max(self._skipped - before, 0)

    @property
    def report(self):
        """The norms of each epoch of the last fit, as a table."""
        keys = ["grad_norm", "grad_norm_max", "grad_norm_clipped", "clip_rate"]
        rows = [[epoch, *(found[key] for key in keys)] for epoch, found in self._rows]
        return table(["epoch", *keys], rows)

    def suggest_clipnorm(self, rule="percentile", *, percentile=10):
        """Return a bound for `global_clipnorm` from the norms seen in the last fit.

        Args:
            rule: `"percentile"`, that of all norms seen (AutoClip; read from bins, so
                within 4.5 %), or `"mean"`, about which training is not sensitive from
                half to ten times (Pascanu et al.). Defaults to `"percentile"`.
            percentile: Number from 0 to 100. Defaults to 10, the authors' choice.

        Raises:
            ValueError: If no finite gradient was seen, or an argument is out of range.

        Reference: Seetharaman et al., "AutoClip: adaptive gradient clipping for source
        separation networks", 2020, https://arxiv.org/abs/2007.14469
        """
        one_of("rule", rule, ("percentile", "mean"))
        share = number("percentile", percentile, 0, 100) / 100
        if not self._count:
            fail("Norms must be seen first: call `fit` with this callback.", steps=0)
        if rule == "mean":
            return self._norm_sum / self._count
        # At least the first norm, not an empty bin before it.
        rank = max(share * self._count, 0.5)
        place = int(np.searchsorted(self._below, rank))
        return 2.0 ** ((min(place, BINS - 1) + 0.5) / PER_OCTAVE + LOWEST)


def _root_mean(square, steps):
    return math.sqrt(square / steps) if steps else math.nan
