"""Settings of a run: model, optimizer, loss and data, as names and values."""

import itertools

from kcomponents._plain import plain
from kcomponents.report._given import dicts, part
from kcomponents.report._words import number

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


def shown(value):
    """Return the value of a setting as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, 7)
    return number(value) if isinstance(value, int) else str(value)


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
