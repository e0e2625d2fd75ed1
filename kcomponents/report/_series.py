"""The numbers of a record as series over epochs, which count from 1 here."""

import math

from kcomponents.report._given import dicts, part

# Beyond lies no float32; matplotlib would overflow on the way.
HUGE, TINY = 1e100, 1e-100


def is_number(value):
    """Return whether a value is one number, NaN and infinities among them."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value):
    """Return whether a value is a number that can be drawn."""
    return is_number(value) and abs(value) < HUGE


def log_series(record):
    """Return `{name: {epoch: value}}` of the logs, the later entry of two."""
    found: dict[str, dict[int, float]] = {}
    for entry in record.logs:
        for name, value in entry.items():
            if name != "epoch" and is_number(value):
                found.setdefault(name, {})[entry["epoch"] + 1] = value
    return {name: dict(sorted(series.items())) for name, series in found.items()}


def reading_series(record, statistic):
    """Return `{path: {epoch: value}}` of a statistic, without that of all together."""
    found: dict[str, dict[int, float]] = {}
    for reading in record.readings:
        for path, value in reading.values.get(statistic, {}).items():
            if path != "all" and is_number(value):
                found.setdefault(path, {})[reading.epoch + 1] = value
    return {path: dict(sorted(series.items())) for path, series in found.items()}


def by_layer(series):
    """Return series of variables as series of layers, the norms of all together."""
    found: dict[str, dict[int, float]] = {}
    for path, values in series.items():
        layer = found.setdefault(layer_of(path), {})
        for epoch, value in values.items():
            layer[epoch] = math.hypot(layer.get(epoch, 0.0), value)
    return {layer: dict(sorted(values.items())) for layer, values in found.items()}


def layer_of(path):
    """Return the path of the layer that a variable belongs to."""
    return path.rpartition("/")[0] or path


def of_matrices(record, series):
    """Return the series without those of biases and other vectors, if any are left.

    A bias starts at 0, so its first updates are infinitely large beside it.
    """
    shapes = {
        str(facts.get("path")): facts.get("shape")
        for facts in dicts(part(record.structure, "variables"))
    }
    large = {
        path: values
        for path, values in series.items()
        if isinstance(shapes.get(path), list) and len(shapes[path]) > 1
    }
    return large or series


def concerns(where, path):
    """Return whether a finding's place is this layer, or a part of it, or around it."""
    if not where or not path:
        return False
    near = f"{path}/".startswith(f"{where}/") or f"{where}/".startswith(f"{path}/")
    return near or ("/" not in where and where in path.split("/"))


def span(record):
    """Return the first and the last epoch that anything was seen of, or None."""
    epochs = [entry["epoch"] + 1 for entry in record.logs]
    epochs += [reading.epoch + 1 for reading in record.readings if reading.step]
    return (min(epochs), max(epochs)) if epochs else None
