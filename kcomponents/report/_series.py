"""The numbers of a record as series over epochs, counted from 1."""

import math

from kcomponents.report._given import dicts, part

# Beyond the range of float32; larger numbers overflow in matplotlib.
HUGE, TINY = 1e100, 1e-100


def is_number(value):
    """Return whether a value is a number; NaN and infinity are."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value):
    """Return whether a value is a number that can be plotted."""
    return is_number(value) and abs(value) < HUGE


def log_series(record):
    """Return the logs as `{name: {epoch: value}}`; a later entry of an epoch wins."""
    found: dict[str, dict[int, float]] = {}
    for entry in record.logs:
        for name, value in entry.items():
            if name != "epoch" and is_number(value):
                found.setdefault(name, {})[entry["epoch"] + 1] = value
    return {name: dict(sorted(series.items())) for name, series in found.items()}


def reading_series(record, statistic):
    """Return a statistic as `{path: {epoch: value}}`, without the total `"all"`."""
    found: dict[str, dict[int, float]] = {}
    for reading in record.readings:
        for path, value in reading.values.get(statistic, {}).items():
            if path != "all" and is_number(value):
                found.setdefault(path, {})[reading.epoch + 1] = value
    return {path: dict(sorted(series.items())) for path, series in found.items()}


def by_layer(series):
    """Combine the norms of variables into norms of their layers."""
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
    """Return the series of weight matrices, or all series if there are none.

    Biases are left out: they start at 0, so their first update ratios are infinite.
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
    """Return whether a finding's place is this layer, a part of it or its parent."""
    if not where or not path:
        return False
    near = f"{path}/".startswith(f"{where}/") or f"{where}/".startswith(f"{path}/")
    return near or ("/" not in where and where in path.split("/"))


def span(record):
    """Return the first and the last epoch with any numbers, or None."""
    epochs = [entry["epoch"] + 1 for entry in record.logs]
    epochs += [reading.epoch + 1 for reading in record.readings if reading.step]
    return (min(epochs), max(epochs)) if epochs else None
