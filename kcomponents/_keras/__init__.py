"""The one part that touches private Keras names, each pinned by a test.

`tests/test_keras_private.py` fails when Keras changes one of them.
"""

from kcomponents._keras._callbacks import STATE_OF_CALLBACKS
from kcomponents._keras._fit import (
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
from kcomponents._keras._models import (
    asked_metrics,
    built_metrics,
    calls_of,
    in_stateless_scope,
    layers_of,
    metric_direction,
    sublayers,
)
from kcomponents._keras._optimizers import (
    CLIPPING,
    AccumulatedGradients,
    averages,
    averages_in_model,
    carry_over,
    learning_rate_source,
    optimized_variables,
)
from kcomponents._keras._passengers import (
    Passenger,
    board_model,
    board_optimizer,
    leave_model,
    leave_optimizer,
    passengers,
    without,
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
