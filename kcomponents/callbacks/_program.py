"""The program of a training run as plain values, to compare it with a later program."""

import hashlib
import re
import warnings
from typing import NamedTuple

import keras
import numpy as np

from kcomponents import _keras
from kcomponents.callbacks._training_state import optimizers_of
from kcomponents.probes.layer_walk import named_layers
from kcomponents.probes.structure import facts, loss_facts, value

# Settings that do not change what a restored layer or optimizer computes, and names,
# which Keras numbers.
LEFT_OUT = {"name", "dtype", "batch_shape", "batch_input_shape", "build_config"}
# Some layers without a seed make one below 1e9, so a large seed may not be given.
LARGEST_SEED = 10**6
LONGEST = 200
# Training from the state would be wrong if one of these facts differs.
REFUSED = ("backend", "dtype", "optimizer class")
# The same within an epoch, where the rest of its batches must be the same.
REFUSED_WITHIN_EPOCH = (
    "seed",
    "batch size",
    "steps per epoch",
    "steps per execution",
    "samples",
    "shuffle",
)
# Another number of epochs is a usual way to train longer.
SILENT_ALONE = ("epochs",)


class Difference(NamedTuple):
    """A fact that differs between two programs."""

    kind: str
    place: str
    now: object
    saved: object

    def __str__(self):
        name = f"{self.kind} of {self.place}" if self.place else self.kind
        return f"{name}: {self.now!r}, saved {self.saved!r}"


def program_of(model, fit_arguments, params, callbacks):
    """Return facts about a program that is about to train, as plain values.

    Args:
        model: Keras model, compiled and built.
        fit_arguments: Dict, the local variables of the running `fit`.
        params: Dict, `params` of the callbacks.
        callbacks: List of callbacks.
    """
    return {
        "backend": keras.backend.backend(),
        "seed": _keras.global_seed(),
        "optimizers": [_optimizer_facts(o) for o in optimizers_of(model)],
        "loss": _plain(_known(lambda: loss_facts(getattr(model, "loss", None)))),
        "metrics": _plain(_known(lambda: _metric_facts(model))),
        "layers": [_layer_facts(layer) for layer in named_layers(model).values()],
        "fit": _plain(_fit_facts(model, fit_arguments, params)),
        "callbacks": [type(c).__name__ for c in callbacks if _is_comparable(c)],
    }


def changes_of(saved, now, within_epoch, saved_rate=None):
    """Return two lists of sentences: what forbids to continue, and what else changed.

    Args:
        saved: What `program_of` returned for the program that saved the state.
        now: The same for this program.
        within_epoch: Whether training continues within an epoch.
        saved_rate: Float, the learning rate among the saved variables, or `None`.
    """
    found = differences(saved, now, saved_rate)
    kinds = REFUSED + (REFUSED_WITHIN_EPOCH if within_epoch else ())
    refused = [str(difference) for difference in found if difference.kind in kinds]
    if all(difference.kind in SILENT_ALONE for difference in found):
        found = []
    return refused, [str(difference) for difference in found]


def differences(saved, now, saved_rate=None):
    """Return the facts that differ; those that only one program has are left out."""
    found = list(_differing("backend", "", saved, now, "backend"))
    found += _differing("seed", "", saved, now, "seed")
    found += _in_optimizers(saved, now, saved_rate)
    for kind in ("loss", "metrics"):
        found += _compared(kind, "", saved.get(kind), now.get(kind))
    found += _in_layers(saved.get("layers"), now.get("layers"))
    for kind in now["fit"]:
        found += _differing(kind, "", saved.get("fit", {}), now["fit"], kind)
    return found + list(_differing("callbacks", "", saved, now, "callbacks"))


# Facts


def _optimizer_facts(optimizer):
    inner = _keras.unscaled(optimizer)
    found = {"class": type(inner).__name__, "scaled": inner is not optimizer}
    with warnings.catch_warnings():
        # Keras warns that a lambda cannot be saved, but here only its name is needed.
        warnings.simplefilter("ignore")
        config = _known(lambda: facts(inner)["config"]) or {}
        source = _known(lambda: _keras.learning_rate_source(inner))
    config.pop("learning_rate_schedule", None)
    if source is not None:
        config["learning_rate"] = value(source)
    return {**found, "config": _plain(config)}


def _metric_facts(model):
    arguments = keras.tree.flatten(_keras.metric_arguments(model))
    return [value(argument) for argument in arguments if argument is not None]


def _layer_facts(layer):
    config = {}
    if not isinstance(layer, keras.Model):
        config = _known(lambda: facts(layer)["config"]) or {}
    if _keras.sublayers(layer):
        # The inner layers are in the list too; here they contain numbered names.
        plain = str | int | float | None
        config = {k: v for k, v in config.items() if isinstance(v, plain)}
    # Saved weights replace initial ones.
    config = {k: v for k, v in config.items() if not k.endswith("_initializer")}
    return {
        "name": layer.name,
        "class": type(layer).__name__,
        "dtype": _known(lambda: layer.dtype_policy.name),
        "config": _plain(config),
    }


def _fit_facts(model, arguments, params):
    leaves = _known(lambda: keras.tree.flatten(arguments.get("x"))) or [None]
    shape = getattr(leaves[0], "shape", None)
    size = arguments.get("batch_size") or (32 if shape is not None else None)
    weights = arguments.get("class_weight")
    found = {
        "batch size": size,
        "steps per epoch": params.get("steps"),
        "steps per execution": getattr(model, "steps_per_execution", None),
        "samples": _known(lambda: int(shape[0])),
        "epochs": params.get("epochs"),
    }
    if arguments:
        found["shuffle"] = bool(arguments.get("shuffle"))
        found["validation data"] = arguments.get("validation_data") is not None
        found["sample weights"] = arguments.get("sample_weight") is not None
        found["class weights"] = str(
            {str(k): float(v) for k, v in dict(weights or {}).items()}
        )
    return found


def _is_comparable(callback):
    """Return whether a callback is of Keras or of this package, or has a state."""
    usual = keras.callbacks.History, keras.callbacks.ProgbarLogger
    module = type(callback).__module__
    if isinstance(callback, usual) or module.startswith("kcomponents._"):
        return False
    if type(callback).__name__ == "Resume":
        return False
    return hasattr(callback, "get_state") or module.startswith("keras.")


def _known(function):
    """Return the result of a function, or None if it raises."""
    try:
        return function()
    except Exception:
        # Code of the user, such as `get_config`, may raise anything.
        return None


def _plain(thing):
    """Return plain values without names, rounded, and with digests of long ones."""
    if isinstance(thing, dict):
        kept = {k: v for k, v in thing.items() if k not in LEFT_OUT}
        return {str(k): _plain(v) for k, v in kept.items()}
    if isinstance(thing, list | tuple):
        parts = [_plain(part) for part in thing]
        text = repr(parts)
        if len(text) > LONGEST and not any(isinstance(p, dict) for p in parts):
            return _digest(text)
        return parts
    if isinstance(thing, float):
        # Keras stores numbers in float32.
        return float(f"{thing:.6g}")
    if isinstance(thing, str):
        # The address of an object differs in each process.
        text = None if re.search(r" at 0x[0-9a-f]+", thing) else thing
        return _digest(text) if text and len(text) > LONGEST else text
    return thing if isinstance(thing, int | None) else None


def _digest(text):
    return f"digest {hashlib.sha256(text.encode()).hexdigest()[:16]}"


# Differences


def _differing(kind, place, saved, now, name):
    """Yield the difference of one fact, if both programs have it."""
    a, b = saved.get(name), now.get(name)
    if a is not None and b is not None and a != b:
        yield Difference(kind, place, b, a)


def _compared(kind, place, saved, now):
    """Yield the differences in nested facts."""
    if saved is None or now is None:
        return
    if isinstance(saved, dict) and isinstance(now, dict):
        for name in now:
            inner = kind if name in ("class", "config") else f"{kind} {name}"
            if name in saved:
                yield from _compared(inner, place, saved[name], now[name])
    elif isinstance(saved, list) and isinstance(now, list) and len(saved) == len(now):
        for a, b in zip(saved, now, strict=True):
            yield from _compared(kind, place, a, b)
    elif saved != now:
        yield Difference(kind, place, now, saved)


def _in_optimizers(saved, now, saved_rate):
    before, after = saved.get("optimizers"), now["optimizers"]
    if before is None:
        return
    if len(before) != len(after):
        names = [[o["class"] for o in found] for found in (after, before)]
        yield Difference("optimizer class", "", *names)
        return
    for place, (a, b) in enumerate(zip(before, after, strict=True)):
        if (a["class"], a["scaled"]) != (b["class"], b["scaled"]):
            names = [
                f"{o['class']}{' with a loss scale' * o['scaled']}" for o in (b, a)
            ]
            yield Difference("optimizer class", "", *names)
            continue
        rate = None if place else saved_rate
        for setting in sorted({*a["config"]} & {*b["config"]}):
            old, new = a["config"][setting], b["config"][setting]
            if setting == "learning_rate":
                yield from _in_rates(old, new, rate)
            elif old != new:
                # Also if one of them is None, as for a bound of gradients.
                yield Difference(f"optimizer {setting}", "", new, old)


def _in_rates(old, new, saved_rate):
    """Yield the difference of two learning rates; a saved number is used."""
    numbers = isinstance(old, int | float) and isinstance(new, int | float)
    if not numbers:
        yield from _compared("learning rate", "", old, new)
        return
    rate = old if saved_rate is None else float(f"{saved_rate:.6g}")
    # In a second `fit` of one process, the rate may be the one at the end of the first.
    if new not in (old, rate):
        yield Difference("learning rate (the saved one is used)", "", new, rate)


def _in_layers(saved, now):
    if saved is None:
        return
    kinds = [[layer["class"] for layer in found] for found in (now, saved)]
    if kinds[0] != kinds[1]:
        first = next(
            (n for n, (a, b) in enumerate(zip(*kinds, strict=False)) if a != b),
            min(map(len, kinds)),
        )
        names = [found[first] if first < len(found) else None for found in kinds]
        yield Difference("class", f"layer {first + 1}", *names)
        return
    for a, b in zip(saved, now, strict=True):
        place = f"layer {b['name']!r}"
        yield from _differing("dtype", place, a, b, "dtype")
        for setting in sorted({*a["config"]} & {*b["config"]}):
            yield from _in_setting(place, setting, a["config"], b["config"])


def _in_setting(place, setting, saved, now):
    old, new = saved[setting], now[setting]
    if setting != "seed":
        plain = not isinstance(old, dict) or not isinstance(new, dict)
        if plain and old != new:
            yield Difference(setting, place, new, old)
        elif not plain:
            yield from _compared(setting, place, old, new)
    elif isinstance(old, int) and isinstance(new, int) and old != new:
        if max(old, new) <= LARGEST_SEED:
            kind = "seed (the saved random state is used)"
            yield Difference(kind, place, new, old)


def learning_rate_in(model, variables, values):
    """Return the learning rate among saved values of variables, or None."""
    optimizer = getattr(model, "optimizer", None)
    source = _known(lambda: _keras.unscaled(optimizer).learning_rate)
    for variable, found in zip(variables, values, strict=False):
        if variable is source and np.size(found) == 1:
            return float(np.asarray(found, "float64"))
    return None
