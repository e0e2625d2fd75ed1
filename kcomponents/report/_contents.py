"""The inputs of a report: a diagnosis, given or computed, and a record."""

import itertools
import math

from kcomponents import doctor
from kcomponents._checks import fail
from kcomponents._json_values import plain
from kcomponents._text import number, shown
from kcomponents.record import Record


def diagnosed(diagnosis, record) -> doctor.Diagnosis:
    """Return the given diagnosis, or examine the record if it is None."""
    if record is not None and not isinstance(record, Record):
        fail("`record` must be a `Record`.", record=record)
    if diagnosis is None and record is not None:
        return doctor.examine(record)
    if not isinstance(diagnosis, doctor.Diagnosis):
        fail("`diagnosis` must be a `Diagnosis`.", diagnosis=diagnosis)
    return diagnosis


def part(facts, *names):
    """Return the value under these names in nested dicts, or None."""
    for name in names:
        facts = facts.get(name) if isinstance(facts, dict) else None
    return facts


def dicts(facts):
    """Return the dicts in a list; a foreign record may hold anything else."""
    return [f for f in facts if isinstance(f, dict)] if isinstance(facts, list) else []


# Settings of a run: model, optimizer, loss and data, as names and values.

# Optimizer settings that are listed elsewhere.
ELSEWHERE = {"name", "learning_rate"}
# Defaults of most losses, not worth showing.
USUAL = [("axis", -1), ("reduction", "sum_over_batch_size")]
BESIDE = "units", "filters", "rate", "dropout", "recurrent_dropout"
RULES = "_regularizer", "_constraint"


def settings_of(record):
    """Return the known settings as a dict of plain values."""
    facts = record.structure
    layers = [f for f in dicts(facts.get("layers")) if f.get("parameters")]
    sizes = [f["parameters"] for f in layers if isinstance(f["parameters"], int)]
    found = {
        "model": part(facts, "model", "name"),
        "model_class": part(facts, "model", "class"),
        "layers": len(layers) or None,
        "parameters": sum(sizes) or None,
        "optimizer": part(facts, "optimizer", "class"),
        "learning_rate": readable(part(facts, "optimizer", "config", "learning_rate")),
        **_of_optimizer(facts),
        "loss": readable(facts.get("loss")),
        "metrics": readable(facts.get("metrics")) or None,
        "batch_size": part(facts, "fit", "batch_size"),
        "steps_per_epoch": part(facts, "fit", "steps"),
        "epochs": part(facts, "fit", "epochs"),
        "rows": part(facts, "fit", "rows"),
        "validation": part(facts, "fit", "validation"),
        "shuffle": part(facts, "fit", "shuffle"),
        "class_weight": readable(part(facts, "fit", "class_weight")),
        "precision": facts.get("precision"),
        "backend": facts.get("backend"),
    }
    return {name: plain(value) for name, value in found.items() if value is not None}


def _of_optimizer(facts):
    config = part(facts, "optimizer", "config")
    config = config if isinstance(config, dict) else {}
    return {
        name: readable(value)
        for name, value in config.items()
        if name not in ELSEWHERE and value not in (None, False, {}, [])
        if not name.startswith("ema_") or config.get("use_ema")
    }


def versions_of(record):
    """Return the versions of the libraries in the record."""
    versions = record.structure.get("versions")
    return plain(versions) if isinstance(versions, dict) else {}


def readable(thing):
    """Return a setting as a number or a text, or None."""
    if isinstance(thing, dict) and thing.get("class"):
        config = thing.get("config")
        config = config if isinstance(config, dict) else {}
        said = [
            f"{name}={readable(value)}"
            for name, value in config.items()
            if name != "name" and value not in (None, False)
            if (name, value) not in USUAL
        ]
        return f"{thing['class']}({', '.join(said)})" if said else thing["class"]
    if isinstance(thing, dict) and {"class", "config"} <= set(thing):
        return str(thing.get("name"))
    if isinstance(thing, dict):
        return ", ".join(
            f"{name}: {shown(readable(part))}" for name, part in thing.items()
        )
    if isinstance(thing, list):
        return ", ".join(shown(readable(part)) for part in thing)
    return thing


def layer_rows(record):
    """Return one dict per layer, a row of the table of layers."""
    return [
        {
            "path": str(facts.get("path", "")),
            "class": str(facts.get("class", "")),
            "activation": str(facts.get("activation") or ""),
            "shape": _shape(facts.get("output_shape")),
            "parameters": number(facts.get("parameters", 0)),
            "beside": ", ".join(_beside(facts)),
        }
        for facts in dicts(record.structure.get("layers"))
    ]


def _shape(shape):
    if isinstance(shape, list) and not any(isinstance(n, list | dict) for n in shape):
        return " × ".join("?" if size is None else str(size) for size in shape)
    return "" if shape is None else str(shape)


def _beside(facts):
    for name in BESIDE:
        if name in facts:
            yield f"{name.replace('_', ' ')} {shown(facts[name])}"
    if facts.get("kernel_initializer"):
        yield str(readable(facts["kernel_initializer"]))
    for name, value in facts.items():
        if name.endswith(RULES):
            yield f"{name.replace('_', ' ')} {readable(value)}"
    if facts.get("trainable") is False:
        yield "not trained"


def layers_line(record):
    """Return the layers with weights in one line, to compare two models."""
    rows = [row for row in layer_rows(record) if row["parameters"] != "0"]
    names = "class", "beside", "activation"
    said = (" ".join(row[name] for name in names if row[name]) for row in rows)
    counted = ((words, len(list(same))) for words, same in itertools.groupby(said))
    return "; ".join(f"{n} × {words}" if n > 1 else words for words, n in counted)


# The numbers of a record as series over epochs, counted from 1.

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


# Progress of a run: epochs, last and best losses, and missing facts.


def epochs_line(record):
    """Return the number of epochs that were trained, such as `"4 of 10"`."""
    done = len({entry["epoch"] for entry in record.logs})
    planned = part(record.structure, "fit", "epochs")
    if isinstance(planned, int) and planned > done:
        return f"{done:,} of {planned:,}"
    return f"{done:,}"


def last(record, name):
    """Return the last value of a metric, or None."""
    values = log_series(record).get(name, {})
    return list(values.values())[-1] if values else None


def best(record, name):
    """Return the lowest value of a metric and its epoch, or None."""
    values = log_series(record).get(name, {})
    known = {epoch: value for epoch, value in values.items() if is_finite(value)}
    if not known:
        return None
    epoch = min(known, key=lambda epoch: known[epoch])
    return known[epoch], epoch


def figures(record):
    """Return the key figures as pairs of a name and a text."""
    found = [("epochs", epochs_line(record))]
    if last(record, "loss") is not None:
        found.append(("loss", number(last(record, "loss"), 4)))
    if last(record, "val_loss") is not None:
        found.append(("validation loss", number(last(record, "val_loss"), 4)))
    lowest = best(record, "val_loss")
    if lowest:
        name = f"best validation loss (epoch {lowest[1]:,})"
        found.append((name, number(lowest[0], 4)))
    return found


def missing(record):
    """Yield sentences about facts that the record lacks."""
    facts, series = record.structure, log_series(record)
    if not record.logs:
        yield "No epoch has finished, so there are no losses."
    elif not facts.get("fit") and "val_loss" not in series:
        yield "There is no validation loss, so overfitting cannot be detected."
    planned, done = part(facts, "fit", "epochs"), len(record.logs)
    if isinstance(planned, int) and 0 < done < planned:
        yield (
            f"{epochs_line(record)} epochs are in the record: the run was stopped, or "
            "is still in progress."
        )
    if not any(reading.step for reading in record.readings):
        yield "There are no measurements of gradients, updates and units."
    if facts and not facts.get("layers"):
        yield "The layers of the model are unknown."
    if not facts.get("fit"):
        yield "The settings of `fit` are unknown."
    if not facts.get("versions"):
        yield "The versions of the libraries are unknown."
