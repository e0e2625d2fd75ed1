"""UpdateRatioMonitor: the size of each update relative to the weights."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from kcomponents._checks import boolean, fail, number, positive_int
from kcomponents._text import table
from kcomponents.callbacks._monitor import Monitor
from kcomponents.probes import Probe
from kcomponents.probes.layer_walk import patterns, select
from kcomponents.probes.measures import RATIOS, mean_ratio
from kcomponents.record import Record

NO_KERNEL = "No trainable variable has rank 2 or more, so no update ratio is logged."


class UpdateRatioMonitor(Monitor):
    """Log the size of the updates relative to the weights, after each epoch.

    `ratio = norm(after - before) / norm(before)` for each kernel, that is, each
    trainable variable of rank 2 or more. The ratio of an epoch is the mean over its
    measured steps. It adds to the logs:

    - `update_ratio`: median over all monitored kernels.
    - `update_ratio_max`: the largest of them.
    - `update_ratio/<variable path>`: each of them, if `per_variable` is set.

    The update includes everything a step changes: the optimizer, weight decay, moving
    averages and constraints. Steps that are skipped or only accumulate gradients do not
    count, and neither do steps that start from a kernel of zeros. A kernel for which no
    step counts has NaN, and is left out of the first two unless all have NaN. Nothing
    is logged, and the monitor warns once, if there is no kernel to train, or if the
    `train_step` of the model uses other optimizers than that of `compile`.

    A ratio of about 1e-3 is usual. Far above, the learning rate is too high; far below,
    it is too low.

    Args:
        variables: Regular expression or list of them. Kernels are monitored if their
            path matches at least one (`re.search`). Defaults to `None`, all kernels.
        every: Integer, optimizer steps between readings, which are added to `readings`
            and `record`. Each reading waits for the device. Defaults to `None`, one
            reading per epoch.
        sample: Integer. One of `sample` steps is measured, starting with the first one
            after each reading, and steps that another sampled monitor measures. 1
            measures every step, which costs about as much as the optimizer. Defaults to
            64.
        band: Pair of floats, the lowest and the highest ratio that the report rates
            `"ok"`. Defaults to `(1e-4, 1e-2)`.
        per_variable: Boolean, whether to log `update_ratio/<path>` for each kernel too.
            Defaults to `False`.
        record: `kcomponents.record.Record` that each reading is added to. Defaults to
            `None`.
        verbose: 0 or 1. With 1, the kernels of the report that are not rated `"ok"` are
            printed after training. Defaults to 0.

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
        [('update_ratio', 0.01), ('update_ratio_max', 0.01)]

    Reference: Karpathy, "CS231n: Convolutional neural networks for visual recognition,
    neural networks part 3", 2015, https://cs231n.github.io/neural-networks-3/#ratio
    """

    def __init__(
        self,
        *,
        variables: str | Sequence[str] | None = None,
        every: int | None = None,
        sample: int = 64,
        band: tuple[float, float] = (1e-4, 1e-2),
        per_variable: bool = False,
        record: Record | None = None,
        verbose: int = 0,
    ):
        super().__init__(every=every, record=record, verbose=verbose)
        self.variables = variables
        if variables is not None:
            patterns(variables, "variables")
        self.band = _check_band(band)
        self.sample = positive_int("sample", sample)
        self.per_variable = boolean("per_variable", per_variable)
        self._kernels = []

    def _reset(self):
        super()._reset()
        self._sums, self._last = {}, {}

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
        if self._has_gradients() and not self._kernels:
            self._warn("no kernels", NO_KERNEL)

    def _log_epoch(self, epoch, reading, logs):
        if not self._has_gradients() or not self._kernels:
            return
        ratios = {}
        for path in self._kernels:
            sums = [reading.values[s.name][path] for s in RATIOS]
            self._last[path] = ratios[path] = mean_ratio(*sums)
            so_far = self._sums.get(path, (0.0, 0.0))
            self._sums[path] = [a + b for a, b in zip(so_far, sums, strict=True)]
        known = [r for r in ratios.values() if not math.isnan(r)] or [math.nan]
        logs["update_ratio"] = statistics.median(known)
        logs["update_ratio_max"] = max(known)
        if self.per_variable:
            logs |= {f"update_ratio/{path}": ratio for path, ratio in ratios.items()}

    @property
    def report(self) -> str:
        """Table of the mean ratio of each kernel in the last `fit`, with a verdict."""
        rows = self._rows()
        return _table(rows) if rows else "No update was measured."

    def _report_to_print(self):
        """Return the report without the kernels whose ratio is usual."""
        rows = self._rows()
        notable = [row for row in rows if row[-1] != "ok"]
        usual = len(rows) - len(notable)
        if not usual:
            return self.report
        word = "kernel" if usual == 1 else "kernels"
        which = f"{usual} other {word}" if notable else f"{usual} {word}"
        return "\n".join([_table(notable)] * bool(notable) + [f"{which}: ok."])

    def _rows(self):
        rows = []
        for path, sums in self._sums.items():
            mean = mean_ratio(*sums)
            rows.append([path, mean, self._last[path], self._verdict(mean)])
        return rows

    def _verdict(self, ratio):
        if math.isnan(ratio):
            return "unknown"
        low, high = self.band
        return "low" if ratio < low else "high" if ratio > high else "ok"


def _table(rows):
    return table(["kernel", "update ratio", "last epoch", "verdict"], rows)


def _check_band(band):
    if not isinstance(band, (tuple, list)) or len(band) != 2:
        fail("`band` must be a pair (low, high).", band=band)
    low, high = (number("band", bound, 0, open_low=True) for bound in band)
    if low >= high:
        fail("In `band`, the first number must be below the second.", band=band)
    return low, high
