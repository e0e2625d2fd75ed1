"""The rules, in the order in which they run: causes before symptoms."""

from kcomponents.doctor.rules.data import (
    contradictory_labels,
    data_split_problem,
    label_problem,
    sorted_batches,
    unnormalized_input,
    unnormalized_target,
)
from kcomponents.doctor.rules.gradients import (
    bad_initialization,
    dead_relu,
    exploding_gradient,
    loss_nan,
    missing_activation,
    saturated_activation,
    vanishing_gradient,
)
from kcomponents.doctor.rules.learning_rate import (
    learning_rate_too_high,
    learning_rate_too_low,
    wrong_optimizer_setting,
)
from kcomponents.doctor.rules.outputs import loss_of_another_task, wrong_output
from kcomponents.doctor.rules.progress import (
    class_imbalance,
    not_learning,
    oscillating_loss,
    over_regularized,
    overfitting,
    slow_learning,
    underfitting,
)

RULES = (
    wrong_output,
    label_problem,
    data_split_problem,
    sorted_batches,
    wrong_optimizer_setting,
    unnormalized_input,
    unnormalized_target,
    bad_initialization,
    contradictory_labels,
    learning_rate_too_high,
    missing_activation,
    over_regularized,
    loss_nan,
    exploding_gradient,
    dead_relu,
    saturated_activation,
    vanishing_gradient,
    learning_rate_too_low,
    loss_of_another_task,
    class_imbalance,
    oscillating_loss,
    overfitting,
    slow_learning,
    not_learning,
    underfitting,
)
