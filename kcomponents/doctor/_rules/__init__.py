"""The rules, in the order in which they run: causes before symptoms."""

from kcomponents.doctor._rules.finite import exploding_gradient, loss_nan
from kcomponents.doctor._rules.generalization import overfitting
from kcomponents.doctor._rules.gradients import (
    dead_relu,
    missing_activation,
    saturated_activation,
    vanishing_gradient,
)
from kcomponents.doctor._rules.labels import (
    contradictory_labels,
    data_split_problem,
    label_problem,
    sorted_batches,
)
from kcomponents.doctor._rules.outputs import wrong_output
from kcomponents.doctor._rules.progress import (
    class_imbalance,
    not_learning,
    oscillating_loss,
    over_regularized,
    slow_learning,
    underfitting,
)
from kcomponents.doctor._rules.rate import (
    learning_rate_too_high,
    learning_rate_too_low,
    wrong_optimizer_setting,
)
from kcomponents.doctor._rules.scale import unnormalized_input, unnormalized_target
from kcomponents.doctor._rules.tasks import loss_of_another_task
from kcomponents.doctor._rules.weights import bad_initialization

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
