"""SaturationMonitor: how much of what units put out lies on a plateau."""

import numpy as np

from kcomponents._check import fail, number
from kcomponents.callbacks._outputs import OutputMonitor
from kcomponents.callbacks._plateaus import LIMITS, on_plateau, outputs_per_unit
from kcomponents.statistics import Statistic

REMEDY = "smaller initial weights; scaled inputs; normalization; ReLU"


class SaturationMonitor(OutputMonitor):
    """Add the share of outputs on a plateau of their activation to each epoch's logs.

    `saturated/<layer path>` is the share, 0 to 1, of (unit, sample) pairs over all
    training batches of the epoch; units of convolutions are channels, at each position.
    There the slope is below 1/25 of the greatest one, so little gradient passes.
    NaN is on no plateau.

    | activation | plateau |
    | --- | --- |
    | `tanh` | below -0.99, above 0.99 |
    | `sigmoid` | below 0.01, above 0.99 |
    | `softsign` | below -0.9, above 0.9: it comes near its bounds late, flat by then |
    | `hard_tanh` | at -1 and 1, where the slope is 0 |
    | `hard_sigmoid`, `sparse_sigmoid` | at 0 and 1, where the slope is 0 |

    Only hidden layers are reported, as outputs of the model are meant to be decided.
    LSTM and GRU are left out: their gates work by saturation. `SimpleRNN` is seen, also
    within `Bidirectional`. A layer that learned a binary code is saturated and well:
    look at the loss too.

    `unit_shares` is a dict of site, a layer's path, to the share of each of its units
    in the last epoch. A layer without weights that is used several times has several
    sites, the second of them `path:2`.

    Counts of a unit are exact up to 2^24 outputs between two readings, then rounded;
    `every` makes readings more frequent.

    Args:
        data: Optional inputs to look at instead of the training batches: an array,
            arrays nested as the model takes them, or a dataset of batches as for `fit`.
            The model is run on all of it, in inference and in batches of 32, at the
            end of each epoch. Defaults to `None`.
        layers: Optional regular expression, or list of them, searched in the paths of
            layers. Defaults to `None`, all hidden layers with these activations.
        limits: Optional dict of activation name to `(low, high)`, which replace those
            of the table or add an activation to it. Defaults to `None`.
        every: Optional integer, optimizer steps between readings within an epoch, for
            `readings` and `record`. Each one waits for the device. Defaults to `None`,
            one reading an epoch.
        record: Optional `kcomponents.record.Record` that each reading is added to.
        warn_above: Optional share, 0 to 1, above which to warn, once per layer and fit.
            Defaults to `None`: quiet, and `report` names a remedy above 0.7.
        verbose: 0 or 1, whether to print the report at the end. Defaults to 0.

    Raises:
        ValueError: If an argument is out of range; in `fit`, if the model has no
            weights yet, `layers` match no such layer, or `data` does not suit the
            model.

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
        >>> list(history.values())[-1], list(monitor.unit_shares.values())
        ([0.5], [[1.0, 0.0]])

    Reference: Glorot & Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", 2010, https://proceedings.mlr.press/v9/glorot10a.html
    """

    KEY = "saturated"
    HEADER = "units", "share", "worst units", "remedy"
    NOTHING = "No hidden layers with plateaus were watched."

    def __init__(
        self,
        data=None,
        *,
        layers=None,
        limits=None,
        every=None,
        record=None,
        warn_above=None,
        verbose=0,
    ):
        shared = {"every": every, "record": record, "verbose": verbose}
        super().__init__(data, layers, warn_above, **shared)
        self.limits = {**LIMITS, **_check_limits({} if limits is None else limits)}

    def _forget(self):
        super()._forget()
        self.unit_shares = {}

    def _watches(self, watched):
        # A sum or product of both directions has other bounds.
        alone = getattr(watched.layer, "merge_mode", None) in (None, "concat")
        return watched.activation in self.limits and alone

    def _hides(self, site):
        return site in self._probe.last_layers

    def _statistics(self):
        return (
            Statistic("unit_saturated", "outputs", self._on_plateau),
            Statistic("unit_outputs", "outputs", outputs_per_unit),
        )

    def _on_plateau(self, view):
        return on_plateau(view, self.limits[view.activation])

    def _see_site(self, site, watched, saturated, outputs):
        if not outputs.any():
            return None
        shares = saturated / outputs
        self.unit_shares[site] = shares.tolist()
        share = float(shares.mean())
        worst = [u for u in np.argsort(-shares, kind="stable")[:3] if shares[u]]
        names = ", ".join(f"{unit} ({shares[unit]:.2f})" for unit in worst)
        above = 0.7 if self.warn_above is None else self.warn_above
        row = [shares.size, share, names, REMEDY if share > above else ""]
        return share, row, f"is on a plateau. Remedy: {REMEDY}"


def _check_limits(limits):
    named = isinstance(limits, dict) and all(isinstance(key, str) for key in limits)
    if not named:
        fail("`limits` must be a dict of activation name to bounds.", limits=limits)
    return {name: _bounds(f"limits[{name!r}]", given) for name, given in limits.items()}


def _bounds(name, given):
    if not isinstance(given, list | tuple) or len(given) != 2:
        fail("Each of `limits` must be a pair, low and high.", **{name: given})
    low, high = (number(name, bound) for bound in given)
    if low >= high:
        fail("Each of `limits` must have low below high.", **{name: given})
    return low, high
