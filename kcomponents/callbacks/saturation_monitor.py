"""SaturationMonitor: the share of saturated outputs in hidden layers."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kcomponents._checks import fail, number
from kcomponents.callbacks._monitor import LayerResult, OutputMonitor
from kcomponents.probes import Statistic
from kcomponents.probes.measures import LIMITS, on_plateau, outputs_per_unit
from kcomponents.record import Record

REMEDY = (
    "use smaller initial weights; scale the inputs; add normalization layers; use ReLU"
)


class SaturationMonitor(OutputMonitor):
    """Log the share of saturated outputs of each hidden layer, after each epoch.

    An output is saturated where its activation is nearly flat: the slope is below 1/25
    of the maximum slope, so little gradient passes. All units and samples of the
    epoch's training batches count. In a convolution, each channel is a unit, and every
    position counts. NaN does not count as saturated. It adds to the logs, as shares
    from 0 to 1:

    - `saturated`: share of saturated outputs, over all monitored layers.
    - `saturated_max`: the share of the layer that has the largest.
    - `saturated/<layer path>`: the share of each layer, if `per_layer` is set.

    | activation | saturated |
    | --- | --- |
    | `tanh` | below -0.99, above 0.99 |
    | `sigmoid` | below 0.01, above 0.99 |
    | `softsign` | below -0.9, above 0.9 |
    | `hard_tanh` | at -1 and 1, where the slope is 0 |
    | `hard_sigmoid`, `sparse_sigmoid` | at 0 and 1, where the slope is 0 |

    Only hidden layers are reported, because saturated outputs of the model are
    confident predictions. LSTM and GRU are left out, because their gates are meant to
    saturate. `SimpleRNN` is included, also inside `Bidirectional`. In a functional
    model, operations such as `keras.ops.tanh(x)` are included; a function that the
    `call` of a layer or subclassed model calls cannot be seen. If nothing is monitored,
    the monitor warns when training begins. A layer that has learned a binary code is
    saturated and works well, so check the loss too.

    The counts are exact up to 2^24 outputs per unit between two readings and rounded
    beyond that; use `every` for more frequent readings.

    Attributes:
        unit_shares: Dict of layer path to the list of each unit's share of saturated
            outputs in the last epoch. If a layer without weights is used several times,
            each further use has its own entry: `path:2`, `path:3`, and so on.
        report: String, a table of the last epoch.

    Args:
        data: Inputs to measure on instead of the training batches: an array, a list or
            dict of arrays as the model takes them, or a dataset of batches as for
            `fit`. After each epoch, the model runs on all of it in inference mode,
            arrays in batches of 32. Defaults to `None`, the training batches.
        layers: Regular expression or list of them. Layers are monitored if their path
            matches at least one (`re.search`). Defaults to `None`, all hidden layers
            with these activations.
        limits: Dict of activation name to `(low, high)`. Outputs below `low` or above
            `high` count as saturated. It overrides entries of the table or adds
            activations to it. Defaults to `None`, the table.
        every: Integer, optimizer steps between readings, which are added to `readings`
            and `record`. Each reading waits for the device. Defaults to `None`, one
            reading per epoch.
        record: `kcomponents.record.Record` that each reading is added to. Defaults to
            `None`.
        warn_above: Float from 0 to 1. If the share of a layer is above it, the monitor
            warns, once per layer and `fit`. Defaults to `None`, no warnings; the report
            then suggests a remedy above 0.7.
        per_layer: Boolean, whether to log `saturated/<layer path>` for each layer too.
            Defaults to `False`.
        verbose: 0 or 1. With 1, the layers of the report that have a remedy are printed
            after training. Defaults to 0.

    Raises:
        ValueError: If an argument is invalid; in `fit`, if the model is not built,
            `layers` matches no such layer, or `data` does not fit the model.

    Example:
        >>> import keras
        >>> from kcomponents.callbacks import SaturationMonitor
        >>> dense = keras.layers.Dense(2, "tanh", kernel_initializer="ones", name="d")
        >>> model = keras.Sequential([keras.Input((3,)), dense, keras.layers.Dense(1)])
        >>> _ = dense.bias.assign([0.0, -3.0])
        >>> model.compile("sgd", "mse")
        >>> monitor = SaturationMonitor(layers="d$")
        >>> x, y = keras.ops.ones((8, 3)), keras.ops.ones((8, 1))
        >>> history = model.fit(x, y, verbose=0, callbacks=[monitor]).history
        >>> history["saturated"], list(monitor.unit_shares.values())
        ([0.5], [[1.0, 0.0]])

    Reference: Glorot & Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", 2010, https://proceedings.mlr.press/v9/glorot10a.html
    """

    KEY = "saturated"
    HEADER = "units", "saturated", "worst units", "remedy"
    NOTHING = "No hidden layer with a saturating activation is monitored."
    OTHERS = "few outputs are saturated."

    def __init__(
        self,
        data: ArrayLike | dict[str, Any] | Iterable[Any] | None = None,
        *,
        layers: str | Sequence[str] | None = None,
        limits: dict[str, tuple[float, float]] | None = None,
        every: int | None = None,
        record: Record | None = None,
        warn_above: float | None = None,
        per_layer: bool = False,
        verbose: int = 0,
    ):
        shared = {"every": every, "record": record, "verbose": verbose}
        super().__init__(data, layers, warn_above, per_layer, **shared)
        self.limits = {**LIMITS, **_check_limits({} if limits is None else limits)}

    def _reset(self):
        super()._reset()
        self.unit_shares = {}

    def _is_watched(self, watched):
        # If a `Bidirectional` sums or multiplies, the bounds are others.
        alone = getattr(watched.layer, "merge_mode", None) in (None, "concat")
        return watched.activation in self.limits and alone

    def _is_hidden(self, site):
        return site in self._probe.last_layers

    def _is_notable(self, row):
        return bool(row[-1])

    def _statistics(self):
        return (
            Statistic("unit_saturated", "outputs", self._on_plateau),
            Statistic("unit_outputs", "outputs", outputs_per_unit),
        )

    def _on_plateau(self, view):
        return on_plateau(view, self.limits[view.activation])

    def _summarize(self, site, watched, saturated, outputs):
        if not outputs.any():
            return None
        shares = saturated / outputs
        self.unit_shares[site] = shares.tolist()
        count, total = float(saturated.sum()), float(outputs * saturated.size)
        share = count / total
        worst = [u for u in np.argsort(-shares, kind="stable")[:3] if shares[u]]
        names = ", ".join(f"{unit} ({shares[unit]:.2f})" for unit in worst)
        above = 0.7 if self.warn_above is None else self.warn_above
        row = [shares.size, share, names, REMEDY if share > above else ""]
        finding = f"of the outputs of {site!r} are saturated. Remedy: {REMEDY}"
        return LayerResult(count, total, row, finding)


def _check_limits(limits):
    named = isinstance(limits, dict) and all(isinstance(key, str) for key in limits)
    if not named:
        rule = "`limits` must be a dict of activation names to pairs (low, high)."
        fail(rule, limits=limits)
    return {name: _check_pair(f"limits[{name!r}]", limits[name]) for name in limits}


def _check_pair(name, pair):
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        fail("Each value of `limits` must be a pair (low, high).", **{name: pair})
    low, high = (number(name, bound) for bound in pair)
    if low >= high:
        fail("In each pair of `limits`, low must be below high.", **{name: pair})
    return low, high
