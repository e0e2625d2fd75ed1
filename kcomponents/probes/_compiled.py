"""How a model was compiled: optimizer, loss and metrics as plain values."""

import warnings

import keras

from kcomponents import _keras
from kcomponents.probes._facts import custom, facts, value

CLIPPING = "clipnorm", "clipvalue", "global_clipnorm"


def optimizer_facts(optimizer):
    """Return the class, settings and clipping of an optimizer, None without one."""
    if optimizer is None:
        return None
    inner = unscaled(optimizer)
    with warnings.catch_warnings():
        # Keras warns that a lambda cannot be saved, but here only its name is needed.
        warnings.simplefilter("ignore")
        found = facts(inner)
    config = found["config"]
    source = _keras.learning_rate_source(inner)
    if source is not None:
        config["learning_rate"] = value(source)
    elif isinstance(config.get("learning_rate"), float):
        # Drop digits beyond the precision of float32, in which Keras stores it.
        config["learning_rate"] = float(f"{config['learning_rate']:.7g}")
    names, clipping = CLIPPING, config
    if "optimizer" in config and hasattr(inner, "bounds"):
        found["class"] = config.pop("optimizer")["class_name"]
        names, clipping = (*CLIPPING, "agc"), config["clipping"]
    clip = {name: clipping[name] for name in names if clipping.get(name) is not None}
    return {**found, "loss_scale": inner is not optimizer, "clip": clip}


def unscaled(optimizer):
    """Return the optimizer inside a `LossScaleOptimizer`, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def loss_facts(loss):
    """Return the name, class and settings of a loss, or of each loss in a structure."""
    if isinstance(loss, dict):
        return {str(name): loss_facts(part) for name, part in loss.items()}
    if isinstance(loss, list | tuple):
        return [loss_facts(part) for part in loss]
    if isinstance(loss, str):
        if loss.lower() in ("crossentropy", "ce"):
            # Keras chooses the class by the shapes of the first batch.
            return {"name": "crossentropy", "class": None, "config": {}}
        loss = keras.losses.get(loss)
    if loss is None:
        return None
    if isinstance(loss, keras.losses.Loss):
        return {"name": loss.name, **facts(loss)}
    cls = _class_of(loss)
    return custom(loss) if cls is None else {"name": loss.__name__, **facts(cls())}


def _class_of(function):
    """Return the Keras class of a Keras loss function, or None."""
    name = getattr(function, "__name__", "")
    if getattr(keras.losses, name, None) is not function:
        return None
    known = [cls for cls in vars(keras.losses).values() if isinstance(cls, type)]
    classes = {cls.__name__.lower(): cls for cls in known}
    return classes.get(name.replace("_", ""))


def metric_names(model):
    """Return the names of the metrics given to `compile` and of metrics in layers."""
    asked = keras.tree.flatten(_keras.asked_metrics(model))
    # Keras adds these two metrics itself.
    added = "loss", "compile_metrics"
    others = [metric for metric in model.metrics if metric.name not in added]
    return [_label(metric) for metric in asked + others if metric is not None]


def _label(metric):
    if isinstance(metric, str):
        return metric
    return getattr(metric, "name", None) or getattr(metric, "__name__", "custom")
