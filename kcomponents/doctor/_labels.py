"""Labels: the fixed list of problems that findings can name."""

LABELS = (
    "loss_nan",
    "wrong_loss_or_output_activation",
    "label_problem",
    "data_split_problem",
    "unnormalized_input",
    "unnormalized_target",
    "bad_initialization",
    "vanishing_gradient",
    "exploding_gradient",
    "dead_relu",
    "saturated_activation",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "slow_learning",
    "not_learning",
    "oscillating_loss",
    "overfitting",
    "underfitting",
    "over_regularized",
    "missing_activation",
    "class_imbalance",
    "wrong_optimizer_setting",
)
# Labels that make the verdict `inconsistent`.
CONSISTENCY = {
    "data_split_problem",
    "label_problem",
    "unnormalized_input",
    "unnormalized_target",
    "wrong_loss_or_output_activation",
}
