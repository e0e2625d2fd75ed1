"""The only part that uses private Keras names.

`_features` has each name with the feature that needs it. If Keras lacks a name, using
the feature raises an error that says so; everything else works.
`tests/test_keras_private.py` tests what each name does, and what is lost without it.
"""

from kcomponents._keras.callback_list import STATE_OF_CALLBACKS
from kcomponents._keras.extra_variables import (
    Passenger,
    board_model,
    board_optimizer,
    leave_model,
    leave_optimizer,
    passengers,
    without,
)
from kcomponents._keras.fit_state import (
    begin_at,
    begins_at,
    begun,
    build_metrics,
    draw_epoch,
    global_seeds,
    running_fit,
    see_first,
    skip_steps,
    validates_later,
    wait_for_hooks,
)
from kcomponents._keras.models import (
    asked_metrics,
    built_metrics,
    calls_of,
    in_stateless_scope,
    layers_of,
    metric_direction,
    sublayers,
)
from kcomponents._keras.optimizers import (
    AccumulatedGradients,
    averages,
    averages_in_model,
    carry_over,
    clipping_method,
    learning_rate_source,
    optimized_variables,
)

__all__ = [
    "AccumulatedGradients",
    "CLIPPING",
    "Passenger",
    "STATE_OF_CALLBACKS",
    "asked_metrics",
    "averages",
    "averages_in_model",
    "begin_at",
    "begins_at",
    "begun",
    "board_model",
    "board_optimizer",
    "build_metrics",
    "built_metrics",
    "calls_of",
    "carry_over",
    "draw_epoch",
    "global_seeds",
    "in_stateless_scope",
    "layers_of",
    "learning_rate_source",
    "leave_model",
    "leave_optimizer",
    "metric_direction",
    "optimized_variables",
    "passengers",
    "running_fit",
    "see_first",
    "skip_steps",
    "sublayers",
    "validates_later",
    "wait_for_hooks",
    "without",
]


def __getattr__(name):
    """Return `CLIPPING`, a name that is checked when it is used, not at import."""
    if name == "CLIPPING":
        return clipping_method()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
