"""Each number in a rule: what the rule says just below it and just above it."""

import math

import pytest

from kcomponents.doctor.rules.labels import (
    AT_FIRST,
    ERRORS,
    FEWEST,
    HARDLY,
    LITTLE,
    MORE,
    NEVER,
    NO_SIGNAL,
    NOTHING,
    STEPS_AT_FIRST,
    SURE,
    SWAPPED,
)
from kcomponents.doctor.rules.learning_rate import ADAPTIVE
from kcomponents.doctor.rules.splits import (
    GAP_OF_SCALES,
    RATIO_WITH_GAP,
    ROWS_OF_CLASS,
)
from kcomponents.record import Reading
from tests.doctor.cases import (
    INPUT,
    KERNELS,
    NAN,
    OUTPUT,
    STUCK,
    finding,
    record,
    says,
    severity,
)

pytestmark = pytest.mark.any_backend

TARGET = OUTPUT + "target__"
LAYER = "layers__0__"


# Layers


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, None), (0.51, "medium"), (0.8, "medium"), (0.81, "high")],
)
def test_dead_units_count_above_half_of_a_layer(share, expected):
    made = record(STUCK, {"dead_units": {"first": share}})
    assert severity("dead_relu", made) == expected


@pytest.mark.parametrize(("first", "told"), [(0.71, False), (0.69, True)])
def test_units_that_died_in_training_are_told(first, told):
    made = record(STUCK, {"dead_units": {"first": 0.9}})
    made.readings[0].values["dead_units"] = {"first": first, "second": 0.0}
    assert says("In the first epoch", "dead_relu", made) == told


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, None), (0.51, "medium"), (0.75, "medium"), (0.76, "high")],
)
def test_saturated_outputs_count_above_half_of_a_layer(share, expected):
    made = record(STUCK, {"saturated": {"first": share}})
    assert severity("saturated_activation", made) == expected


def of_weights(**facts):
    changes = {f"initial__second/kernel__{name}": v for name, v in facts.items()}
    return severity("bad_initialization", record(STUCK, **changes))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        # The size of 16 inputs times the weights: 4 * sqrt(mean² + deviation²).
        ({"std": 1.24}, None),
        ({"std": 1.26}, "high"),
        ({"std": 0.0076}, None),
        ({"std": 0.0074}, "high"),
        ({"std": 0.0}, None),
        # Of one sign: the mean is above the deviation, and 16 means are above 4.
        ({"mean": 0.24, "std": 0.2}, None),
        ({"mean": 0.26, "std": 0.2}, "high"),
        ({"mean": -0.26, "std": 0.2}, "high"),
        ({"mean": 0.39, "std": 0.4}, None),
        ({"mean": 0.41, "std": 0.4}, "high"),
        # 4 * 1.26 of mean and deviation together.
        ({"mean": 0.9, "std": 0.88}, "high"),
        ({"mean": 0.85, "std": 0.86}, None),
    ],
)
def test_initial_weights_have_a_size_and_both_signs(facts, expected):
    assert of_weights(fan_in=16, **facts) == expected


@pytest.mark.parametrize(
    ("kernel", "expected"), [(KERNELS[1], "high"), (KERNELS[2], None)]
)
def test_equal_units_count_in_all_layers_but_the_last(kernel, expected):
    made = record(STUCK, **{f"initial__{kernel}__units_equal": True})
    assert severity("bad_initialization", made) == expected


@pytest.mark.parametrize(("linear", "found"), [(0.83, False), (0.81, True)])
def test_a_missing_activation_counts_where_linear_models_do_worse(linear, found):
    changes = {OUTPUT + "reachable": {"linear": linear, "best": 0.9}}
    made = record((0.5,) * 4, **changes, **{LAYER + "activation": "linear"})
    assert (severity("missing_activation", made) is not None) == found


@pytest.mark.parametrize(
    ("second", "expected"), [("relu", "medium"), ("sigmoid", "high"), (None, "high")]
)
def test_a_missing_activation_counts_more_in_a_network_without_any(second, expected):
    changes = {LAYER + "activation": "linear", "layers__1__activation": second}
    assert severity("missing_activation", record((0.5,) * 4, **changes)) == expected


@pytest.mark.parametrize(
    ("largest", "median", "expected"),
    [
        (19.9, 0.2, None),
        (20.1, 0.2, "medium"),
        (9.9, 0.05, None),
        (10.1, 0.05, "medium"),
        (9990, 200, None),
        (10_010, 200, "high"),
    ],
)
def test_gradients_explode_beyond_a_hundred_medians(largest, median, expected):
    looks = {"gradient_norm_max": {"all": largest}, "gradient_norm": {"all": median}}
    assert severity("exploding_gradient", record(STUCK, looks)) == expected


@pytest.mark.parametrize(
    ("target", "found"),
    [({"mean": 14.9}, True), ({"mean": -15.1}, False), ({"std": 15.1}, False)],
)
def test_large_targets_explain_large_gradients(target, found):
    changes = {TARGET + name: value for name, value in target.items()}
    made = record(STUCK, {"gradient_norm_max": {"all": 1e5}}, **changes)
    assert (severity("exploding_gradient", made) is not None) == found


def per_weight(*norms):
    """Return looks where a weight of each kernel has this gradient."""
    sizes = 32, 64, 24
    norms = [n * math.sqrt(size) for n, size in zip(norms, sizes, strict=True)]
    return {"gradient_norm": dict(zip(KERNELS, norms, strict=True))}


@pytest.mark.parametrize(
    ("early", "activation", "expected"),
    [
        (0.021, "relu", None),
        (0.019, "relu", "medium"),
        (0.001, "relu", "medium"),
        (0.0021, "tanh", "medium"),
        (0.0019, "tanh", "high"),
    ],
)
def test_gradients_vanish_below_a_fiftieth(early, activation, expected):
    made = record(STUCK, per_weight(early, 1, 1), **{LAYER + "activation": activation})
    assert severity("vanishing_gradient", made) == expected


@pytest.mark.parametrize(
    ("early", "words"),
    [(0.019, "1/53"), (2.4e-4, "1/4,200"), (1.1e-7, "1/9,"), (0.9e-7, "almost none")],
)
def test_a_vanished_gradient_is_told_as_a_fraction(early, words):
    assert says(words, "vanishing_gradient", record(STUCK, per_weight(early, 5, 1)))


@pytest.mark.parametrize(
    ("steps", "kind", "activation", "expected"),
    [
        (9, "SimpleRNN", "tanh", None),
        (10, "SimpleRNN", "tanh", "low"),
        (10, "SimpleRNN", "sigmoid", "medium"),
        (10, "SimpleRNN", "relu", None),
        (10, "LSTM", "tanh", None),
    ],
)
def test_gradients_vanish_over_ten_time_steps(steps, kind, activation, expected):
    changes = {LAYER + "class": kind, LAYER + "activation": activation}
    made = record(STUCK, **changes, **{INPUT + "shape": [steps, 4]})
    assert severity("vanishing_gradient", made) == expected


# The optimizer

HIGH, LOW = "learning_rate_too_high", "learning_rate_too_low"
SETTING = "wrong_optimizer_setting"


def of_optimizer(label, kind="Adam", *, looks=None, clip=None, **config):
    """Return what a rule says about a run with this optimizer."""
    settings = {"learning_rate": 0.001, **config}
    optimizer = {"class": kind, "config": settings, "clip": clip or {}}
    return severity(label, record(STUCK, looks, optimizer=optimizer))


@pytest.mark.parametrize(
    ("kind", "bound", "config"),
    [
        ("Adam", 5e-5, {}),
        ("SGD", 1e-3, {}),
        ("SGD", 1e-4, {"momentum": 0.9}),
        # At most a hundred times smaller.
        ("SGD", 1e-5, {"momentum": 0.999}),
        ("Adadelta", 0.05, {}),
        ("Adagrad", 2e-3, {}),
    ],
)
def test_a_learning_rate_is_low_below_what_is_typical(kind, bound, config):
    for factor, expected in ((1.01, None), (0.99, "medium")):
        rate = bound * factor
        assert of_optimizer(LOW, kind, learning_rate=rate, **config) == expected


@pytest.mark.parametrize(
    ("kind", "bound", "config"),
    [
        ("SGD", 0.06, {"momentum": 0.9}),
        ("SGD", 0.006, {"momentum": 0.99}),
        ("Adadelta", 2.0, {}),
        ("Adagrad", 0.5, {}),
    ],
)
def test_a_learning_rate_is_high_above_what_is_typical(kind, bound, config):
    for factor, found in ((0.99, False), (1.01, True)):
        told = of_optimizer(HIGH, kind, learning_rate=bound * factor, **config)
        assert bool(told) == found


@pytest.mark.parametrize(
    ("ratio", "steps", "expected"),
    [
        (2e-4, 10, None),
        (1.9e-4, 10, "medium"),
        # All updates together change 5 % of a kernel.
        (1e-4, 500, None),
        (1e-4, 490, "medium"),
        (2e-5, 9000, None),
        (1.9e-5, 9000, "medium"),
        (0.0, 10, None),
    ],
)
def test_updates_are_too_small_below_these_ratios(ratio, steps, expected):
    ratios, in_epoch = dict.fromkeys(KERNELS, ratio), {"all": steps / 3}
    looks = {"update_ratio": ratios, "steps": in_epoch}
    assert of_optimizer(LOW, looks=looks) == expected


def test_updates_are_too_small_by_their_mean_over_all_epochs():
    made = record(STUCK)
    for reading, ratio in zip(made.readings, (3e-4, 1e-6, 1e-6), strict=True):
        reading.values["update_ratio"] = dict.fromkeys(KERNELS, ratio)
    assert severity(LOW, made) == "medium"


def test_the_kernel_that_changes_most_tells_whether_updates_are_too_small():
    ratios = dict.fromkeys(KERNELS, 1e-5) | {KERNELS[1]: 3e-4}
    assert of_optimizer(LOW, looks={"update_ratio": ratios}) is None


@pytest.mark.parametrize(
    ("ratios", "expected"), [((0.04, 0.06, 0.06), "low"), ((0.04, 0.04, 0.06), None)]
)
def test_the_median_kernel_tells_whether_updates_are_too_large(ratios, expected):
    looks = {"update_ratio": dict(zip(KERNELS, ratios, strict=True))}
    assert of_optimizer(HIGH, looks=looks) == expected


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [((0.01, 0.06, 0.01), "low"), ((0.06, 0.01, 0.01), "low"), ((0, 0, 0.06), None)],
)
def test_updates_are_large_in_the_first_two_epochs(ratios, expected):
    made = record(STUCK)
    for reading, ratio in zip(made.readings, ratios, strict=True):
        reading.values["update_ratio"] = dict.fromkeys(KERNELS, ratio)
    assert severity(HIGH, made) == expected


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ((6, 5, 4, 3, 2, 3), True),
        ((6, 5, 4, 3, 4, 5), False),
        ((3, 2), False),
        ((4, 3, 2), True),
    ],
)
def test_a_loss_falls_steadily_in_four_of_five_epochs(losses, told):
    logs = {"loss": [0.01 * loss + 1.05 for loss in losses]}
    rate = {"optimizer__config__learning_rate": 1e-6}
    made = record((0.33,) * len(losses), logs=logs, **rate)
    assert says("falls steadily", LOW, made) == told


@pytest.mark.parametrize(
    ("epochs", "rises", "found"),
    [(10, 0, False), (9, 0, True), (21, 1, False), (20, 1, True)],
)
def test_a_rate_is_not_too_high_if_the_loss_falls_smoothly(epochs, rises, found):
    losses = [1.2 - 0.001 * epoch for epoch in range(epochs)]
    if rises:
        losses[2] = losses[1] + 0.01
    looks = {"update_ratio": dict.fromkeys(KERNELS, 0.3)}
    made = record((0.33,) * epochs, looks, {"loss": losses})
    assert bool(severity(HIGH, made)) == found
    # A jump within an epoch is no smooth fall.
    made.readings[1].values["batch_loss_max"] = {"all": 99.0}
    made.readings.insert(0, Reading(0, 0, {"sample_loss": {"output": 1.1}}))
    assert severity(HIGH, made)


@pytest.mark.parametrize(("last", "found"), [(1.64, False), (1.66, True)])
def test_a_loss_rose_by_half(last, found):
    made = record(STUCK, logs={"loss": (1.1, 1.2, last)})
    assert says("The loss rose", HIGH, made) == found


@pytest.mark.parametrize(("peak", "found"), [(21.9, False), (22.1, True)])
def test_a_batch_loss_jumped_beyond_twenty_times_the_first(peak, found):
    made = record(STUCK, {"sample_loss": {"output": 1.1}})
    untrained = Reading(0, 0, {"sample_loss": {"output": 1.1}})
    made.readings.insert(0, untrained)
    made.readings[1].values["batch_loss_max"] = {"all": peak}
    assert says("jumped to", HIGH, made) == found


def of_setting(**settings):
    """Return a run without progress, with settings of the optimizer and others."""
    others = {n: settings.pop(n) for n in [*settings] if "__" in n}
    made = record(STUCK, **others)
    made.structure["optimizer"]["config"].update(settings)
    return made


RANGES = [
    ("epsilon", 0.0199, 0.02),
    ("beta_1", 0.979, 0.98),
    ("beta_2", 0.6, 0.599),
    ("beta_2", 0.9999, 1.0),
    ("rho", 0.3, 0.299),
    ("rho", 0.9998, 0.9999),
    ("momentum", 0.984, 0.985),
    ("weight_decay", 0.049, 0.05),
    ("ema_momentum", 0.9999, 1.0),
    ("epsilon", 0.0, -1e-9),
    ("beta_1", 0.0, -0.1),
    ("momentum", 0.0, -0.1),
    ("weight_decay", 0.0, -0.1),
    ("ema_momentum", 0.0, -0.1),
]


@pytest.mark.parametrize(("name", "inside", "outside"), RANGES)
def test_settings_of_optimizers_have_a_range(name, inside, outside):
    assert of_optimizer(SETTING, **{name: inside}) is None
    assert of_optimizer(SETTING, **{name: outside}) == "high"


@pytest.mark.parametrize(("rate", "expected"), [(0.0, "high"), (1e-9, None)])
def test_a_learning_rate_is_above_zero(rate, expected):
    assert of_optimizer(SETTING, learning_rate=rate) == expected


def test_settings_that_do_no_harm_are_not_told_but_impossible_ones_are():
    def told(config):
        optimizer = {"class": "SGD", "config": config, "clip": {}}
        return severity(SETTING, record((0.5, 0.7, 0.9), optimizer=optimizer))

    assert told({"momentum": 0.999}) is None
    assert told({"momentum": 1.0}) == told({"learning_rate": 0.0}) == "high"


@pytest.mark.parametrize(
    ("bound", "expected"), [(0.0021, None), (0.002, None), (0.0019, "high")]
)
def test_a_bound_is_tight_below_a_hundredth_of_the_median_norm(bound, expected):
    for kind in ("SGD", "Adagrad"):
        assert of_optimizer(SETTING, kind, clip={"clipnorm": bound}) == expected
    assert of_optimizer(SETTING, "SGD", clip={"clipvalue": bound}) == expected


@pytest.mark.parametrize("kind", sorted(ADAPTIVE))
def test_a_bound_is_tight_for_an_adaptive_optimizer_only_beside_its_epsilon(kind):
    # The kernels have 120 weights, and a weight of 1e-6 is 10 times epsilon.
    size, config = math.sqrt(120), {"epsilon": 1e-7}
    for factor, expected in ((1.01, None), (0.99, "high")):
        clip = {"global_clipnorm": factor * 1e-6 * size}
        assert of_optimizer(SETTING, kind, clip=clip, **config) == expected
        clip = {"clipvalue": factor * 1e-6}
        assert of_optimizer(SETTING, kind, clip=clip, **config) == expected


def test_the_kernels_together_tell_how_much_of_a_bound_is_left_for_a_weight():
    # Without known kernels, the bound counts as that of a single weight.
    for size, expected in (([], "high"), ([100, 100], None)):
        variables = [{"path": "a", "shape": size, "trainable": True, "dtype": ""}]
        optimizer = {"class": "Adam", "config": {"epsilon": 1e-7}}
        made = record(STUCK, variables=variables, optimizer=optimizer)
        bound = 0.9e-6 if expected else 1.1e-4
        made.structure["optimizer"]["clip"] = {"clipnorm": bound}
        assert severity(SETTING, made) == expected


def test_a_bound_that_is_no_number_and_gradients_that_are_not_known_are_let_pass():
    assert of_optimizer(SETTING, "SGD", clip={"agc": [0.0, 1e-3]}) is None
    nothing = {"gradient_norm": {"all": NAN}}
    assert of_optimizer(SETTING, "SGD", clip={"clipnorm": 1e-9}, looks=nothing) is None


def test_all_optimizer_settings_of_a_run_are_told():
    found = finding(SETTING, of_setting(epsilon=0.5, momentum=0.99, rho=0.1))
    assert [text.split()[2] for text in found.evidence] == [
        "epsilon",
        "rho",
        "momentum",
    ]
    assert "epsilon is 0.5; it should be below 0.02" in found.evidence[0]
    assert "rho is 0.1; it should be at least 0.3" in found.evidence[1]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (0.9, 0.879, True),
        (0.9, 0.881, False),
        (0.9, 0.999, False),
        (0.9, None, False),
        (None, 0.7, False),
    ],
)
def test_exchanged_betas_are_told_even_of_a_run_that_goes_well(first, second, told):
    optimizer = {"class": "Adam", "config": {"beta_1": first, "beta_2": second}}
    made = record(optimizer={**optimizer, "clip": {}})
    assert says("as if they were exchanged", SETTING, made) == told
    assert (severity(SETTING, made) == "high") == told


@pytest.mark.parametrize(
    ("epsilon", "task", "expected"),
    [
        (0.5, "sparse", "high"),
        (0.5, "unknown", "medium"),
        (1e-7, "unknown", None),
    ],
)
def test_settings_are_less_sure_where_progress_is_not_judged(epsilon, task, expected):
    made = of_setting(epsilon=epsilon, **{OUTPUT + "task": task})
    assert severity(SETTING, made) == expected


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # The run has 30 steps.
        ({"decay_steps": 10}, None),
        ({"decay_steps": 9}, "high"),
        # It divides the rate by exp(8) or more.
        ({"decay_steps": 2.7, "decay_rate": 0.5}, None),
        ({"decay_steps": 2.5, "decay_rate": 0.5}, "high"),
        ({"decay_steps": 2.5, "decay_rate": 1.0}, None),
        ({"decay_steps": 30, "decay_rate": 0.0}, "high"),
    ],
)
def test_a_schedule_does_not_decay_long_before_the_end(schedule, expected):
    assert of_optimizer(SETTING, learning_rate={"config": schedule}) == expected


# Regularization, and the course of the loss


def of_layer(**changes):
    changes = {LAYER + name: value for name, value in changes.items()}
    return severity("over_regularized", record((0.5,) * 4, **changes))


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(0.59, None), (0.6, "medium"), (0.79, "medium"), (0.8, "high")],
)
def test_dropout_is_strong_from_three_fifths(rate, expected):
    assert of_layer(**{"class": "Dropout", "rate": rate}) == expected
    assert of_layer(**{"class": "LSTM", "dropout": rate}) == expected


@pytest.mark.parametrize(
    ("strength", "expected"),
    [(0.0099, None), (0.01, "medium"), (0.099, "medium"), (0.1, "high")],
)
def test_a_regularizer_is_strong_from_a_hundredth(strength, expected):
    rule = {"class": "L1L2", "config": {"l1": 0.0, "l2": strength}}
    assert of_layer(bias_regularizer=rule) == expected


@pytest.mark.parametrize(("bound", "expected"), [(0.5, None), (0.49, "high")])
def test_a_constraint_is_tight_below_a_half(bound, expected):
    rule = {"class": "MaxNorm", "config": {"max_value": bound, "axis": 0}}
    assert of_layer(kernel_constraint=rule) == expected


@pytest.mark.parametrize(("loss", "expected"), [(0.61, None), (0.59, "high")])
def test_regularization_is_strong_above_two_fifths_of_the_loss(loss, expected):
    rule = {"class": "L2", "config": {"l2": 0.001}}
    made = record(
        (0.5,) * 4,
        {"sample_loss": {"output": loss}},
        {"loss": (1.0,) * 4},
        **{LAYER + "kernel_regularizer": rule},
    )
    assert severity("over_regularized", made) == expected


def imbalanced(base, recalls, accuracy):
    skill = (accuracy - base) / (1 - base)
    looks = {"sample_recall": {"output": recalls}}
    looks["sample_loss"] = {"output": 0.3 * (1 - skill)}
    changes = {"baseline_accuracy": base, "baseline_loss": 0.3}
    changes["target__values"] = [0.0, 1.0]
    changes["target__counts"] = [round(1000 * base), round(1000 * (1 - base))]
    changes = {OUTPUT + name: value for name, value in changes.items()}
    return severity("class_imbalance", record((accuracy,) * 3, looks, **changes))


@pytest.mark.parametrize(
    ("base", "recalls", "skill", "expected"),
    [
        (0.79, [1.0, 0.0], 0.1, None),
        (0.8, [1.0, 0.0], 0.1, "medium"),
        (0.87, [1.0, 0.0], 0.1, "medium"),
        (0.88, [1.0, 0.0], 0.1, "high"),
        # Little has been learned: a recall of a fifth is low.
        (0.9, [1.0, 0.2], 0.29, "high"),
        (0.9, [1.0, 0.21], 0.29, None),
        (0.9, [1.0, 0.2], 0.31, None),
        (0.9, [1.0, 0.05], 0.31, "high"),
        (0.9, [1.0, 0.06], 0.31, None),
        (0.9, [1.0, 0.0], 0.59, "high"),
        (0.9, [1.0, 0.0], 0.61, None),
        (0.9, [0.95, 0.0], 0.1, "high"),
        (0.9, [0.94, 0.0], 0.1, None),
        (0.9, [0.0], 0.1, None),
    ],
)
def test_classes_are_imbalanced_from_four_fifths(base, recalls, skill, expected):
    assert imbalanced(base, recalls, base + skill * (1 - base)) == expected


def zigzag(size, turns=6, straight=0):
    """Return losses that change by `size` of their mean, and then keep falling."""
    losses = [1.1 + 0.55 * size * (-1) ** i for i in range(turns + 2)]
    return [*losses, *(losses[-1] - 1.1 * size * (i + 1) for i in range(straight))]


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0.079, None), (0.081, "low"), (0.149, "low"), (0.151, "medium")],
)
def test_a_loss_zigzags_by_more_than_a_twelfth(size, expected):
    losses = zigzag(size, turns=7)
    made = record((0.33,) * len(losses), logs={"loss": losses})
    assert severity("oscillating_loss", made) == expected


@pytest.mark.parametrize(
    ("losses", "found"),
    [
        # Two thirds of the losses count: 6 of 9, so 5 moves and 4 possible turns.
        ((9, 9, 9, 1, 2, 1, 2, 3, 4), True),
        ((9, 9, 9, 1, 2, 3, 2, 1, 0.5), False),
        ((1, 2, 1, 2, 1), False),
        ((1, 2, 1, 2, 1, 2), True),
    ],
)
def test_a_loss_zigzags_where_two_of_five_moves_turn(losses, found):
    made = record((0.33,) * len(losses), logs={"loss": losses})
    assert (severity("oscillating_loss", made) is not None) == found


@pytest.mark.parametrize(("spread", "told"), [(0.0083, False), (0.0081, True)])
def test_predictions_are_nearly_equal_below_a_hundredth_of_a_deviation(spread, told):
    made = record(STUCK, {"sample_spread": {"output": spread}})
    assert says("nearly the same", "not_learning", made) == told


@pytest.mark.parametrize(("units", "expected"), [(3, "medium"), (4, "low")])
def test_a_layer_is_narrow_up_to_three_units(units, expected):
    made = record((0.5,) * 4, layers__1__units=units)
    assert severity("underfitting", made) == expected


@pytest.mark.parametrize(("steps", "found"), [(297, True), (300, False)])
def test_a_run_without_progress_is_short_below_300_steps(steps, found):
    made = record(STUCK, {"steps": {"all": steps / 3}})
    assert (severity("slow_learning", made) is not None) == found


def of_validation(val_losses, val_accuracy=None, accuracy=0.9, **changes):
    logs = {"val_loss": val_losses}
    if val_accuracy is not None:
        logs["val_accuracy"] = (val_accuracy,) * len(val_losses)
    made = record((accuracy,) * len(val_losses), logs=logs, **changes)
    return severity("overfitting", made)


@pytest.mark.parametrize(
    ("gap", "rises", "expected"),
    [
        (0.41, False, None),
        (0.43, False, "high"),
        (0.19, True, None),
        (0.21, True, "high"),
        (0.21, False, None),
    ],
)
def test_a_gap_is_overfitting_if_it_is_large_or_the_loss_rises(gap, rises, expected):
    # A skill of 0.85 on the training data; each third of accuracy is half a skill.
    losses = (0.5, 0.6, 0.65, 0.66) if rises else (0.66, 0.6, 0.55, 0.5)
    assert of_validation(losses, 1 / 3 + (0.85 - gap) / 1.5) == expected


@pytest.mark.parametrize(("gap", "expected"), [(0.41, None), (0.43, "high")])
def test_without_a_metric_the_losses_tell_the_gap(gap, expected):
    # A skill of 0.85 on the training data, where a constant has a loss of 1.0986.
    assert of_validation((1.0986 * (0.15 + gap),) * 4) == expected


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((1.0, 1.1, 1.2, 1.29), None),
        ((1.0, 1.1, 1.2, 1.31), "high"),
        # The least loss is 2 epochs ago, of 3 at least.
        ((1.2, 1.0, 1.2, 1.4), None),
        # Of 20 epochs, it has to be 4 ago.
        ((*(1.5,) * 16, 1.0, 1.2, 1.3, 1.4), None),
        ((*(1.5,) * 15, 1.0, 1.2, 1.2, 1.3, 1.4), "high"),
        # Two losses are too few.
        ((1.0, 9.0), None),
    ],
)
def test_a_validation_loss_rises_for_some_epochs(losses, expected):
    assert of_validation(losses, 1 / 3 + 0.6 / 1.5) == expected


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((0.35, 0.4, 0.4, 0.51), None),
        ((0.33, 0.4, 0.4, 0.51), "high"),
        # It is 3 times the training loss of 0.165.
        ((0.3, 0.4, 0.4, 0.49), None),
        ((0.4, 0.3, 0.4, 0.51), None),
    ],
)
def test_without_a_known_gap_a_loss_rises_by_half_and_is_far_apart(losses, expected):
    assert of_validation(losses, **{OUTPUT + "task": "unknown"}) == expected


@pytest.mark.parametrize(
    ("accuracy", "best", "expected"),
    [
        # The margin below simple models is 0.12, or a fifth of a large skill, and
        # two standard errors of the accuracy, 0.0816.
        (0.503, 0.45, None),
        (0.498, 0.45, "low"),
        (0.759, 0.9, None),
        (0.755, 0.9, "low"),
    ],
)
def test_a_model_underfits_far_behind_simple_models(accuracy, best, expected):
    made = record(
        (accuracy,) * 4, **{OUTPUT + "reachable": {"linear": 0, "best": best}}
    )
    assert severity("underfitting", made) == expected


# The data

LABELS, SPLIT = "label_problem", "data_split_problem"


def of_output(rule, accuracies=STUCK, *, label=LABELS, sampled=300, **changes):
    changes = {OUTPUT + name: value for name, value in changes.items()}
    return severity(label, record(accuracies, data__sampled=sampled, **changes), rule)


@pytest.mark.parametrize(("share", "expected"), [(0.2, None), (0.21, "high")])
def test_contradictions_count_above_a_fifth(share, expected):
    assert of_output("contradictory_labels", contradictions=share) == expected


@pytest.mark.parametrize(
    ("best", "signal", "sampled", "expected"),
    [
        (NOTHING - 0.001, 0.01, FEWEST, "medium"),
        (NOTHING, 0.01, FEWEST, None),
        (0.0, NO_SIGNAL - 0.001, FEWEST, "medium"),
        (0.0, NO_SIGNAL, FEWEST, None),
        (0.0, 0.0, FEWEST - 1, None),
        (0.0, 0.0, None, None),
        # A record of an earlier version has no signal.
        (NO_SIGNAL - 0.001, None, FEWEST, "medium"),
        (NO_SIGNAL, None, FEWEST, None),
    ],
)
def test_labels_are_unrelated_where_simple_models_learn_nothing(
    best, signal, sampled, expected
):
    simple = {"linear": 0.0, "best": best}
    if signal is not None:
        simple["signal"] = signal
    rule = "uninformative_labels"
    assert of_output(rule, sampled=sampled, reachable=simple) == expected


UNKNOWN_TO_ALL = {"linear": 0.0, "best": 0.0, "signal": 0.01}


@pytest.mark.parametrize(("errors", "expected"), [(-0.1, "medium"), (0.1, None)])
@pytest.mark.parametrize("sampled", [200, 1000, 5000])
def test_few_held_out_samples_give_simple_models_a_skill_by_chance(
    errors, expected, sampled
):
    held_out = 0.3 * min(sampled, 1000)
    by_chance = math.sqrt(1 / 3 * 2 / 3 / held_out) * 1.5
    best = max((ERRORS + errors) * by_chance, NOTHING + errors / 100)
    rule, simple = "uninformative_labels", {"linear": 0.0, "best": best, "signal": 0.0}
    assert of_output(rule, sampled=sampled, reachable=simple) == expected
    # With any signal, it is not by chance.
    simple |= {"best": max(best, NOTHING), "signal": 0.01}
    assert of_output(rule, sampled=sampled, reachable=simple) is None


def by_heart(first=1 / 3, last=0.9, steps=STEPS_AT_FIRST, best=0.0, logs=None):
    """Return what the rule says of a run whose first epoch taught it nothing."""
    made = record(
        (first, 0.7, last),
        None,
        {"accuracy": (first, 0.7, last), **(logs or {})},
        fit__steps=steps,
        **{OUTPUT + "reachable": {**UNKNOWN_TO_ALL, "best": best}},
    )
    # The loss of the first epoch is that of a constant prediction or worse.
    made.logs[0]["loss"] = 1.2 if first < 0.34 else made.logs[0]["loss"]
    return severity("uninformative_labels", made)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "medium"),
        ({"steps": STEPS_AT_FIRST - 1}, None),
        ({"steps": None}, None),
        ({"last": 1 / 3 + (LITTLE + 0.01) / 1.5}, "medium"),
        ({"last": 1 / 3 + (LITTLE - 0.01) / 1.5}, None),
        ({"first": 1 / 3 + (AT_FIRST - 0.01) / 1.5}, "medium"),
        ({"first": 1 / 3 + (AT_FIRST + 0.01) / 1.5}, None),
        ({"best": NOTHING}, None),
        # With validation data, these say more.
        ({"logs": {"val_loss": (0.9, 0.7, 0.5)}}, None),
    ],
)
def test_labels_that_only_seen_samples_have_say_nothing(changes, expected):
    assert by_heart(**changes) == expected


@pytest.mark.parametrize(
    ("validation", "best", "expected"),
    [
        (NEVER - 0.01, 0.9, "high"),
        (NEVER + 0.01, 0.9, None),
        (NEVER - 0.01, 0.0, "high"),
        (HARDLY - 0.01, 0.0, "medium"),
        (HARDLY + 0.01, 0.0, None),
    ],
)
def test_validation_counts_more_where_simple_models_learn_something(
    validation, best, expected
):
    accuracy = 1 / 3 + validation / 1.5
    logs = {"val_accuracy": (accuracy,) * 3, "val_loss": (1.3,) * 3}
    simple = {**UNKNOWN_TO_ALL, "best": best, "signal": best}
    made = record((1.0,) * 3, None, logs, **{OUTPUT + "reachable": simple})
    assert severity("uninformative_labels", made) == expected


def mislabeled(
    final=0.5, validation=None, surest=0.1, best=0.3, sampled=300, **changes
):
    """Return what the rule says of labels that are wrong even where they are easy."""
    logs = {}
    if validation is not None:
        accuracy = 1 / 3 + validation / 1.5
        logs = {"val_accuracy": (accuracy,) * 3, "val_loss": (1.0,) * 3}
    simple = {"linear": best, "best": best, "surest": surest}
    if surest is None:
        del simple["surest"]
    changes |= {OUTPUT + "reachable": simple, "data__sampled": sampled}
    made = record((1 / 3 + final / 1.5,) * 3, None, logs, **changes)
    return severity(LABELS, made, "wrong_labels")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "low"),
        # Two standard errors of 22 samples, as a skill, are 0.32.
        ({"surest": SURE - 0.33}, "low"),
        ({"surest": SURE - 0.31}, None),
        # Of 1,000 samples and more, 75 are the surest: 0.17.
        ({"surest": SURE - 0.18, "sampled": 1000}, "low"),
        ({"surest": SURE - 0.18, "sampled": 9000}, "low"),
        ({"surest": SURE - 0.16, "sampled": 9000}, None),
        ({"surest": None}, None),
        ({"best": 0.09, "final": 0.2}, None),
        ({"best": 0.11, "final": 0.2}, "low"),
        ({"sampled": 249}, None),
        ({"sampled": 250}, "low"),
        ({"sampled": None}, None),
        # The network sees what simple models do not.
        ({"final": 0.3 + MORE - 0.01}, "low"),
        ({"final": 0.3 + MORE + 0.01}, None),
        ({"final": 0.45, "validation": 0.3 + MORE + 0.01}, None),
        # It knows wrong labels by heart.
        ({"final": 0.9, "validation": 0.69}, None),
        ({"final": 0.61, "validation": 0.4}, "medium"),
        ({"final": 0.59, "validation": 0.4}, "low"),
        # The validation data have better ones.
        ({"final": 0.45, "validation": 0.45 + MORE + 0.01}, "medium"),
        ({"final": 0.05}, None),
    ],
)
def test_labels_are_wrong_where_even_the_surest_samples_are(changes, expected):
    assert mislabeled(**changes) == expected


def test_validation_data_on_another_scale_say_nothing_of_the_labels():
    other = {"rows": 90, "in_training": 0.9}
    assert mislabeled() == "low"
    assert mislabeled(data__validation=other) is None


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (0.1, SWAPPED, "high"),
        (0.11, 0.9, None),
        (0.0, SWAPPED - 0.01, None),
    ],
)
def test_targets_are_swapped_where_only_the_other_output_tells_them(
    own, other, expected
):
    found = {"outputs": ["near", "far"], "own": own, "other": other}
    made = record(STUCK, data__swapped=found)
    assert severity(LABELS, made, "swapped_targets") == expected
    assert severity(LABELS, record(STUCK), "swapped_targets") is None


@pytest.mark.parametrize(
    ("share", "expected"), [(0.01, None), (0.011, "high"), (None, None)]
)
def test_an_output_that_sees_its_targets_is_a_leak(share, expected):
    made = record((0.9,) * 3, **{OUTPUT + "sees_later": share})
    assert severity("future_leak", made) == expected


def lacking(units, seen, rows=300, **changes):
    """Return what the rule says of an output of which some classes are seen."""
    target = {"values": [*range(seen)], "counts": [rows // seen] * seen}
    changes = {OUTPUT + f"target__{name}": v for name, v in target.items()} | changes
    changes |= {OUTPUT + "units": units, "data__rows": rows}
    changes = {"data__sampled": rows} | changes
    return severity(SPLIT, record((0.9,) * 3, **changes), "missing_classes")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"units": 9, "seen": 6}, "medium"),
        ({"units": 10, "seen": 8}, None),
        ({"units": 9, "seen": 7}, "medium"),
        # Labels from 1 on leave one class out.
        ({"units": 4, "seen": 3}, None),
        ({"units": 5, "seen": 3}, "medium"),
        # A head of another data set.
        ({"units": 10, "seen": 4}, None),
        ({"units": 10, "seen": 5}, "medium"),
        ({"units": 9, "seen": 6, "rows": 9 * ROWS_OF_CLASS}, "medium"),
        ({"units": 9, "seen": 6, "rows": 9 * ROWS_OF_CLASS - 1}, None),
        # Not all samples were looked at.
        ({"units": 9, "seen": 6, "data__sampled": 299}, None),
        ({"units": 9, "seen": 6, "data__streamed": True}, None),
        ({"units": 9, "seen": 6, OUTPUT + "task": "regression"}, None),
        ({"units": 9, "seen": 6, OUTPUT + "target__shape": [20]}, None),
    ],
)
def test_classes_are_missing_where_the_output_has_more(changes, expected):
    assert lacking(**changes) == expected


@pytest.mark.parametrize(
    ("ratio", "gap", "expected"),
    [
        (RATIO_WITH_GAP + 0.1, GAP_OF_SCALES + 0.02, "high"),
        (RATIO_WITH_GAP - 0.1, GAP_OF_SCALES + 0.02, None),
        (RATIO_WITH_GAP + 0.1, GAP_OF_SCALES - 0.02, None),
    ],
)
def test_a_smaller_ratio_of_scales_counts_with_a_gap(ratio, gap, expected):
    other = {"name": "input", "rows": 90, "dtype": "float32", "mean": 0.0}
    other |= {"std": 1 / ratio, "min": -3 / ratio, "max": 3 / ratio}
    accuracy = 1 / 3 + (0.85 - gap) / 1.5
    assert of_split(accuracy, inputs=[other]) == expected


@pytest.mark.parametrize(
    ("signal", "expected"),
    [(NO_SIGNAL - 0.01, "medium"), (NO_SIGNAL + 0.01, None)],
)
def test_the_signal_of_rare_classes_counts_as_their_accuracy_says_little(
    signal, expected
):
    simple = {"linear": 0.0, "best": 0.0, "signal": signal}
    changes = {"baseline_accuracy": 0.95, "reachable": simple}
    changes["baseline_loss"] = 1.0986 * (1 - 1.5 * (0.95 - 1 / 3))
    found = of_output("uninformative_labels", (0.95,) * 3, **changes)
    assert found == expected


def of_split(val_accuracy=0.9, **other):
    """Return what the rule says about validation data with these facts."""
    accuracies = (0.9,) * 3
    logs = {"val_accuracy": (val_accuracy,) * 3, "val_loss": (1.0,) * 3}
    facts = {INPUT + n: other.pop(n) for n in ("distinct", "rows") if n in other}
    other = {"rows": 90, "inputs": [], "outputs": [], **other}
    return severity(
        SPLIT, record(accuracies, None, logs, data__validation=other, **facts)
    )


@pytest.mark.parametrize(
    ("share", "gap", "expected"),
    [(0.5, 0.2, None), (0.51, 0.2, "high"), (0.9, 0.14, None), (0.9, 0.16, "high")],
)
def test_a_range_is_another_where_half_of_the_samples_are_outside(share, gap, expected):
    accuracy = 1 / 3 + (0.85 - gap) / 1.5
    assert of_split(accuracy, outside=share, targets_outside=0.1) == expected
    assert of_split(accuracy, outside=0.1, targets_outside=share) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"in_training": 0.2}, None),
        ({"in_training": 0.21}, "high"),
        # Where few samples differ, the same ones occur by chance.
        ({"in_training": 0.9, "distinct": 149}, None),
        ({"in_training": 0.9, "distinct": 150}, "high"),
        ({"in_training": 0.9, "distinct": 19, "rows": 20}, None),
        ({"in_training": 0.9, "distinct": 20, "rows": 20}, "high"),
    ],
)
def test_samples_leak_above_a_fifth(facts, expected):
    assert of_split(**facts) == expected


@pytest.mark.parametrize(
    ("task", "expected"), [("sparse", "high"), ("regression", None), ("unknown", None)]
)
def test_only_classes_are_compared_as_classes(task, expected):
    target = {"shape": [], "rows": 90, "values": [7.0], "counts": [90]}
    made = {"rows": 90, "inputs": [], "outputs": [target]}
    changes = {"data__validation": made, OUTPUT + "task": task}
    assert severity(SPLIT, record((0.9,) * 3, **changes)) == expected


@pytest.mark.parametrize(
    ("low", "high", "shape", "pixels"),
    [
        (0.0, 255.0, [8, 8, 3], True),
        (0.0, 256.0, [8, 8, 3], False),
        (0.0, 101.0, [8, 8, 3], True),
        (0.0, 100.0, [8, 8, 3], False),
        (-1.0, 255.0, [8, 8, 3], False),
        (0.0, 255.0, [8], False),
    ],
)
def test_inputs_from_0_to_255_are_taken_for_pixels(low, high, shape, pixels):
    facts = {"min": low, "max": high, "mean": 60.0, "std": 60.0, "shape": shape}
    made = record(STUCK, **{INPUT + name: value for name, value in facts.items()})
    remedies = finding("unnormalized_input", made).remedies
    assert any("255" in f"{remedy}" for remedy in remedies) == pixels


# Outputs

WRONG = "wrong_loss_or_output_activation"
AMOUNTS = {
    OUTPUT + "task": "regression",
    OUTPUT + "loss": "MeanSquaredError",
    TARGET + "integer": False,
    TARGET + "values": None,
}


def of_targets(activation, units=1, **facts):
    changes = {OUTPUT + "activation": activation, OUTPUT + "units": units}
    shape = [units] if units > 1 else [1]
    changes |= {OUTPUT + "shape": shape, TARGET + "shape": shape}
    changes |= {TARGET + name: value for name, value in facts.items()}
    return severity(WRONG, record((), **AMOUNTS, **changes), "wrong_output")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        # A twentieth of the range may lie beyond what a sigmoid gives.
        (0.0, 1.05, None),
        (0.0, 1.06, "high"),
        (-0.05, 1.0, None),
        (-0.06, 1.0, "high"),
    ],
)
def test_targets_may_lie_slightly_beyond_an_activation(low, high, expected):
    facts = {"min": low, "max": high, "mean": 0.5, "std": 0.3}
    assert of_targets("sigmoid", **facts) == expected


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        (0.5, 0.24, None),
        (0.5, 0.26, "high"),
        (0.4, 0.21, "high"),
        (0.6, 0.21, "high"),
    ],
)
def test_outermost_targets_are_two_deviations_away(mean, std, expected):
    facts = {"min": -3.0, "max": 3.0, "mean": mean, "std": std}
    assert of_targets("sigmoid", **facts) == expected


@pytest.mark.parametrize(
    ("sums", "expected"),
    [((0.91, 1.09), None), ((0.89, 1.0), "high"), ((1.0, 1.11), "high")],
)
def test_rows_of_targets_sum_to_one_for_a_softmax(sums, expected):
    facts = {"min": 0.0, "max": 1.0, "row_sum_min": sums[0], "row_sum_max": sums[1]}
    assert of_targets("softmax", units=3, **facts) == expected


@pytest.mark.parametrize(
    ("facts", "rule", "expected"),
    [
        ({"row_sum_max": 1.5}, "wrong_output", None),
        ({"row_sum_max": 1.51}, "wrong_output", "high"),
        ({"row_sum_min": 0.5}, "label_problem", None),
        ({"row_sum_min": 0.49}, "label_problem", "high"),
    ],
)
def test_rows_of_classes_sum_to_one(facts, rule, expected):
    changes = {TARGET + name: value for name, value in facts.items()}
    changes |= {TARGET + "shape": [3], OUTPUT + "loss": "CategoricalCrossentropy"}
    label = WRONG if rule == "wrong_output" else LABELS
    assert severity(label, record((), **changes), rule) == expected


@pytest.mark.parametrize(
    ("loss", "low", "high", "expected"),
    [
        ("SparseCategoricalCrossentropy", 0.0, 2.0, None),
        ("SparseCategoricalCrossentropy", 0.0, 3.0, "high"),
        ("SparseCategoricalCrossentropy", -1.0, 2.0, "high"),
        ("BinaryCrossentropy", 0.0, 1.0, None),
        ("BinaryCrossentropy", 0.0, 1.1, "high"),
        ("BinaryCrossentropy", -0.1, 1.0, "high"),
    ],
)
def test_labels_have_a_range(loss, low, high, expected):
    changes = {OUTPUT + "loss": loss, TARGET + "min": low, TARGET + "max": high}
    assert severity(LABELS, record((), **changes)) == expected


@pytest.mark.parametrize(
    ("classes", "accuracy", "expected"),
    [(2, 0.5, None), (3, 0.5, "medium"), (20, 0.5, "medium"), (21, 0.5, None)]
    + [(3, 0.59, "medium"), (3, 0.6, None)],
)
def test_a_few_whole_numbers_with_a_low_accuracy_are_classes(
    classes, accuracy, expected
):
    values = {TARGET + "values": [float(i) for i in range(classes)]}
    made = record((0.9,) * 3, logs={"accuracy": (accuracy,) * 3}, **AMOUNTS | values)
    assert severity(WRONG, made, "loss_of_another_task") == expected


@pytest.mark.parametrize(("units", "expected"), [(2, None), (3, "medium")])
def test_two_units_may_be_two_questions(units, expected):
    changes = {"loss": "BinaryCrossentropy", "task": "categorical", "units": units}
    changes = {OUTPUT + name: value for name, value in changes.items()}
    made = record(STUCK, **changes)
    assert severity(WRONG, made, "loss_of_another_task") == expected
