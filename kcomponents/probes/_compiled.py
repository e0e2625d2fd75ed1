"""How a model was compiled: optimizer, loss and metrics as plain facts."""

import warnings

import keras

from kcomponents import _keras
from kcomponents.probes._facts import custom, facts, value

CLIPPING = "clipnorm", "clipvalue", "global_clipnorm"
# What `clipped` adds to the settings of the class that it wraps.
BOUNDS = "global_norm", "norm", "value", "agc"


def optimizer_facts(optimizer):
    """Return the class, settings and clipping of an optimizer, None without one."""
    if optimizer is None:
        return None
    inner = unscaled(optimizer)
    with warnings.catch_warnings():
        # That a lambda cannot be saved; here it is only named.
        warnings.simplefilter("ignore")
        found = facts(inner)
    config = found["config"]
    source = _keras.learning_rate_source(inner)
    if source is not None:
        config["learning_rate"] = value(source)
    elif isinstance(config.get("learning_rate"), float):
        # It is kept in float32, which holds no more digits.
        config["learning_rate"] = float(f"{config['learning_rate']:.7g}")
    bounds = CLIPPING
    if "optimizer" in config and hasattr(inner, "bounds"):
        found["class"] = config.pop("optimizer")["class_name"]
        bounds += BOUNDS
    clip = {name: config[name] for name in bounds if config.get(name) is not None}
    return {**found, "loss_scale": inner is not optimizer, "clip": clip}


def unscaled(optimizer):
    """Return the optimizer inside one that scales the loss, or the one given."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def loss_facts(loss):
    """Return the name, class and settings of a loss, in the structure it came in."""
    if isinstance(loss, dict):
        return {str(name): loss_facts(part) for name, part in loss.items()}
    if isinstance(loss, list | tuple):
        return [loss_facts(part) for part in loss]
    if isinstance(loss, str):
        if loss.lower() in ("crossentropy", "ce"):
            # Keras chooses the kind by the shapes of the first batch.
            return {"name": "crossentropy", "class": None, "config": {}}
        loss = keras.losses.get(loss)
    if loss is None:
        return None
    if isinstance(loss, keras.losses.Loss):
        return {"name": loss.name, **facts(loss)}
    cls = _class_of(loss)
    return custom(loss) if cls is None else {"name": loss.__name__, **facts(cls())}


def _class_of(function):
    """Return the class that Keras has for one of its own loss functions, or None."""
    name = getattr(function, "__name__", "")
    if getattr(keras.losses, name, None) is not function:
        return None
    known = [cls for cls in vars(keras.losses).values() if isinstance(cls, type)]
    classes = {cls.__name__.lower(): cls for cls in known}
    return classes.get(name.replace("_", ""))


def metric_names(model):
    """Return the names of the metrics that were asked for, and of those of layers."""
    asked = keras.tree.flatten(_keras.asked_metrics(model))
    # The first two are of Keras's making.
    made = "loss", "compile_metrics"
    others = [metric for metric in model.metrics if metric.name not in made]
    return [_label(metric) for metric in asked + others if metric is not None]


def _label(metric):
    if isinstance(metric, str):
        return metric
    return getattr(metric, "name", None) or getattr(metric, "__name__", "custom")
