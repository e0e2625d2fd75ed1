"""Statistics that the doctor measures in the training step, and their summary."""

import math

import numpy as np
from keras import ops

from kcomponents._activation_traits import DEAD_WHEN_INACTIVE
from kcomponents.probes import Statistic
from kcomponents.probes.measures import (
    LIMITS,
    RATIOS,
    is_dead,
    mean_ratio,
    on_plateau,
    outputs_per_unit,
    per_unit,
)


def _finite(view, value):
    return ops.where(view.finite, value, 0.0)


def _finite_loss(view):
    return ops.where(ops.isfinite(view.loss), view.loss, 0.0)


def _saturated(view):
    if view.activation in DEAD_WHEN_INACTIVE:
        # Their dead units are found by the highest output instead.
        return 0.0
    return on_plateau(view, LIMITS[view.activation])


OF_OPTIMIZER = (
    Statistic(
        "squares", "gradients", lambda v: _finite(v, v.squares), per_variable=True
    ),
    Statistic("square_max", "gradients", lambda v: _finite(v, v.total), "max"),
    Statistic("steps", "gradients", lambda v: ops.cast(v.finite, "float32")),
    Statistic("weights", "updates", lambda v: v.weights, "last", per_variable=True),
    *RATIOS,
)
# What `summary` returns of them.
OF_GRADIENTS = {
    "gradient_norm",
    "gradient_norm_max",
    "update_ratio",
    "weight_norm",
    "steps",
}
OF_LOSS = (
    Statistic("loss_sum", "losses", _finite_loss),
    Statistic("loss_max", "losses", lambda v: v.loss, "max"),
    Statistic("loss_min", "losses", lambda v: v.loss, "min"),
    Statistic("losses", "losses", lambda v: 1.0),
    Statistic("finite", "losses", lambda v: ops.cast(ops.isfinite(v.loss), "float32")),
)
OF_OUTPUTS = (
    Statistic(
        "highest", "outputs", lambda v: per_unit(ops.max, v.outputs, v.axis), "max"
    ),
    Statistic("saturated", "outputs", _saturated),
    Statistic("outputs", "outputs", outputs_per_unit),
)


def is_watched(watched):
    """Return whether the layer's activation can die or saturate."""
    # If a `Bidirectional` sums or multiplies, the bounds are others.
    alone = getattr(watched.layer, "merge_mode", None) in (None, "concat")
    return watched.activation in DEAD_WHEN_INACTIVE or (
        watched.activation in LIMITS and alone
    )


def summary(reading, sites, last_layers):
    """Summarize one reading of the statistics above, for the record."""
    found = reading.values
    return {
        **_of_gradients(found),
        **_of_losses(found),
        **_of_layers(found, sites, last_layers),
    }


def _of_gradients(found):
    if "squares" not in found:
        return {}
    steps = found["steps"]["all"]
    norms = {
        path: math.sqrt(square / steps) if steps else math.nan
        for path, square in found["squares"].items()
    }
    whole = math.sqrt(sum(norm**2 for norm in norms.values())) if norms else math.nan
    ratios = {
        path: mean_ratio(found["update_ratio"][path], found["update_steps"][path])
        for path in found["update_ratio"]
    }
    weights = found["weights"].items()
    largest = math.sqrt(max(found["square_max"]["all"], 0.0)) if steps else math.nan
    return {
        "gradient_norm": {**norms, "all": whole},
        "gradient_norm_max": {"all": largest},
        "update_ratio": ratios,
        "weight_norm": {path: math.sqrt(max(square, 0.0)) for path, square in weights},
        "steps": {"all": steps},
    }


def _of_losses(found):
    batches = found.get("losses", {}).get("all", 0)
    if not batches:
        return {}
    finite = found["finite"]["all"]
    mean = found["loss_sum"]["all"] / finite if finite else math.nan
    return {
        "batch_loss_mean": {"all": mean},
        "batch_loss_max": found["loss_max"],
        "batch_loss_min": found["loss_min"],
        "batches": {"all": batches},
        "nonfinite_batches": {"all": batches - finite},
    }


def _of_layers(found, sites, last_layers):
    dead, saturated = {}, {}
    for site, watched in sites.items():
        highest = np.array(found["highest"][site])
        if site in last_layers or np.isneginf(highest).all():
            continue
        if watched.activation in DEAD_WHEN_INACTIVE:
            dead[site] = float(np.mean(is_dead(highest)))
        else:
            shares = np.array(found["saturated"][site]) / found["outputs"][site]
            saturated[site] = float(np.mean(shares))
    return {"dead_units": dead, "saturated": saturated}
