"""UpdateRatioMonitor: the size of each update relative to the weights."""

import math
from collections.abc import Sequence
from typing import Any

from kcomponents._checks import fail, number, positive_int
from kcomponents._text import table
from kcomponents.callbacks._monitor import Monitor
from kcomponents.probes import Probe
from kcomponents.probes.layer_walk import patterns, select
from kcomponents.probes.measures import RATIOS, mean_ratio
from kcomponents.record import Record


class UpdateRatioMonitor(Monitor):
    """Log the size of the updates relative to the weights, after each epoch.

    `ratio = norm(after - before) / norm(before)` for each kernel, that is, each
    trainable variable of rank 2 or more. The log `update_ratio/<variable path>` is the
    mean over the measured steps of the epoch. The update includes everything a step
    changes: the optimizer, weight decay, moving averages and constraints. Steps that
    are skipped or only accumulate gradients do not count, and neither do steps that
    start from a kernel of zeros. If no step counts, the log is NaN.

    A ratio of about 1e-3 is usual. Far above, the learning rate is too high; far below,
    it is too low.

    Args:
        variables: Regular expression or list of them. Kernels are monitored if their
            path matches at least one (`re.search`). Defaults to `None`, all kernels.
        every: Integer, optimizer steps between readings, which are added to `readings`
            and `record`. Each reading waits for the device. Defaults to `None`, one
            reading per epoch.
        sample: Integer. One of `sample` steps is measured, starting with the first one
            after each reading. 1 measures every step, which costs about as much as the
            optimizer. Defaults to 16.
        band: Pair of floats, the lowest and the highest ratio that the report rates
            `"ok"`. Defaults to `(1e-4, 1e-2)`.
        record: `kcomponents.record.Record` that each reading is added to. Defaults to
            `None`.
        verbose: 0 or 1. With 1, the report is printed after training. Defaults to 0.

    Raises:
        ValueError: If an argument is invalid; in `fit`, if the model is not built or
            has no optimizer, or `variables` matches no kernel.

    Example:
        >>> import keras
        >>> from kcomponents.callbacks import UpdateRatioMonitor
        >>> dense = keras.layers.Dense(1, kernel_initializer="ones", name="dense")
        >>> model = keras.Sequential([keras.Input((2,)), dense], name="small")
        >>> model.compile(keras.optimizers.SGD(0.01), "mse")
        >>> x, y = keras.ops.ones((8, 2)), keras.ops.ones((8, 1)) * 2.5
        >>> monitor = UpdateRatioMonitor()
        >>> history = model.fit(x, y, verbose=0, callbacks=[monitor]).history
        >>> [(key, round(values[0], 4)) for key, values in history.items()][1:]
        [('update_ratio/small/dense/kernel', 0.01)]

    Reference: Karpathy, "CS231n: Convolutional neural networks for visual recognition,
    neural networks part 3", 2015, https://cs231n.github.io/neural-networks-3/#ratio
    """

    def __init__(
        self,
        *,
        variables: str | Sequence[str] | None = None,
        every: int | None = None,
        sample: int = 16,
        band: tuple[float, float] = (1e-4, 1e-2),
        record: Record | None = None,
        verbose: int = 0,
    ):
        super().__init__(every=every, record=record, verbose=verbose)
        self.variables = variables
        if variables is not None:
            patterns(variables, "variables")
        self.band = _check_band(band)
        self.sample = positive_int("sample", sample)

    def _reset(self):
        super()._reset()
        self._kernels, self._sums, self._last = [], {}, {}

    def _make_probe(self):
        return Probe(*RATIOS, sample=self.sample)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reset the monitor and attach the probe."""
        super().on_train_begin(logs)
        pairs = zip(self._probe.paths, self._probe.variables, strict=True)
        kernels = [path for path, variable in pairs if len(variable.shape) > 1]
        try:
            self._kernels = select(kernels, self.variables, "variables")
        except ValueError:
            self._probe.detach()
            raise

    def _log_epoch(self, epoch, reading, logs):
        for path in self._kernels:
            sums = [reading.values[s.name][path] for s in RATIOS]
            self._last[path] = logs[f"update_ratio/{path}"] = mean_ratio(*sums)
            so_far = self._sums.get(path, (0.0, 0.0))
            self._sums[path] = [a + b for a, b in zip(so_far, sums, strict=True)]

    @property
    def report(self) -> str:
        """Table of the mean ratio of each kernel in the last `fit`, with a verdict."""
        rows = []
        for path, sums in self._sums.items():
            mean = mean_ratio(*sums)
            rows.append([path, mean, self._last[path], self._verdict(mean)])
        return table(["kernel", "update ratio", "last epoch", "verdict"], rows)

    def _verdict(self, ratio):
        if math.isnan(ratio):
            return "unknown"
        low, high = self.band
        return "low" if ratio < low else "high" if ratio > high else "ok"


def _check_band(band):
    if not isinstance(band, (tuple, list)) or len(band) != 2:
        fail("`band` must be a pair (low, high).", band=band)
    low, high = (number("band", bound, 0, open_low=True) for bound in band)
    if low >= high:
        fail("In `band`, the first number must be below the second.", band=band)
    return low, high
