"""UpdateRatioMonitor: how far each step moves the kernels, for their size."""

import math

from kcomponents._check import fail, number, positive_int
from kcomponents.callbacks._monitor import Monitor
from kcomponents.callbacks._ratios import RATIOS, mean_ratio
from kcomponents.callbacks._table import table
from kcomponents.probes import Probe
from kcomponents.probes._watched import patterns, select


class UpdateRatioMonitor(Monitor):
    """Add the size of the updates over that of the weights to the logs of each epoch.

    `ratio = norm(after - before) / norm(before)` for each kernel, that is each
    trainable variable of rank 2 or more, in the mean over the epoch's steps, under the
    key `update_ratio/<variable path>`. The update is what the whole step changed: by
    optimizer, weight decay, moving averages and constraints. Steps that move nothing,
    such as those that only accumulate or are skipped, do not count, nor do those of a
    kernel that is all zeros before. A kernel without any is NaN.

    About 1e-3 is usual: far above, the learning rate is too high, far below too low.

    Args:
        variables: Optional regular expression or list of them, looked for in the paths
            of the kernels. Defaults to `None`, all kernels.
        every: Optional integer, optimizer steps between readings within an epoch, for
            `readings` and `record`. Each one waits for the device. Defaults to `None`,
            one reading an epoch.
        sample: Integer, each how many steps one is measured, from the first one of
            each reading; 1 measures all, which costs about as much as the optimizer.
            Defaults to 16.
        band: Pair of numbers, the lowest and the highest ratio that the report calls
            `"ok"`. Defaults to `(1e-4, 1e-2)`.
        record: Optional `kcomponents.record.Record` that each reading is added to.
        verbose: 0 or 1, whether to print the report at the end. Defaults to 0.

    Raises:
        ValueError: If an argument is out of range; in `fit`, if the model has no
            weights yet or no optimizer, or `variables` is found in no path.

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
        variables=None,
        every=None,
        sample=16,
        band=(1e-4, 1e-2),
        record=None,
        verbose=0,
    ):
        super().__init__(every=every, record=record, verbose=verbose)
        self.variables = variables
        if variables is not None:
            patterns(variables, "variables")
        self.band = _checked(band)
        self.sample = positive_int("sample", sample)

    def _forget(self):
        super()._forget()
        self._kernels, self._sums, self._last = [], {}, {}

    def _make_probe(self):
        return Probe(*RATIOS, sample=self.sample)

    def on_train_begin(self, logs=None):
        """Attach the probe, with nothing left of an earlier fit."""
        super().on_train_begin(logs)
        pairs = zip(self._probe.paths, self._probe.variables, strict=True)
        kernels = [path for path, variable in pairs if len(variable.shape) > 1]
        try:
            self._kernels = select(kernels, self.variables, "variables")
        except ValueError:
            self._probe.detach()
            raise

    def _see_epoch(self, epoch, reading, logs):
        for path in self._kernels:
            found = [reading.values[s.name][path] for s in RATIOS]
            self._last[path] = logs[f"update_ratio/{path}"] = mean_ratio(*found)
            so_far = self._sums.get(path, (0.0, 0.0))
            self._sums[path] = [a + b for a, b in zip(so_far, found, strict=True)]

    @property
    def report(self):
        """The mean ratio of each kernel in the last fit, as a table with a verdict."""
        rows = []
        for path, sums in self._sums.items():
            mean = mean_ratio(*sums)
            rows.append([path, mean, self._last[path], self._verdict(mean)])
        return table(["kernel", "update ratio", "last epoch", "verdict"], rows)

    def _verdict(self, ratio):
        if math.isnan(ratio):
            return "none"
        low, high = self.band
        return "low" if ratio < low else "high" if ratio > high else "ok"


def _checked(band):
    if not isinstance(band, (tuple, list)) or len(band) != 2:
        fail("`band` must be a pair of numbers.", band=band)
    low, high = (number("band", bound, 0, open_low=True) for bound in band)
    if low >= high:
        fail("`band` must be a lower and a higher number.", band=band)
    return low, high
