"""Direction: whether lower or higher values of a logged quantity are better."""

import keras

from kcomponents import _keras
from kcomponents._check import fail


def direction_of(model, monitor):
    """Return `"min"` or `"max"`, or None if the direction is unknown.

    It is looked up in the built metrics and, before the first batch, in the metrics
    passed to `compile`. A `val_` prefix and the name of an output are ignored.
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
    """Return the direction; raise if it is unknown."""
    direction = direction_of(model, monitor)
    if direction is None:
        fail(
            "Can't infer whether lower or higher is better for this metric. Pass "
            "`mode='min'` or `mode='max'`.",
            monitor=monitor,
        )
    return direction


def _directions(model):
    """Yield the name and direction of each metric, built or passed to `compile`."""
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
