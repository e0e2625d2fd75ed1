"""DeadReLUMonitor: which rectifiers never fire."""

import numpy as np
from keras import ops

from kcomponents import _backends
from kcomponents._check import number
from kcomponents.callbacks._outputs import OutputMonitor, per_unit
from kcomponents.callbacks._rectifiers import (
    LEARNS,
    every_piece,
    is_rectifier,
    nan_weights,
)
from kcomponents.statistics import Statistic

REMEDIES = {
    "relu": "lower the learning rate; HeNormal; LeakyReLU or PReLU",
    "output": "softplus or no activation at an output; lower the learning rate",
    "maxout": "lower the learning rate; fewer pieces",
    "nan": "NaN weights: see FiniteGuard",
}


class DeadReLUMonitor(OutputMonitor):
    """Add the share of units that never fired in an epoch to its logs.

    A unit fires where its output is above `threshold`; units of convolutions are
    channels. `dead_relu/<layer path>` is the share, 0 to 1, of those that fired for no
    sample and at no position of all training batches of the epoch. Every sample
    counts, so the usual zeros, about half of a ReLU's outputs, are no finding.

    - `relu` and `relu6`, as a string, function, argument or layer: such a unit has
      gradient 0 and is dead.
    - `leaky_relu`, `prelu`, `rrelu`, `elu`, `selu`, `celu`: it stayed on the left side
      and learns on, slowly where that is flat. It is reported, never warned of.
    - Maxout layers: units are the pieces, channels of the wide layer, and a piece
      fires where it is the largest. One that never wins has gradient 0, while its
      maxout unit learns on. It is reported, never warned of.

    Units whose outputs or weights are NaN are counted apart, not as dead. Layers inside
    `TimeDistributed` or `Bidirectional` are seen as these put them out.

    `dead_units` and `nan_units` are dicts of site, a layer's path, to the list of its
    units in the last epoch. A layer without weights that is used several times has
    several sites, the second of them `path:2`.

    Args:
        data: Optional inputs to look at instead of the training batches: an array,
            arrays nested as the model takes them, or a dataset of batches as for `fit`.
            The model is run on all of it, in inference and in batches of 32, at the
            end of each epoch. Defaults to `None`.
        layers: Optional regular expression, or list of them, searched in the paths of
            layers. Defaults to `None`, all rectifiers.
        threshold: Number above which a unit fires. Defaults to 0.
        every: Optional integer, optimizer steps between readings within an epoch, for
            `readings` and `record`. Each one waits for the device. Defaults to `None`,
            one reading an epoch.
        record: Optional `kcomponents.record.Record` that each reading is added to.
        warn_above: Optional share, 0 to 1, of dead units above which to warn, once per
            layer and fit. Defaults to `None`: quiet, and `report` names a remedy above
            0.5.
        verbose: 0 or 1, whether to print the report at the end. Defaults to 0.

    Raises:
        ValueError: If an argument is out of range; in `fit`, if the model has no
            weights yet, `layers` match no rectifier, or `data` does not suit the model.

    Example:
        >>> import keras
        >>> from kcomponents.callbacks import DeadReLUMonitor
        >>> dense = keras.layers.Dense(2, "relu", kernel_initializer="ones", name="d")
        >>> model = keras.Sequential([keras.Input((3,)), dense, keras.layers.Dense(1)])
        >>> _ = dense.bias.assign([0.0, -9.0])
        >>> model.compile("sgd", "mse")
        >>> monitor = DeadReLUMonitor(layers="d$")
        >>> x, y = keras.ops.ones((8, 3)), keras.ops.ones((8, 1))
        >>> history = model.fit(x, y, verbose=0, callbacks=[monitor]).history
        >>> list(history.values())[-1], list(monitor.dead_units.values())
        ([0.5], [[1]])

    Reference: Lu, Shin, Su & Karniadakis, "Dying ReLU and initialization: theory and
    numerical examples", 2019, https://arxiv.org/abs/1903.06733
    """

    KEY = "dead_relu"
    HEADER = "units", "never fired", "NaN", "share", "still learns", "remedy"
    NOTHING = "No rectifiers were watched."

    def __init__(
        self,
        data=None,
        *,
        layers=None,
        threshold=0.0,
        every=None,
        record=None,
        warn_above=None,
        verbose=0,
    ):
        shared = {"every": every, "record": record, "verbose": verbose}
        super().__init__(data, layers, warn_above, **shared)
        self.threshold = number("threshold", threshold)

    def _forget(self):
        super()._forget()
        self.dead_units, self.nan_units = {}, {}

    def _watches(self, watched):
        return is_rectifier(watched)

    def _statistics(self):
        own = (Statistic("unit_highest", "outputs", _highest, "max"),)
        # A maximum that a compiler computes may pass over NaN.
        if _backends.max_may_drop_nan and self.model.jit_compile:
            own += (Statistic("unit_nan", "outputs", _nan, "max"),)
        return own

    def _see_site(self, site, watched, highest, hidden=None):
        if np.isneginf(highest).all():
            return None
        # Of a piece it is whether it won.
        above = 0 if watched.activation == "maxout" else self.threshold
        fired, nan = highest > above, np.isnan(highest)
        if hidden is not None:
            nan |= hidden > 0
        fired &= ~nan
        if not fired.all():
            # Hidden NaN comes out as 0.
            nan |= nan_weights(self.model, watched.layer, fired)
        dead = ~fired & ~nan
        self.dead_units[site] = np.flatnonzero(dead).tolist()
        self.nan_units[site] = np.flatnonzero(nan).tolist()
        share = float(dead.mean())
        learns = LEARNS[watched.activation]
        remedy = self._remedy(site, watched.activation, share, nan.any())
        row = [dead.size, int(dead.sum()), int(nan.sum()), share, learns, remedy]
        finding = f"never fired. Remedy: {remedy}" if learns == "no" else None
        return share, row, finding

    def _remedy(self, site, activation, share, nan):
        above = 0.5 if self.warn_above is None else self.warn_above
        remedy = REMEDIES["nan"] if nan else ""
        if share > above and activation in ("relu", "relu6", "maxout"):
            output = site in self._probe.last_layers and activation != "maxout"
            kind = "output" if output else activation.removesuffix("6")
            remedy = "; ".join(filter(None, [remedy, REMEDIES[kind]]))
        return remedy


def _highest(view):
    """Return the highest output of each unit; of a piece, 1 if it won, else 0."""
    if view.activation != "maxout":
        return per_unit(ops.max, view.outputs, view.axis)
    winner = every_piece(view, view.outputs)
    won = ops.cast(ops.equal(view.inputs, winner), winner.dtype)
    return per_unit(ops.max, ops.where(ops.isnan(winner), winner, won), view.axis)


def _nan(view):
    # A NaN weight shows in every sample, so that one will do.
    first = view.outputs[:1]
    if view.activation == "maxout":
        first = every_piece(view, first)
    return per_unit(ops.any, ops.isnan(first), view.axis)
