"""The only part that uses private Keras names.

`features` lists each name with the feature that needs it. If Keras lacks a name, using
the feature raises an error that says so; everything else works.
`tests/test_keras_private.py` tests what each name does, and what is lost without it.
"""

from kcomponents._keras.callback_list import STATE_OF_CALLBACKS
from kcomponents._keras.extra_variables import (
    add_to_model,
    add_to_optimizer,
    extra_variables_of,
    remove_from_model,
    remove_from_optimizer,
    without_variables,
)
from kcomponents._keras.fit_state import (
    build_metrics,
    draw_epoch,
    first_epoch,
    global_seed,
    global_seeds,
    reset_first_epoch,
    running_fit,
    set_first_epoch,
    show_first_batches,
    skip_steps,
    validates_later,
    wait_for_hooks,
    without_new_global_seeds,
)
from kcomponents._keras.models import (
    built_metrics,
    calls_of,
    in_stateless_scope,
    layers_of,
    metric_arguments,
    metric_direction,
    operations_of,
    other_arguments,
    sublayers,
)
from kcomponents._keras.optimizers import (
    AccumulatedGradients,
    averages_in_model,
    build_optimizer,
    carry_over,
    clipping_method,
    learning_rate_source,
    moving_averages,
    optimized_variables,
    unscaled,
    unscaled_optimizer,
)

__all__ = [
    "AccumulatedGradients",
    "STATE_OF_CALLBACKS",
    "add_to_model",
    "add_to_optimizer",
    "averages_in_model",
    "build_metrics",
    "build_optimizer",
    "built_metrics",
    "calls_of",
    "carry_over",
    "clipping_method",
    "draw_epoch",
    "extra_variables_of",
    "first_epoch",
    "global_seed",
    "global_seeds",
    "in_stateless_scope",
    "layers_of",
    "learning_rate_source",
    "metric_arguments",
    "metric_direction",
    "moving_averages",
    "operations_of",
    "optimized_variables",
    "other_arguments",
    "remove_from_model",
    "remove_from_optimizer",
    "reset_first_epoch",
    "running_fit",
    "set_first_epoch",
    "show_first_batches",
    "skip_steps",
    "sublayers",
    "unscaled",
    "unscaled_optimizer",
    "validates_later",
    "wait_for_hooks",
    "without_new_global_seeds",
    "without_variables",
]
