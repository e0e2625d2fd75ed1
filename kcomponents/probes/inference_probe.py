"""Inference probe: measures layer outputs on given data, in inference mode.

Callbacks and other extensions may use it in place of a `Probe`.
"""

import keras
from keras import ops

from kcomponents import _backends
from kcomponents._checks import fail
from kcomponents._keras.method_covers import MethodCovers
from kcomponents.probes._model_taps import LayerTaps
from kcomponents.probes._side_effects import without_side_effects
from kcomponents.probes.statistic import join
from kcomponents.probes.structure import is_built
from kcomponents.record import Reading


class InferenceProbe:
    """Measures layer outputs like a `Probe`, but on given data.

    Each `read` runs the model on all of the data. Training steps are not measured.

    Args:
        *statistics: Statistics of source `"outputs"`.
        data: Inputs, checked by `check_data`.
        watch: Function of a watched layer that returns whether to measure it.
    """

    def __init__(self, *statistics, data, watch=lambda watched: True):
        self.statistics, self.data, self.watch = statistics, data, watch
        self.detach()

    def attach(self, model):
        """Run the first batch, so that data of the wrong shape fail immediately."""
        if not (model.variables and is_built(model)):
            rule = "`model` must be built before it can run on `data`."
            fail(rule, model=model.name)
        self.model = model
        first = next(batches(self.data), None)
        if first is None:
            fail("`data` must contain at least one batch.", data=self.data)
        self._run([first])

    def read(self, epoch=0, step=0):
        """Run the model on the data and return a `Reading`."""
        found = self._run(batches(self.data))
        values = {statistic.name: {} for statistic in self.statistics}
        for (statistic, site), value in found.items():
            values[statistic.name][site] = ops.convert_to_numpy(value)
        return Reading(epoch=epoch, step=step, values=values)

    def reset(self):
        """Do nothing, as each reading is independent."""

    def get_state(self):
        """Return an empty dict, as each reading is independent."""
        return {}

    def set_state(self, state):
        """Do nothing, as each reading is independent."""

    def detach(self):
        """Drop the reference to the model."""
        self.model, self.sites, self.last_layers = None, {}, set()

    def _run(self, inputs):
        """Return (statistic, site) → value over these batches of inputs."""
        _backends.synchronize(self.model)
        found, covers = {}, MethodCovers()

        def observe(site, watched, view):
            if self.watch(watched):
                self.sites[site] = watched
                for statistic in self.statistics:
                    new, key = view.measured(statistic), (statistic, site)
                    if key in found:
                        new = join(statistic.merge, found[key], new)
                    found[key] = new

        try:
            taps = LayerTaps(self.model, covers)
            taps.observer = observe
            for x in inputs:
                with without_side_effects():
                    self.model(x, training=False)
        finally:
            covers.remove()
        self.last_layers = taps.last & self.sites.keys()
        return found


def check_data(data):
    """Return the data; raise unless `batches` can iterate over it several times.

    Accepts arrays, nested as the model takes them, or an iterable of batches as for
    `fit`.
    """
    if _holds_arrays(data):
        rows = {a.shape[0] if len(a.shape) else 0 for a in keras.tree.flatten(data)}
        if len(rows) > 1 or 0 in rows:
            fail(
                "Arrays in `data` must have the same length, at least 1.", lengths=rows
            )
        return data
    repeatable = hasattr(data, "__iter__") and not hasattr(data, "__next__")
    repeatable = repeatable or isinstance(data, keras.utils.PyDataset)
    if not repeatable or isinstance(data, str | bytes | list | tuple | dict):
        fail(
            "`data` must be an array, a list or dict of arrays, or a dataset of "
            "batches that can be iterated again in each epoch, not a generator.",
            data=data,
        )
    return data


def batches(data, size=32):
    """Yield batches of the model's inputs in `data`."""
    if not _holds_arrays(data):
        if not hasattr(data, "__iter__"):
            # A `PyDataset` of Keras before 3.11.
            data = map(data.__getitem__, range(data.num_batches))
        for batch in data:
            yield keras.utils.unpack_x_y_sample_weight(batch)[0]
        return
    rows = keras.tree.flatten(data)[0].shape[0]
    for start in range(0, rows, size):
        part = slice(start, start + size)
        yield keras.tree.map_structure(lambda array, part=part: array[part], data)


def _holds_arrays(data):
    leaves = keras.tree.flatten(data)
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)
