"""Direction: whether lower or higher values of a logged quantity are better."""

import keras

from kcomponents import _keras
from kcomponents._check import fail


def direction_of(model, monitor):
    """Return `"min"` or `"max"`, or None for what has neither.

    Asks the metrics that are built, and before the first batch those that `compile`
    was given. Names of outputs in front and `val_` say nothing of it.
    """
    name = monitor.removeprefix("val_")
    if name == "loss" or name.endswith("_loss"):
        return "min"
    outputs = getattr(model, "output_names", None) or []
    names = [name, *(name.removeprefix(f"{output}_") for output in outputs)]
    for metric_name, direction in _directions(model):
        if metric_name in names and direction:
            return {"up": "max", "down": "min"}[direction]
    return None


def check_direction(model, monitor):
    """Return the direction, or say how to give it."""
    found = direction_of(model, monitor)
    if found is None:
        fail(
            "It cannot be known whether lower or higher is better; give `mode='min'` "
            "or `mode='max'`.",
            monitor=monitor,
        )
    return found


def _directions(model):
    """Yield name and direction of the metrics of a model, built or asked for."""
    for metric in _keras.built_metrics(model):
        yield metric.name, _keras.metric_direction(metric)
    for asked in keras.tree.flatten(_keras.asked_metrics(model)):
        if isinstance(asked, str) and asked.lower() in ("accuracy", "acc"):
            yield asked, "up"
        elif isinstance(asked, str) and asked.lower() in ("crossentropy", "ce"):
            yield asked, "down"
        elif asked is not None:
            try:
                metric = keras.metrics.get(asked)
            except (ValueError, TypeError):
                continue
            name = asked if isinstance(asked, str) else getattr(metric, "name", None)
            yield name, _keras.metric_direction(metric)
