"""Look: what layers put out for data of its own, in inference."""

import keras
from keras import ops

from kcomponents import _backends
from kcomponents._check import fail
from kcomponents.probes._layer_tap import LayerTaps
from kcomponents.probes._shadow import Shadow
from kcomponents.probes._watched import watched_layers
from kcomponents.record import Reading
from kcomponents.statistics import join


class Look:
    """Measures the outputs of layers as a `Probe` does, but of given data.

    Each `read` runs the model on all of it; training steps go untapped.

    Args:
        *statistics: Statistics of source `"outputs"`.
        data: Inputs as `check_data` returns them.
        watch: Function of a watched layer that says whether to measure there.
    """

    def __init__(self, *statistics, data, watch=lambda watched: True):
        self.statistics, self.data, self.watch = statistics, data, watch
        self.detach()

    def attach(self, model):
        """Look at the first batch, so that data of wrong shapes fail at once."""
        if not model.variables:
            rule = "`model` must be built before `data` can be run through it."
            fail(rule, model=model.name)
        self.model = model
        first = next(batches(self.data), None)
        if first is None:
            fail("`data` must hold at least one batch.", data=self.data)
        self._run([first])

    def read(self, epoch=0, step=0):
        """Return what the model makes of the data now, as a `Reading`."""
        found = self._run(batches(self.data))
        values = {statistic.name: {} for statistic in self.statistics}
        for (statistic, site), value in found.items():
            values[statistic.name][site] = ops.convert_to_numpy(value)
        return Reading(epoch=epoch, step=step, values=values)

    def reset(self):
        """Do nothing: each reading stands for itself."""

    def detach(self):
        """Forget the model."""
        self.model, self.sites, self.last_layers = None, {}, set()

    def _run(self, given):
        """Return (statistic, site) → value over these batches."""
        _backends.synchronize(self.model)
        found, shadow = {}, Shadow()
        taps = LayerTaps(self.model, watched_layers(self.model), shadow)

        def observe(site, watched, view):
            if self.watch(watched):
                self.sites[site] = watched
                for statistic in self.statistics:
                    new, key = view.measured(statistic), (statistic, site)
                    if key in found:
                        new = join(statistic.merge, found[key], new)
                    found[key] = new

        taps.observer = observe
        try:
            for x in given:
                # What the model changes in passing, seeds and losses, is dropped.
                with keras.StatelessScope(), _backends.keep_random_state():
                    self.model(x, training=False)
        finally:
            shadow.lift()
        self.last_layers = taps.last & self.sites.keys()
        return found


def check_data(data):
    """Return data that `batches` can cut or iterate as often as needed, or refuse it.

    Arrays, nested as the model takes them, or an iterable of batches as for `fit`.
    """
    if _holds_arrays(data):
        rows = {a.shape[0] if len(a.shape) else 0 for a in keras.tree.flatten(data)}
        if len(rows) > 1 or 0 in rows:
            fail(
                "Arrays in `data` must have equally many rows, at least one.", rows=rows
            )
        return data
    again = hasattr(data, "__iter__") and not hasattr(data, "__next__")
    if not again or isinstance(data, str | bytes | list | tuple | dict):
        fail(
            "`data` must be an array, a list or dict of arrays, or a dataset of "
            "batches that can be iterated each epoch anew, not a generator.",
            data=data,
        )
    return data


def batches(data, size=32):
    """Yield the inputs of the model in `data`, batch by batch."""
    if not _holds_arrays(data):
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
