"""What a report says of a record: figures, settings, layers, series, missing facts."""

import itertools
import math

from kcomponents import doctor
from kcomponents._checks import fail
from kcomponents._json_values import plain
from kcomponents._text import is_finite, is_number, number, setting_text
from kcomponents.record import Record

# Settings of the optimizer that are not in the list of its other settings.
LISTED_APART = {"name", "learning_rate"}
# Defaults of most losses, not worth showing.
USUAL = [("axis", -1), ("reduction", "sum_over_batch_size")]
# Facts about a layer that follow its class, and the ends of further ones.
LAYER_FACTS = "units", "filters", "rate", "dropout", "recurrent_dropout"
LAYER_RULES = "_regularizer", "_constraint"


def diagnosis_of(diagnosis, record) -> doctor.Diagnosis:
    """Return the diagnosis, or examine the record if it is None."""
    if record is not None and not isinstance(record, Record):
        fail("`record` must be a `Record`.", record=record)
    if diagnosis is None and record is not None:
        return doctor.examine(record)
    if not isinstance(diagnosis, doctor.Diagnosis):
        fail("`diagnosis` must be a `Diagnosis`.", diagnosis=diagnosis)
    return diagnosis


# Key figures, and what the record lacks.


def figures(record):
    """Return the key figures as pairs of a name and a text."""
    found = [("epochs", epochs_line(record))]
    if last(record, "loss") is not None:
        found.append(("loss", number(last(record, "loss"), 4)))
    if last(record, "val_loss") is not None:
        found.append(("validation loss", number(last(record, "val_loss"), 4)))
    best = lowest(record, "val_loss")
    if best:
        name = f"best validation loss (epoch {best[1]:,})"
        found.append((name, number(best[0], 4)))
    return found


def epochs_line(record):
    """Return the number of epochs that were trained, such as `"4 of 10"`."""
    done = len({entry["epoch"] for entry in record.logs})
    planned = value_in(record.structure, "fit", "epochs")
    if isinstance(planned, int) and planned > done:
        return f"{done:,} of {planned:,}"
    return f"{done:,}"


def last(record, name):
    """Return the last value of a metric, or None."""
    values = log_series(record).get(name, {})
    return list(values.values())[-1] if values else None


def lowest(record, name):
    """Return the lowest value of a metric and its epoch, or None."""
    values = log_series(record).get(name, {})
    finite = {epoch: value for epoch, value in values.items() if is_finite(value)}
    if not finite:
        return None
    epoch = min(finite, key=lambda epoch: finite[epoch])
    return finite[epoch], epoch


def missing_facts(record):
    """Yield sentences about facts that the record lacks."""
    facts, series = record.structure, log_series(record)
    if not record.logs:
        yield "No epoch has finished, so there are no losses."
    elif not facts.get("fit") and "val_loss" not in series:
        yield "There is no validation loss, so overfitting cannot be detected."
    planned, done = value_in(facts, "fit", "epochs"), len(record.logs)
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


# Settings of the model, the optimizer, the loss and `fit`.


def settings_of(record):
    """Return the known settings as a dict of plain values."""
    facts = record.structure
    layers = [f for f in dicts(facts.get("layers")) if f.get("parameters")]
    sizes = [f["parameters"] for f in layers if isinstance(f["parameters"], int)]
    rate = value_in(facts, "optimizer", "config", "learning_rate")
    settings = {
        "model": value_in(facts, "model", "name"),
        "model_class": value_in(facts, "model", "class"),
        "layers": len(layers) or None,
        "parameters": sum(sizes) or None,
        "optimizer": value_in(facts, "optimizer", "class"),
        "learning_rate": _readable(rate),
        **_optimizer_settings(facts),
        "loss": _readable(facts.get("loss")),
        "metrics": _readable(facts.get("metrics")) or None,
        "batch_size": value_in(facts, "fit", "batch_size"),
        "steps_per_epoch": value_in(facts, "fit", "steps"),
        "epochs": value_in(facts, "fit", "epochs"),
        "samples": value_in(facts, "fit", "rows"),
        "validation": value_in(facts, "fit", "validation"),
        "shuffle": value_in(facts, "fit", "shuffle"),
        "class_weight": _readable(value_in(facts, "fit", "class_weight")),
        "precision": facts.get("precision"),
        "backend": facts.get("backend"),
    }
    return {name: plain(value) for name, value in settings.items() if value is not None}


def _optimizer_settings(facts):
    config = value_in(facts, "optimizer", "config")
    config = config if isinstance(config, dict) else {}
    return {
        name: _readable(value)
        for name, value in config.items()
        if name not in LISTED_APART and value not in (None, False, {}, [])
        if not name.startswith("ema_") or config.get("use_ema")
    }


def _readable(setting):
    """Return a setting as a number or a text, or None."""
    if isinstance(setting, dict) and setting.get("class"):
        return _object_text(setting)
    if isinstance(setting, dict) and {"class", "config"} <= set(setting):
        return str(setting.get("name"))
    if isinstance(setting, dict):
        return ", ".join(
            f"{name}: {setting_text(_readable(value))}"
            for name, value in setting.items()
        )
    if isinstance(setting, list):
        return ", ".join(setting_text(_readable(value)) for value in setting)
    return setting


def _object_text(setting):
    """Return an object of Keras as text, such as `"L2(l2=0.01)"`."""
    config = setting.get("config")
    config = config if isinstance(config, dict) else {}
    arguments = [
        f"{name}={_readable(value)}"
        for name, value in config.items()
        if name != "name" and value not in (None, False)
        if (name, value) not in USUAL
    ]
    name = setting["class"]
    return f"{name}({', '.join(arguments)})" if arguments else name


def versions_of(record):
    """Return the versions of the libraries in the record."""
    versions = record.structure.get("versions")
    return plain(versions) if isinstance(versions, dict) else {}


# Layers.


def layer_rows(record):
    """Return one dict per layer, a row of the table of layers."""
    return [
        {
            "path": str(facts.get("path", "")),
            "class": str(facts.get("class", "")),
            "activation": str(facts.get("activation") or ""),
            "shape": _shape(facts.get("output_shape")),
            "parameters": number(facts.get("parameters", 0)),
            "details": ", ".join(_layer_details(facts)),
        }
        for facts in dicts(record.structure.get("layers"))
    ]


def _shape(shape):
    if isinstance(shape, list) and not any(isinstance(n, list | dict) for n in shape):
        return " × ".join("?" if size is None else str(size) for size in shape)
    return "" if shape is None else str(shape)


def _layer_details(facts):
    for name in LAYER_FACTS:
        if name in facts:
            yield f"{name.replace('_', ' ')} {setting_text(facts[name])}"
    if facts.get("kernel_initializer"):
        yield str(_readable(facts["kernel_initializer"]))
    for name, value in facts.items():
        if name.endswith(LAYER_RULES):
            yield f"{name.replace('_', ' ')} {_readable(value)}"
    if facts.get("trainable") is False:
        yield "not trained"


def layers_line(record):
    """Return the layers with weights in one line, to compare two models."""
    rows = [row for row in layer_rows(record) if row["parameters"] != "0"]
    names = "class", "details", "activation"
    texts = (" ".join(row[name] for name in names if row[name]) for row in rows)
    runs = ((text, len(list(same))) for text, same in itertools.groupby(texts))
    return "; ".join(f"{n} × {text}" if n > 1 else text for text, n in runs)


# Series over epochs, counted from 1.


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


def epoch_span(record):
    """Return the first and the last epoch with any numbers, or None."""
    epochs = [entry["epoch"] + 1 for entry in record.logs]
    epochs += [reading.epoch + 1 for reading in record.readings if reading.step]
    return (min(epochs), max(epochs)) if epochs else None


def layer_norms(series):
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


def matrix_series(record, series):
    """Return the series of weight matrices, or all series if there are none.

    Biases are left out: they start at 0, so their first update ratios are infinite.
    """
    shapes = {
        str(facts.get("path")): facts.get("shape")
        for facts in dicts(record.structure.get("variables"))
    }
    matrices = {
        path: values
        for path, values in series.items()
        if isinstance(shapes.get(path), list) and len(shapes[path]) > 1
    }
    return matrices or series


def concerns(where, path):
    """Return whether a finding's place is this layer, a part of it or its parent."""
    if not where or not path:
        return False
    near = f"{path}/".startswith(f"{where}/") or f"{where}/".startswith(f"{path}/")
    return near or ("/" not in where and where in path.split("/"))


# Values in the structure of a record, which may come from another program.


def value_in(facts, *names):
    """Return the value under these names in nested dicts, or None."""
    for name in names:
        facts = facts.get(name) if isinstance(facts, dict) else None
    return facts


def dicts(facts):
    """Return the dicts in a list, or no dicts if it is not a list."""
    return [f for f in facts if isinstance(f, dict)] if isinstance(facts, list) else []
