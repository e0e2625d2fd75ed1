"""DeadReLUMonitor: the share of rectifier units that never fire."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kcomponents import _backends, _keras
from kcomponents._activation_traits import DEAD_WHEN_INACTIVE, TRAITS
from kcomponents._checks import number
from kcomponents.callbacks._monitor import LayerResult, OutputMonitor
from kcomponents.probes import Statistic
from kcomponents.probes.layer_walk import (
    activations_in_loops,
    named_operations,
    runs_in_scan,
    watched_layers,
)
from kcomponents.probes.measures import is_dead, per_unit
from kcomponents.record import Record

# Slope below 0 → whether a unit that never fires still learns.
STILL_LEARNS = {
    "flat": "no",
    "fading": "slowly",
    "sloped": "yes",
    "pieces": "unit only",
}
# The same by activation.
LEARNS = {
    name: STILL_LEARNS[traits.inactive]
    for name, traits in TRAITS.items()
    if traits.inactive
}
REMEDIES = {
    "relu": "lower the learning rate; use HeNormal; use LeakyReLU or PReLU",
    "output": "use softplus or no activation for the output; lower the learning rate",
    "maxout": "lower the learning rate; use fewer pieces",
    "nan": "find the NaN weights with FiniteGuard",
}


class DeadReLUMonitor(OutputMonitor):
    """Log the share of rectifier units that never fire, after each epoch.

    A unit fires if its output is above `threshold` for at least one sample, or one
    position, in the epoch's training batches. In a convolution, each channel is a unit.
    That about half of a ReLU's outputs are zero is normal and does not count. It adds
    to the logs, as shares from 0 to 1:

    - `dead_relu`: share of units that never fired, over all monitored layers.
    - `dead_relu_max`: the share of the layer that has the largest.
    - `dead_relu/<layer path>`: the share of each layer, if `per_layer` is set.

    These are monitored:

    - `relu` and `relu6`: a unit that never fires has gradient 0 and is dead.
    - `leaky_relu`, `prelu`, `rrelu`, `elu`, `selu`, `celu`: a unit that never fires
      still learns, slowly if its slope is nearly 0 there. It is reported, but there is
      no warning.
    - Maxout layers: the pieces are counted, and a piece fires if it is the maximum. A
      piece that never fires has gradient 0, but its maxout unit still learns. It is
      reported, but there is no warning.

    They may be the activation of a layer, as a string, function or layer; a layer of
    their own; or, in a functional model, an operation, such as `keras.ops.relu(x)`,
    `keras.activations.relu(x)`, `keras.ops.maximum(x, 0)` or `keras.ops.clip(x, 0, 6)`.
    A function that the `call` of a layer or subclassed model calls cannot be seen, nor
    what a function of your own computes.

    Layers inside `TimeDistributed` or `Bidirectional` are measured at the wrapper's
    output, and a `SimpleRNN` at its outputs, which are only those of the last step
    without `return_sequences`. The activation of an LSTM or GRU runs in a loop inside
    the layer and is not monitored. If nothing is monitored, or a recurrent layer with a
    rectifier is not, the monitor warns when training begins, and the report says so.

    Units with NaN in their outputs or weights are counted separately, not as dead.

    Attributes:
        dead_units: Dict of layer path to the list of units that never fired in the last
            epoch. If a layer without weights is used several times, each further use
            has its own entry: `path:2`, `path:3`, and so on.
        nan_units: Dict of layer path to the list of units with NaN.
        report: String, a table of the last epoch.

    Args:
        data: Inputs to measure on instead of the training batches: an array, a list or
            dict of arrays as the model takes them, or a dataset of batches as for
            `fit`. After each epoch, the model runs on all of it in inference mode,
            arrays in batches of 32. Defaults to `None`, the training batches.
        layers: Regular expression or list of them. Layers are monitored if their path
            matches at least one (`re.search`). Defaults to `None`, all rectifiers.
        threshold: Float, the output above which a unit fires. Defaults to 0.
        every: Integer, optimizer steps between readings, which are added to `readings`
            and `record`. Each reading waits for the device. Defaults to `None`, one
            reading per epoch.
        record: `kcomponents.record.Record` that each reading is added to. Defaults to
            `None`.
        warn_above: Float from 0 to 1. If the share of dead units in a layer is above
            it, the monitor warns, once per layer and `fit`. Defaults to `None`, no
            warnings; the report then suggests a remedy above 0.5.
        per_layer: Boolean, whether to log `dead_relu/<layer path>` for each layer too.
            Defaults to `False`.
        verbose: 0 or 1. With 1, the layers of the report that have units that never
            fired or NaN are printed after training. Defaults to 0.

    Raises:
        ValueError: If an argument is invalid; in `fit`, if the model is not built,
            `layers` matches no rectifier, or `data` does not fit the model.

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
        >>> history["dead_relu"], list(monitor.dead_units.values())
        ([0.5], [[1]])

    Reference: Lu, Shin, Su & Karniadakis, "Dying ReLU and initialization: theory and
    numerical examples", 2019, https://arxiv.org/abs/1903.06733
    """

    KEY = "dead_relu"
    HEADER = "units", "never fired", "share", "NaN", "still learns", "remedy"
    NOTHING = "No rectifier is monitored."
    OTHERS = "every unit fired."

    def __init__(
        self,
        data: ArrayLike | dict[str, Any] | Iterable[Any] | None = None,
        *,
        layers: str | Sequence[str] | None = None,
        threshold: float = 0.0,
        every: int | None = None,
        record: Record | None = None,
        warn_above: float | None = None,
        per_layer: bool = False,
        verbose: int = 0,
    ):
        shared = {"every": every, "record": record, "verbose": verbose}
        super().__init__(data, layers, warn_above, per_layer, **shared)
        self.threshold = number("threshold", threshold)

    def _reset(self):
        super()._reset()
        self.dead_units, self.nan_units = {}, {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Attach the probe, and warn of rectifiers that cannot be monitored."""
        super().on_train_begin(logs)
        if self.layers is None and _rectifiers_in_loops(self.model):
            if "nothing" not in self._warned:
                self._warn("loops", self._unwatched)

    def _is_watched(self, watched):
        return _is_rectifier(watched)

    def _is_notable(self, row):
        cells = dict(zip(self.HEADER, row[2:], strict=True))
        return cells["never fired"] > 0 or cells["NaN"] > 0

    def _unwatched_layers(self):
        found = _rectifiers_in_loops(self.model)
        names = [f"{path} ({name} in a loop over steps)" for path, name in found]
        names += [f"{path} (unknown function)" for path in _unknown(self.model)]
        return f"Not monitored: {', '.join(names)}." if names else ""

    def _statistics(self):
        own = (Statistic("unit_highest", "outputs", _highest, "max"),)
        # A compiled maximum may ignore NaN.
        if _backends.max_may_drop_nan and self.model.jit_compile:
            own += (Statistic("unit_nan", "outputs", _nan, "max"),)
        return own

    def _summarize(self, site, watched, highest, hidden=None):
        if np.isneginf(highest).all():
            return None
        # For a piece of a maxout, `highest` is 1 if it was ever the maximum, else 0.
        above = 0 if watched.activation == "maxout" else self.threshold
        dead, nan = is_dead(highest, above), np.isnan(highest)
        if hidden is not None:
            nan |= hidden > 0
        silent = dead | nan
        if silent.any():
            # A fused ReLU turns NaN into 0, so a unit that never fired may have NaN.
            nan |= _nan_weights(self.model, watched.layer, silent)
        dead &= ~nan
        self.dead_units[site] = np.flatnonzero(dead).tolist()
        self.nan_units[site] = np.flatnonzero(nan).tolist()
        count, share = int(dead.sum()), float(dead.mean())
        learns = LEARNS[watched.activation]
        remedy = self._remedy(site, watched.activation, share, nan.any())
        row = [dead.size, count, share, int(nan.sum()), learns, remedy]
        finding = f"of the units of {site!r} never fired. Remedy: {remedy}"
        return LayerResult(count, dead.size, row, finding if learns == "no" else None)

    def _remedy(self, site, activation, share, nan):
        above = 0.5 if self.warn_above is None else self.warn_above
        remedy = REMEDIES["nan"] if nan else ""
        if share > above and activation in (*DEAD_WHEN_INACTIVE, "maxout"):
            output = site in self._probe.last_layers and activation != "maxout"
            kind = "output" if output else activation.removesuffix("6")
            remedy = "; ".join(filter(None, [remedy, REMEDIES[kind]]))
        return remedy


def _is_rectifier(watched):
    """Return whether a layer applies a rectifier whose units can be counted."""
    if watched.activation == "maxout":
        # The pieces of a maxout inside another layer or a wrapper are not visible.
        return hasattr(watched.layer, "grouping")
    return watched.activation in LEARNS


def _rectifiers_in_loops(model):
    """List path and activation of rectifiers in loops over time steps."""
    return [found for found in activations_in_loops(model) if found[1] in LEARNS]


def _unknown(model):
    """List the paths of layers that apply a function that is not known."""
    return [
        watched.path
        for watched in watched_layers(model)
        if watched.activation not in TRAITS and not _is_gated(watched.layer)
    ]


def _is_gated(layer):
    return runs_in_scan(layer) or hasattr(layer, "recurrent_activation")


def _highest(view):
    """Return each unit's highest output; for a maxout piece, 1 if it fired, else 0."""
    if view.activation != "maxout":
        return per_unit(ops.max, view.outputs, view.axis)
    highest = _repeat_for_pieces(view, view.outputs)
    fires = ops.cast(ops.equal(view.inputs, highest), highest.dtype)
    return per_unit(ops.max, ops.where(ops.isnan(highest), highest, fires), view.axis)


def _nan(view):
    # A NaN weight affects every sample, so one sample is enough.
    first = view.outputs[:1]
    if view.activation == "maxout":
        first = _repeat_for_pieces(view, first)
    return per_unit(ops.any, ops.isnan(first), view.axis)


def _repeat_for_pieces(view, outputs):
    """Repeat the outputs of maxout units so that each piece has its unit's output."""
    layer, axis = view.layer, view.axis
    units = outputs.shape[axis]
    if sizes := getattr(layer, "group_sizes", None):
        return ops.take(outputs, np.repeat(np.arange(units), sizes), axis)
    pieces = view.inputs.shape[axis] // units
    if layer.grouping == "strided":
        return ops.concatenate([outputs] * pieces, axis)
    return ops.repeat(outputs, pieces, axis)


def _nan_weights(model, layer, silent):
    """Return for each unit whether its weights contain NaN.

    Outputs do not always show it: in TensorFlow graphs without XLA, a dense layer and
    its ReLU are fused into one operation that turns NaN into 0.
    """
    found = np.zeros(silent.shape, bool)
    source = _layer_with_weights(model, layer)
    for weight in source.weights if source else ():
        if weight.shape and weight.shape[-1] == found.size and "float" in weight.dtype:
            # The last axis first, as in `per_unit`.
            axes = tuple(reversed(range(len(weight.shape) - 1)))
            value, library = _backends.value_and_library(weight)
            nan = library.isnan(value)
            found |= ops.convert_to_numpy(library.any(nan, axes) if axes else nan)
    # The layer before may not feed this one, so count only units that never fired.
    return found if source is layer else found & silent


def _layer_with_weights(model, layer):
    """Return the layer if it has weights, else the last layer before it that does.

    The layer may be an operation, which has none.
    """
    before = None
    for other in named_operations(model).values():
        weights = getattr(other, "weights", None)
        if other is layer:
            return layer if weights else before
        if weights and not _keras.sublayers(other):
            before = other
    return before
