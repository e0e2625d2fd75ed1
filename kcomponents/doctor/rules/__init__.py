"""The rules, in the order in which they run: causes before symptoms."""

from kcomponents.doctor.rules.generalization import overfitting, train_inference_gap
from kcomponents.doctor.rules.gradients import (
    dead_relu,
    exploding_gradient,
    loss_nan,
    missing_activation,
    saturated_activation,
    vanishing_gradient,
)
from kcomponents.doctor.rules.inputs import (
    constant_input,
    embedding_too_short,
    unnormalized_input,
)
from kcomponents.doctor.rules.labels import (
    class_imbalance,
    contradictory_labels,
    label_problem,
    mask_missing,
    swapped_targets,
    uninformative_labels,
    unnormalized_target,
    wrong_labels,
)
from kcomponents.doctor.rules.learning_rate import (
    learning_rate_too_high,
    learning_rate_too_low,
    wrong_optimizer_setting,
)
from kcomponents.doctor.rules.outputs import loss_of_another_task, wrong_output
from kcomponents.doctor.rules.progress import (
    collapsed_output,
    constant_loss,
    not_learning,
    oscillating_loss,
    over_regularized,
    slow_learning,
    underfitting,
)
from kcomponents.doctor.rules.splits import (
    data_split_problem,
    future_leak,
    missing_classes,
    sorted_batches,
    telling_columns,
)
from kcomponents.doctor.rules.weights import (
    bad_initialization,
    float16_training,
    frozen_layers,
    no_gradient,
)

RULES = (
    wrong_output,
    label_problem,
    swapped_targets,
    embedding_too_short,
    data_split_problem,
    sorted_batches,
    missing_classes,
    telling_columns,
    future_leak,
    frozen_layers,
    float16_training,
    wrong_optimizer_setting,
    unnormalized_input,
    constant_input,
    unnormalized_target,
    bad_initialization,
    contradictory_labels,
    mask_missing,
    learning_rate_too_high,
    missing_activation,
    over_regularized,
    loss_nan,
    exploding_gradient,
    dead_relu,
    saturated_activation,
    no_gradient,
    vanishing_gradient,
    learning_rate_too_low,
    loss_of_another_task,
    class_imbalance,
    train_inference_gap,
    collapsed_output,
    uninformative_labels,
    wrong_labels,
    oscillating_loss,
    overfitting,
    slow_learning,
    constant_loss,
    not_learning,
    underfitting,
)
