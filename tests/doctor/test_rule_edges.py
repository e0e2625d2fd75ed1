"""The rules where two facts meet: what else has to be true, and what is then told."""

import math

import pytest

from kcomponents.doctor.rules import labels, learning_rate, progress, splits
from kcomponents.doctor.rules.inputs import ALIKE
from kcomponents.doctor.rules.labels import MORE
from kcomponents.doctor.rules.learning_rate import (
    HARDLY_MOVED,
    HUGE_UPDATE,
    LARGE_MOVE,
    MOVED_FAR,
    MOVED_LITTLE,
    RUNAWAY,
    SMALL_STEPS,
)
from kcomponents.doctor.rules.progress import STANDS_STILL
from kcomponents.record import Reading
from tests.doctor.cases import (
    INPUT,
    KERNELS,
    LOST,
    NAN,
    OUTPUT,
    STUCK,
    UNKNOWN,
    finding,
    of_skill,
    record,
    says,
    severity,
)

pytestmark = pytest.mark.any_backend

TARGET = OUTPUT + "target__"
WELL = (0.5, 0.7, 0.9)


def updates(ratio):
    return {"update_ratio": dict.fromkeys(KERNELS, ratio)}


def moved(distance):
    return {"moved": dict.fromkeys(KERNELS, distance)}


# Learning rates

HIGH, LOW = "learning_rate_too_high", "learning_rate_too_low"
FAST = {"optimizer__config__learning_rate": 1.0}


def leaping(
    ratio=2.02 * HUGE_UPDATE, skill=0.85, validation=0.9, first_loss=1.0, rate=1.0
):
    """Return a run that ends well after huge steps."""
    logs = {"loss": (first_loss, 0.5, 0.2)}
    if validation is not None:
        # Only the last epoch counts.
        logs["val_accuracy"] = of_skill(0.5), of_skill(0.5), of_skill(validation)
    rate = {"optimizer__config__learning_rate": rate}
    return record((of_skill(skill),) * 3, updates(ratio), logs, **rate)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Nothing shows the harm.
        ({}, None),
        # The validation data do.
        ({"validation": 0.79}, "high"),
        ({"validation": 0.81}, None),
        ({"skill": 1.0, "validation": 0.84}, "high"),
        ({"skill": 1.0, "validation": 0.86}, None),
        # The start does.
        ({"first_loss": 1.66}, "high"),
        ({"first_loss": 1.63}, None),
        ({"first_loss": 1.66, "validation": None}, "high"),
        ({"validation": None}, None),
        # Of other steps, the harm has another cause.
        ({"validation": 0.79, "ratio": 1.98 * HUGE_UPDATE}, None),
        ({"validation": 0.79, "rate": 0.025}, None),
        ({"validation": 0.79, "rate": {"class_name": "CosineDecay"}}, None),
    ],
)
def test_huge_steps_count_in_a_run_that_ends_well_if_new_data_show_harm(
    changes, expected
):
    assert severity(HIGH, leaping(**changes)) == expected


@pytest.mark.parametrize(
    ("distance", "skill", "expected"),
    [
        (1.01 * LARGE_MOVE, 0.79, "high"),
        (1.01 * LARGE_MOVE, 0.81, None),
        (0.99 * LARGE_MOVE, 0.79, None),
    ],
)
def test_a_large_first_move_counts_where_no_step_was_watched(distance, skill, expected):
    made = leaping(ratio=0.0, skill=skill, validation=None)
    for reading in made.readings:
        del reading.values["update_ratio"]
    made.readings[0].values.update(moved(distance))
    assert severity(HIGH, made) == expected


def test_the_median_kernel_in_the_first_epochs_tells_whether_steps_were_huge():
    huge, small = 3 * HUGE_UPDATE, 0.001
    for ratios, expected in (
        ((small, huge, huge), "high"),
        ((small, small, huge), None),
    ):
        made = leaping(validation=0.5)
        for reading in made.readings:
            reading.values["update_ratio"] = dict(zip(KERNELS, ratios, strict=True))
        assert severity(HIGH, made) == expected
    made = leaping(validation=0.5)
    for reading in made.readings[1:]:
        reading.values["update_ratio"] = dict.fromkeys(KERNELS, small)
    assert severity(HIGH, made) == "high"


@pytest.mark.parametrize(("factor", "told"), [(1.0, False), (1.01, True)])
def test_kernels_of_a_run_with_huge_steps_moved_far_too(factor, told):
    made = leaping(validation=0.5)
    for reading in made.readings:
        reading.values["moved"] = moved(factor * LARGE_MOVE)["moved"]
    assert says("In the first epoch, kernels moved by", HIGH, made) == told


@pytest.mark.parametrize(("factor", "expected"), [(1.0, None), (1.01, "high")])
def test_a_far_move_is_a_second_sign_beside_a_loss_that_rises(factor, expected):
    looks, rising = moved(factor * LARGE_MOVE), {"loss": (1.0, 1.3, 1.6)}
    assert severity(HIGH, record(STUCK, looks, rising, **UNKNOWN)) == expected


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ((2.0, 2.0, 2.01 * RUNAWAY), True),
        ((2.0, 2.0, 2.0 * RUNAWAY), False),
        # A loss without a lower bound runs away to the other side.
        ((2.0, 2.0, -2.01 * RUNAWAY), True),
        ((-2.0, -2.0, -2.01 * RUNAWAY), True),
        ((-2.0, -2.0, -1.99 * RUNAWAY), False),
        # Beside a first loss near 0, any loss is large.
        ((0.001, 0.5, 1.01 * RUNAWAY), True),
        ((0.001, 0.5, 0.99 * RUNAWAY), False),
        # It counts where the run ends, from the second epoch on.
        ((2.0, 9 * RUNAWAY, 2.0), False),
        ((1.0, 1.01 * RUNAWAY), True),
        ((9 * RUNAWAY,), False),
    ],
)
def test_a_loss_runs_away_to_a_multiple_of_the_first(losses, told):
    made = record((0.33,) * len(losses), logs={"loss": losses})
    assert says("The loss ran away from", HIGH, made) == told


def test_a_loss_that_ran_away_is_told_in_numbers_instead_of_as_a_rise():
    made = record(STUCK, logs={"loss": (2.0, 3.0, -500.0)})
    assert says("ran away from 2 to -500.", HIGH, made)
    made = record(STUCK, logs={"loss": (2.0, 3.0, 500.0)})
    assert len(finding(HIGH, made).evidence) == 1


@pytest.mark.parametrize(
    ("losses", "told"), [((1.0, 1.6), True), ((1.0, 2.0, 1.4), False)]
)
def test_a_loss_rises_from_the_first_epoch_to_the_last(losses, told):
    made = record((0.33,) * len(losses), logs={"loss": losses})
    assert says("The loss rose from", HIGH, made) == told


def test_losses_that_are_nan_are_left_out_of_a_rise():
    made = record(STUCK, logs={"loss": (1.0, 1.6, NAN)})
    assert says("The loss rose from 1 to 1.6", HIGH, made)


@pytest.mark.parametrize(
    ("batches", "told"),
    [
        ({}, True),
        ({"batch_loss_min": {"all": NAN}}, True),
        # A batch before had a loss, so the first epoch began well.
        ({"batch_loss_min": {"all": 0.9}}, False),
    ],
)
def test_a_loss_without_a_number_in_the_first_epoch_is_told(batches, told):
    made = record((0.33,), batches, {"loss": (NAN,)})
    assert says("NaN or infinite in the first epoch", HIGH, made) == told


@pytest.mark.parametrize(("rate", "expected"), [({}, "medium"), (FAST, "high")])
def test_a_huge_update_is_less_sure_alone_than_with_a_rate_that_is_not_typical(
    rate, expected
):
    made = record(STUCK, updates(1.01 * HUGE_UPDATE), **rate)
    assert severity(HIGH, made) == expected


def test_update_ratios_that_are_not_known_or_nan_are_no_sign():
    rising = {"loss": (1.0, 1.3, 1.6)}
    for unknown in ({"update_ratio": None}, updates(NAN), updates(math.inf)):
        made = record(STUCK, unknown, rising)
        assert severity(HIGH, made) == "low"
        assert severity(LOW, record(STUCK, unknown)) is None
    some = [updates(NAN), updates(0.3), updates(0.001)]
    assert says("Each step changes kernels by 30% of", HIGH, record(STUCK, some))


@pytest.mark.parametrize(("rate", "expected"), [(5e-5, None), (4.9e-5, "medium")])
def test_the_least_typical_rate_is_not_too_low(rate, expected):
    made = record(STUCK, optimizer__config__learning_rate=rate)
    assert severity(LOW, made) == expected


def test_a_loss_that_stays_the_same_does_not_fall():
    slow = {"optimizer__config__learning_rate": 1e-6}
    made = record(STUCK, logs={"loss": (1.1, 1.1, 1.1)}, **slow)
    assert severity(LOW, made) == "medium"
    assert not says("falls steadily", LOW, made)


TINY = {"update_ratio": dict.fromkeys(KERNELS, 1e-6)}


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (MOVED_FAR, "medium"),
        (1.01 * MOVED_FAR, None),
        # A kernel that starts at 0 moves by infinity.
        (math.inf, "medium"),
    ],
)
def test_a_model_that_moved_far_was_trained_with_small_steps(distance, expected):
    looks = TINY | moved(0.0)
    looks["moved"] = {**looks["moved"], KERNELS[1]: distance}
    assert severity(LOW, record(STUCK, looks)) == expected


def test_steps_that_are_small_are_told_by_what_they_change_together():
    made = record(STUCK, TINY)
    assert says("In 30 steps, kernels changed by at most 0.003% of", LOW, made)
    assert finding(LOW, made).where == "optimizer"


@pytest.mark.parametrize(
    ("losses", "expected"),
    [((1.0, 0.9, 0.76), "medium"), ((1.0, 0.9, 0.74), None), ((1.0,) * 3, "medium")]
    # Of a negative loss, too.
    + [((-1.0, -1.1, -1.24), "medium"), ((-1.0, -1.1, -1.26), None)],
)
def test_small_steps_are_large_enough_for_a_loss_that_falls(losses, expected):
    looks = moved(0.99 * MOVED_LITTLE) | updates(0.99 * SMALL_STEPS)
    made = record(STUCK, looks, {"loss": losses}, **UNKNOWN)
    assert severity(LOW, made) == expected


def test_kernels_that_hardly_moved_count_however_far_the_loss_fell():
    looks, falling = moved(0.99 * HARDLY_MOVED), {"loss": (1.0, 0.5, 0.1)}
    assert severity(LOW, record(STUCK, looks, falling, **UNKNOWN)) == "high"
    looks = moved(HARDLY_MOVED) | updates(0.99 * SMALL_STEPS)
    assert severity(LOW, record(STUCK, looks, **UNKNOWN)) == "medium"


def test_a_kernel_that_starts_at_zero_says_nothing_of_how_far_others_moved():
    looks = {"moved": dict(zip(KERNELS, (math.inf, 0.01, 0.02), strict=True))}
    made = record(STUCK, looks, **UNKNOWN)
    assert says("no kernel moved by more than 0.02 of its size", LOW, made)
    assert severity(LOW, record(STUCK, moved(math.inf), **UNKNOWN)) is None


# Validation data


def without_gap(losses, training):
    logs = {"val_loss": losses, "loss": training}
    return severity("overfitting", record((0.9,) * len(losses), None, logs, **UNKNOWN))


@pytest.mark.parametrize(
    ("losses", "last", "expected"),
    [
        ((0.5, 0.6, 0.7, 0.75), 0.125, None),
        ((0.5, 0.6, 0.7, 0.76), 0.125, "high"),
        ((0.25, 0.6, 0.7, 0.75), 0.25, None),
        ((0.25, 0.6, 0.7, 0.76), 0.25, "high"),
        # A loss of 0 or below has no multiple.
        ((0.25, 0.6, 0.7, 0.76), 0.0, None),
        ((0.25, 0.6, 0.7, 0.76), -0.1, None),
        ((0.0, 0.6, 0.7, 0.76), 0.125, None),
        # The least loss is 2 epochs ago, of 3 at least.
        ((0.6, 0.25, 0.7, 0.76), 0.125, None),
    ],
)
def test_without_a_known_gap_the_last_losses_are_compared(losses, last, expected):
    assert without_gap(losses, (1.0, 0.9, 0.8, last)) == expected


def test_a_loss_that_was_zero_has_not_risen_by_a_factor():
    logs = {"val_loss": (0.0, 0.5, 0.7, 0.9), "val_accuracy": (of_skill(0.55),) * 4}
    assert severity("overfitting", record((of_skill(0.85),) * 4, None, logs)) is None
    logs["val_loss"] = (0.1, 0.5, 0.7, 0.9)
    made = record((of_skill(0.85),) * 4, None, logs)
    assert severity("overfitting", made) == "high"


# Layers


def test_nan_in_an_input_is_told_as_the_cause_of_nan():
    made = record((), **{INPUT + "nonfinite": 3})
    made.structure["data"]["inputs"].insert(0, {"name": "fine", "shape": []})
    found = finding("loss_nan", made)
    assert found.severity == "high" and found.where == "input"
    assert found.evidence == ("The inputs contain NaN or infinity (3 values).",)
    assert severity("loss_nan", record(STUCK)) is None


def test_the_epoch_from_which_on_the_loss_is_nan_is_told():
    made = record(STUCK, logs={"loss": (1.0, NAN, NAN)})
    found = finding("loss_nan", made)
    assert found.evidence == ("The loss is NaN or infinite from epoch 2 on.",)
    assert found.severity == "high" and found.where == ""
    assert severity("loss_nan", record(STUCK, logs={"loss": (1.0, NAN, 1.0)})) is None


def test_the_first_weights_that_are_nan_are_listed():
    norms = {"a": NAN, "b": 1.0, "c": math.inf, "d": NAN, "e": NAN}
    found = finding("loss_nan", record(STUCK, {"weight_norm": norms}))
    assert found.evidence == ("These weights are NaN or infinite: a, c, d.",)


@pytest.mark.parametrize(("share", "expected"), [(0.0, None), (0.01, "high")])
def test_outputs_that_are_nan_are_told_where_weights_are_finite(share, expected):
    made = record(STUCK, {"sample_nonfinite": {"output": share}})
    assert severity("loss_nan", made) == expected
    told = says("The model's outputs are NaN or infinite", "loss_nan", made)
    assert told == (expected is not None)


EXPLODING = "exploding_gradient"
LSTM = {"layers__0__class": "LSTM"}


def steep(largest, median=0.2, accuracies=STUCK, looks=None, **changes):
    looks = {**(looks or {}), "gradient_norm": {"all": median}}
    looks["gradient_norm_max"] = None if largest is None else {"all": largest}
    return record(accuracies, looks, **changes)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (steep(21.0), "medium"),
        # In a recurrent network, gradients grow over time steps.
        (steep(21.0, **LSTM), "high"),
        (steep(19.0, **LSTM), None),
        (steep(19.0, looks=LOST, **LSTM), "high"),
        (steep(19.0, looks=LOST), None),
        (steep(21.0, looks=LOST), "medium"),
        # A model that has learned something is less sure to suffer.
        (steep(1e5, accuracies=(0.5,) * 4), "medium"),
        (steep(21.0, accuracies=(0.5,) * 4, **LSTM), "medium"),
        (steep(1e5, accuracies=WELL), None),
        (steep(1e5, 0.0), None),
        # Beyond a hundred medians, and beyond 10.
        (steep(25.0, 0.25), None),
        (steep(10.0, 0.05), None),
        # Large targets explain large gradients, but no NaN.
        (steep(1e5, looks=LOST, **{TARGET + "mean": 99.0}), "high"),
    ],
)
def test_exploding_gradients_count_more_in_a_recurrent_network(made, expected):
    assert severity(EXPLODING, made) == expected


def test_gradients_that_explode_are_told_with_their_median():
    words = "the gradient norm reached 21 in one step (median: 0.2)"
    assert says(words, EXPLODING, steep(21.0))
    assert says("the gradient norm reached 2e+04 in", EXPLODING, steep(2e4, 500.0))
    # The largest step of an epoch may be missing, or no number.
    words = "over time steps (largest finite gradient norm 0.2)"
    assert says(words, EXPLODING, steep(None, looks=LOST, **LSTM))
    assert says(words, EXPLODING, steep(math.inf, looks=LOST, **LSTM))


def test_epochs_without_a_gradient_do_not_count_for_its_median():
    made = steep(15.0)
    for reading, norm in zip(made.readings, (0.0, 0.0, 0.2), strict=True):
        reading.values["gradient_norm"]["all"] = norm
    assert severity(EXPLODING, made) is None


def test_the_layer_with_most_dead_units_is_told():
    made = record(STUCK, {"dead_units": {"first": 0.6, "second": 0.9}})
    assert finding("dead_relu", made).where == "second"
    assert says("90% of the units in layer second are dead", "dead_relu", made)
    dead = {"dead_units": {"first": 0.9}}
    assert severity("dead_relu", record(WELL, dead)) is None


def test_the_layer_that_is_saturated_most_is_told_by_its_median_epoch():
    shares = {"saturated": {"first": 0.6, "second": 0.9}}
    made = record(STUCK, shares)
    assert finding("saturated_activation", made).where == "second"
    words = "90% of the outputs of layer second are saturated"
    assert says(words, "saturated_activation", made)
    made.readings[-1].values["saturated"] = {"first": 1.0, "second": 0.0}
    assert finding("saturated_activation", made).where == "second"
    assert severity("saturated_activation", record(WELL, shares)) is None


def per_weight(*norms):
    """Return looks where a weight of each kernel has this gradient."""
    sizes = 32, 64, 24
    norms = [n * math.sqrt(size) for n, size in zip(norms, sizes, strict=True)]
    return {"gradient_norm": dict(zip(KERNELS, norms, strict=True))}


VANISHING = "vanishing_gradient"


@pytest.mark.parametrize(
    ("early", "late", "activation", "expected"),
    [
        (0.21, 10, "tanh", None),
        (0.19, 10, "tanh", "medium"),
        (0.021, 10, "tanh", "medium"),
        (0.019, 10, "tanh", "high"),
        (0.019, 10, "relu", "medium"),
        (0.0, 0.0, "tanh", None),
        (0.1, math.inf, "tanh", None),
    ],
)
def test_gradients_vanish_relative_to_those_of_the_last_layer(
    early, late, activation, expected
):
    looks = per_weight(early, 1.0, late)
    made = record(STUCK, looks, layers__0__activation=activation)
    assert severity(VANISHING, made) == expected


def test_gradients_vanish_from_the_last_layers_to_the_first_ones():
    made = record(STUCK, per_weight(0.01, 1.0, 2.0))
    assert finding(VANISHING, made).where == KERNELS[0]
    assert says("gets 1/200 of the gradient of one", VANISHING, made)
    assert says("(0.01 vs 2)", VANISHING, made)
    assert severity(VANISHING, record(STUCK, per_weight(2.0, 1.0, 0.01))) is None
    lost = per_weight(0.01, 1.0, 2.0) | LOST
    assert severity(VANISHING, record(STUCK, lost)) is None
    assert severity(VANISHING, record(WELL, per_weight(0.01, 1.0, 2.0))) is None


@pytest.mark.parametrize(("count", "expected"), [(2, None), (3, "medium")])
def test_gradients_vanish_over_three_kernels_at_least(count, expected):
    norms = per_weight(0.001, 0.5, 1.0)["gradient_norm"]
    known = {path: norms[path] for path in (*KERNELS[: count - 1], KERNELS[-1])}
    made = record(STUCK)
    for reading in made.readings:
        reading.values["gradient_norm"] = known
    assert severity(VANISHING, made) == expected


def test_a_third_of_the_kernels_are_the_first_ones_and_a_third_the_last():
    sizes = (1e-3, 1e-3, 1.0, 1.0, 1.0, 1.0)
    for order, expected in ((sizes, "medium"), ((1.0, *sizes[1:]), None)):
        paths = [f"layer_{n}/kernel" for n in range(6)]
        variables = [
            {"path": p, "shape": [4, 4], "trainable": True, "dtype": "float32"}
            for p in paths
        ]
        norms = {"gradient_norm": dict(zip(paths, order, strict=True))}
        made = record(STUCK, norms, variables=variables)
        assert severity(VANISHING, made) == expected


@pytest.mark.parametrize(
    ("early", "words"),
    [(0.02, "gets 1/50 of the"), (1e-7, "gets 1/10,000,000 of the"), (0.021, None)],
)
def test_a_fiftieth_of_a_gradient_is_little_and_a_ten_millionth_more_than_none(
    early, words
):
    square = {f"variables__{n}__shape": [4, 4] for n in range(3)}
    norms = dict(zip(KERNELS, (4 * early, 4.0, 4.0), strict=True))
    made = record(STUCK, {"gradient_norm": norms}, **square)
    assert (severity(VANISHING, made) == "medium") == (words is not None)
    assert words is None or says(words, VANISHING, made)


def over_time(shape, **changes):
    recurrent = {"layers__0__class": "SimpleRNN", "layers__0__activation": "tanh"}
    return record(STUCK, **{INPUT + "shape": shape}, **recurrent, **changes)


def test_the_time_steps_of_the_longest_input_are_told():
    made = over_time([12, 4])
    made.structure["data"]["inputs"].append({"name": "scalar", "shape": []})
    made.structure["data"]["inputs"].append({"name": "short", "shape": [5, 4]})
    assert finding(VANISHING, made).where == "first"
    words = "in layer first they pass back through 12 time steps, and tanh"
    assert says(words, VANISHING, made)
    assert severity(VANISHING, over_time([])) is None
    assert severity(VANISHING, record(STUCK, **{INPUT + "shape": [99, 4]})) is None


# Layers without an activation

MISSING = "missing_activation"


def chain(*layers, accuracies=(0.5,) * 4, **changes):
    """Return a run of a chain of layers: pairs of class and activation."""
    facts = {"trainable": True, "parameters": 9, "units": 8}
    rows = [
        {"path": f"{kind}_{number}", "class": kind, "activation": activation, **facts}
        for number, (kind, activation) in enumerate(layers)
    ]
    return record(accuracies, layers=rows, **changes)


DENSE, LAST = ("Dense", "linear"), ("Dense", "softmax")


@pytest.mark.parametrize(
    ("layers", "where"),
    [
        ((DENSE, LAST), "Dense_0"),
        ((("Conv2D", "linear"), LAST), "Conv2D_0"),
        ((DENSE,), None),
        # These layers keep a linear map linear.
        ((DENSE, ("Dropout", None), ("Flatten", None), LAST), "Dense_0"),
        # This one may hold an activation.
        ((DENSE, ("Lambda", None), LAST), None),
        ((DENSE, ("ReLU", "relu"), LAST), None),
        # The first of several is told.
        ((("Dense", "relu"), DENSE, DENSE, LAST), "Dense_1"),
        ((("Dense", "relu"), LAST), None),
    ],
)
def test_two_layers_with_weights_need_an_activation_between_them(layers, where):
    found = finding(MISSING, chain(*layers))
    assert (found and found.where) == where


@pytest.mark.parametrize(
    ("sources", "where"),
    [
        # One after the other.
        ([[], ["Dense_0"], ["Dense_1", "Dropout_2"]], "Dense_0"),
        # Two branches, which a layer that is not linear joins.
        ([[], [], []], None),
        ([[], [], ["Dense_0", "Dropout_2"]], "Dense_0"),
        # Something that is not in the list of layers.
        ([[], ["a block/inside"], []], None),
    ],
)
def test_a_layer_is_followed_by_those_that_got_its_output(sources, where):
    made = chain(DENSE, DENSE, ("Dropout", None), LAST, model__class="Functional")
    # Without a look at the data, nothing is known of branches.
    assert severity(MISSING, made) is None
    paths = "Dense_0", "Dense_1", "Dense_3"
    made.structure["data"]["layers"] = {
        path: {"after": after} for path, after in zip(paths, sources, strict=True)
    }
    found = finding(MISSING, made)
    assert (found and found.where) == where


def test_an_output_needs_no_activation():
    heads = ("Dense", "relu"), DENSE, DENSE
    assert finding(MISSING, chain(*heads)).where == "Dense_1"
    assert severity(MISSING, chain(*heads, **{OUTPUT + "name": "Dense_1"})) is None


def test_a_missing_activation_counts_where_training_suffers():
    assert severity(MISSING, chain(DENSE, LAST)) == "high"
    assert severity(MISSING, chain(DENSE, LAST, accuracies=WELL)) is None


# Inputs

SCALE, ALL_ALIKE = "unnormalized_input", "constant_input"


def of_input(**facts):
    return record(STUCK, **{INPUT + name: value for name, value in facts.items()})


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"std": 90.0, "max": 255.0}, "Inputs range from -3 to 255, and no layer"),
        (
            {"mean": 1e-3, "std": 1e-3, "min": -0.002, "max": 0.004}
            | {"column_mean": [], "column_std": []},
            "Inputs are tiny: they range from -0.002 to 0.004.",
        ),
        (
            {"std": 9.0, "column_std": [0.002, 9.0, 3.0, 0.0]},
            "Input columns differ in scale by a factor of 4,500.",
        ),
        ({"min": 0.25, "max": 0.25, "std": 0.0}, "have the same value, 0.25."),
    ],
)
def test_the_scale_of_inputs_is_told_in_numbers(facts, words):
    assert says(words, SCALE, of_input(**facts))


@pytest.mark.parametrize(("rows", "told"), [(1, False), (2, True)])
def test_inputs_are_constant_from_two_samples_on(rows, told):
    made = of_input(min=0.25, max=0.25, std=0.0, mean=0.25, rows=rows)
    assert says("All inputs have the same value", SCALE, made) == told


@pytest.mark.parametrize(
    ("means", "stds", "expected"),
    [
        # The column that varies most tells.
        ([2.0, 2.0], [0.0, 1.1 * 2.0 * ALIKE], None),
        ([2.0, 2.0], [0.0, 0.9 * 2.0 * ALIKE], "high"),
        # A column around 0 varies by far more than its mean.
        ([2.0, 0.0], [0.0, 0.01], None),
        # A column of zeros says nothing.
        ([2.0, 0.0], [0.01, 0.0], "high"),
        ([2.0, 3.0], [0.0, 0.0], "high"),
    ],
)
def test_inputs_hardly_differ_if_no_column_does(means, stds, expected):
    made = of_input(column_mean=means, column_std=stds)
    assert severity(ALL_ALIKE, made) == expected


@pytest.mark.parametrize(
    ("spreads", "frozen", "where"),
    [
        # Behind a frozen base, the next layer that may be trained is looked at.
        ({"first": 1.0, "second": 0.0}, True, "the inputs of second"),
        # The first layer is no frozen base here.
        ({"first": 1.0, "inner": 0.0}, False, None),
    ],
)
def test_a_layer_that_does_not_say_whether_it_is_trainable_is(spreads, frozen, where):
    met = {p: {"mean": 3.0, "std": 4.0, "spread": s} for p, s in spreads.items()}
    made = record(STUCK, data__layers=met)
    for layer in made.structure["layers"]:
        del layer["trainable"]
    if frozen:
        made.structure["layers"][0]["trainable"] = False
    found = finding(ALL_ALIKE, made)
    assert (found and found.where) == where


def test_inputs_of_zeros_have_no_size_to_differ_by():
    met = {"mean": 0.0, "std": 0.0, "spread": 0.0}
    assert severity(ALL_ALIKE, record(STUCK, data__layers={"first": met})) is None


COLLAPSED = [
    {"sample_spread": {"output": spread}, "sample_size": {"output": 1.0}}
    for spread in (0.5, 0.1, 0.001)
]


@pytest.mark.parametrize(("scored", "enough"), [(7, False), (8, True), (None, True)])
def test_samples_are_compared_from_eight_on(scored, enough):
    scored = {} if scored is None else {"data__scored": scored}
    alike = {INPUT + "column_mean": [2.0] * 4, INPUT + "column_std": [0.01] * 4}
    assert (severity(ALL_ALIKE, record(STUCK, **alike, **scored)) == "high") == enough
    met = {"first": {"spread": 1.0}, "second": {"spread": 0}}
    made = record(STUCK, data__layers=met, **scored)
    assert (severity("bad_initialization", made) == "high") == enough
    made = record(STUCK, COLLAPSED, **UNKNOWN, **scored)
    assert (severity("collapsed_output", made) == "medium") == enough


# Labels

LABELS, EMPTY = "label_problem", "uninformative_labels"


def unrelated(skill=0.2, validation=(0.05, 0.05), training=None, **changes):
    """Return a run whose labels simple models cannot predict, with these skills."""
    logs = {"val_accuracy": [of_skill(v) for v in validation]}
    if training is not None:
        logs["accuracy"] = [of_skill(training)] * len(validation)
    simple = {OUTPUT + "reachable": {"linear": 0.0, "best": 0.0, "signal": 0.0}}
    accuracies = (of_skill(skill),) * len(validation)
    return record(accuracies, None, logs, **simple, **changes)


AVERAGES = {"layers__1__class": "BatchNormalization"}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (unrelated(), "medium"),
        (unrelated(validation=(0.0, 0.09)), "medium"),
        (unrelated(validation=(0.11, 0.0)), None),
        (unrelated(validation=(0.0,)), None),
        (unrelated(validation=(0.0,) * 2, data__sampled=79), None),
        # Of what is learned in training mode, a half is no little skill.
        (unrelated(training=0.49, **AVERAGES), "medium"),
        (unrelated(training=0.51, **AVERAGES), None),
    ],
)
def test_a_little_skill_that_never_shows_on_validation_data_is_in_vain(made, expected):
    assert severity(EMPTY, made) == expected


def test_what_is_learned_in_vain_is_told_in_numbers():
    made = unrelated(0.2, (0.05, -0.1))
    assert says("The model got 20% of the way", EMPTY, made)
    assert says("at most 5% on the validation data", EMPTY, made)
    assert says("at most 0% on", EMPTY, unrelated(0.2, (-0.1, -0.2)))
    assert finding(EMPTY, made).where == "output"
    words = "neither the model nor linear models nor nearest neighbors do better"
    assert says(words, LABELS, unrelated(0.0), EMPTY)


def test_what_is_learned_by_heart_in_the_training_data_is_told():
    simple = {"linear": 0.0, "best": 0.0, "signal": 0.0}
    changes = {OUTPUT + "reachable": simple, "fit__steps": 99}
    logs = {"accuracy": (1 / 3, 0.6, 0.9), "loss": (1.2, 0.5, 0.2)}
    made = record((0.35, 0.6, of_skill(0.85)), None, logs, **changes)
    assert says("It got 85% of the way to zero error on samples", EMPTY, made)
    assert finding(EMPTY, made).where == "output"


@pytest.mark.parametrize(("factor", "expected"), [(1.0, "high"), (1.01, None)])
def test_by_heart_means_at_most_a_share_of_the_skill_on_validation_data(
    factor, expected
):
    looks = {"sample_accuracy": None, "sample_loss": {"output": 0.5}}
    # In skill, 0 is a loss of 1.
    logs = {"val_loss": (1.0 - factor * 0.5 * labels.NEVER,) * 3}
    made = record((0.5,) * 3, looks, logs, **{OUTPUT + "baseline_loss": 1.0})
    assert severity(EMPTY, made) == expected


def paired(losses=(1.0, 1.0, 1.0), loss=1.0, permuted=1.0001, looks=None, **changes):
    """Return a run whose loss does not depend on which targets have which inputs."""
    pairs = {"data__pairing": {"training": [loss, permuted]}}
    logs, changes = {"loss": losses}, {**UNKNOWN, **pairs, **changes}
    return record((0.33,) * len(losses), looks, logs, **changes)


GUESSED = {OUTPUT + "task": "sparse", OUTPUT + "guessed": True}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (paired((1.0, 0.8, 0.51)), "medium"),
        # The pairs may be a small part of a loss that falls by more than half.
        (paired((1.0, 0.8, 0.49)), None),
        (paired((-1.0, -1.2, -1.49)), "medium"),
        (paired((-1.0, -1.2, -1.51)), None),
        (paired((1.0,)), "medium"),
        # Losses that are not numbers do not fall.
        (paired((1.0, math.inf, 0.9)), "medium"),
        # A task that data suggest is sure if all predictions are the same.
        (paired((1.0, 0.8, 0.49), **GUESSED), None),
        (
            paired(
                (1.0, 0.8, 0.49), looks={"sample_spread": {"output": 0.0}}, **GUESSED
            ),
            "medium",
        ),
    ],
)
def test_a_loss_that_falls_by_half_may_hide_what_pairs_add_to_it(made, expected):
    assert severity(EMPTY, made) == expected


def test_a_loss_much_worse_for_permuted_targets_was_learned_by_heart():
    pairs = {"validation": [1.0, 1.0001]}
    for permuted, by_heart in ((2.2, False), (2.4, True)):
        pairs["training"] = [2.0, permuted]
        made = paired(data__pairing=pairs)
        assert says("it learned them by heart", EMPTY, made) == by_heart


@pytest.mark.parametrize(
    ("validation", "worse"), [(0.45 + MORE + 0.01, True), (0.45 + MORE - 0.01, False)]
)
def test_labels_are_told_to_be_worse_than_those_of_the_validation_data(
    validation, worse
):
    simple = {"linear": 0.5, "best": 0.5, "surest": 0.1}
    logs = {"val_accuracy": (1 / 3, 1 / 3, of_skill(validation))}
    made = record((of_skill(0.45),) * 3, None, logs, **{OUTPUT + "reachable": simple})
    words = f"The model got {validation:.0%} of the way to zero error on the validation"
    assert says(words, LABELS, made, "wrong_labels") == worse
    assert says("of, they get only 10%", LABELS, made, "wrong_labels")
    assert finding(LABELS, made, "wrong_labels").where == "output"


def test_labels_are_not_called_wrong_before_training_or_after_nan():
    simple = {OUTPUT + "reachable": {"linear": 0.5, "best": 0.5, "surest": 0.1}}
    learned = (of_skill(0.45),) * 3
    assert severity(LABELS, record(learned, **simple), "wrong_labels") == "low"
    assert severity(LABELS, record((), **simple), "wrong_labels") is None
    assert severity(LABELS, record(learned, LOST, **simple), "wrong_labels") is None


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_class_weights_count_relative_to_each_other(scale):
    changes = {"class_weights": [0.02 * scale, 1.98 * scale]}
    changes |= {"target__values": [0.0, 1.0], "target__counts": [150, 150]}
    changes = {OUTPUT + name: value for name, value in changes.items()}
    made = record(STUCK, {"sample_recall": {"output": [0.5, 0.9]}}, **changes)
    assert says("makes up 1.0% of the loss", "class_imbalance", made)


@pytest.mark.parametrize(("recall", "expected"), [(0.3, None), (0.29, "high")])
def test_padding_hides_a_class_that_is_recognized_in_less_than_three_of_ten(
    recall, expected
):
    looks = {"sample_recall": {"output": [0.9, recall]}}
    made = record(WELL, looks, **{OUTPUT + "padding": 0.6})
    assert severity("mask_missing", made) == expected


def test_padding_is_not_judged_before_training():
    made = record(WELL, {"sample_recall": {"output": [0.9, 0.0]}})
    made.structure["data"]["outputs"][0]["padding"] = 0.6
    assert severity("mask_missing", made) == "high"
    recalls = {"sample_recall": made.readings[0].values["sample_recall"]}
    made.readings[:] = [Reading(0, 0, recalls)]
    assert severity("mask_missing", made) is None


def test_swapped_targets_are_told_in_numbers():
    found = {"outputs": ["near", "far"], "own": -0.1, "other": 0.4}
    made = record(STUCK, data__swapped=found)
    rule = "swapped_targets"
    assert says("targets of 'near' and 'far' seem to be swapped", LABELS, made, rule)
    assert says("at least 40% of the way", LABELS, made, rule)
    assert says("and 0% on its own", LABELS, made, rule)
    assert finding(LABELS, made, rule).where == "near"


@pytest.mark.parametrize(
    ("units", "words"), [(1, "1 unit allows labels 0 to 0"), (3, "3 units allows")]
)
def test_the_labels_that_an_output_allows_are_told(units, words):
    made = record((), **{TARGET + "max": 3.0, OUTPUT + "units": units})
    assert says(words, LABELS, made)


# Validation and training samples

SPLIT = "data_split_problem"


@pytest.mark.parametrize(
    ("distinct", "share", "expected"),
    [
        # Where a tenth of the samples repeat, new ones do so as well.
        (270, 0.31, None),
        (270, 0.33, "high"),
        (240, 0.43, None),
        (240, 0.45, "high"),
    ],
)
def test_samples_leak_beyond_what_repeats_in_the_training_data(
    distinct, share, expected
):
    other = {"rows": 90, "inputs": [], "outputs": [], "in_training": share}
    changes = {INPUT + "distinct": distinct, "data__validation": other}
    assert severity(SPLIT, record(WELL, **changes)) == expected


def test_columns_are_searched_in_every_output():
    made = record(WELL, **{OUTPUT + "telling_columns": [[1]]})
    outputs = made.structure["data"]["outputs"]
    outputs.insert(0, {**outputs[0], "telling_columns": None, "name": "other"})
    assert severity(SPLIT, made, "telling_columns") == "high"


# Initial weights


def test_weights_of_the_model_itself_belong_to_no_layer():
    made = record(STUCK)
    made.structure["variables"][0]["path"] = "mixing"
    facts = made.structure["initial"].pop(KERNELS[0])
    made.structure["initial"]["mixing"] = {**facts, "units_equal": True}
    assert finding("bad_initialization", made).where == "mixing"


def test_factors_of_a_product_belong_to_one_layer_and_not_to_one_block():
    path = "block/second/kernel"
    for beside, expected in (("block/second/factor", None), ("block/b/kernel", "high")):
        made = record(STUCK)
        made.structure["variables"][0]["path"] = path
        made.structure["variables"][1]["path"] = beside
        zero, other, last = made.structure["initial"].values()
        zero |= {"units_equal": True, "mean": 0.0, "std": 0.0}
        known = {path: zero, beside: other, KERNELS[2]: last}
        made.structure["initial"] = known
        assert severity("bad_initialization", made) == expected


@pytest.mark.parametrize(("std", "expected"), [(1.25, None), (1.2501, "high")])
def test_sixteen_inputs_may_make_an_output_five_times_as_large(std, expected):
    changes = {"initial__second/kernel__fan_in": 16, "initial__second/kernel__std": std}
    assert severity("bad_initialization", record(STUCK, **changes)) == expected


def test_the_bound_of_a_model_without_known_kernels_is_that_of_one_weight():
    optimizer = {"class": "Adam", "config": {"epsilon": 1e-7}}
    for bound, expected in ((0.9e-6, "high"), (1.1e-6, None)):
        clip = {"clip": {"clipnorm": bound}}
        made = record(STUCK, variables=[], optimizer=optimizer | clip)
        assert severity("wrong_optimizer_setting", made) == expected


# Outputs

WRONG = "wrong_loss_or_output_activation"


@pytest.mark.parametrize(
    ("shape", "loss", "expected"),
    [
        ([], "CategoricalCrossentropy", "high"),
        ([1], "CategoricalCrossentropy", "high"),
        ([1], "MeanSquaredError", "high"),
        ([3], "CategoricalCrossentropy", None),
        ([], "SparseCategoricalCrossentropy", None),
    ],
)
def test_one_integer_is_not_compared_with_several_units(shape, loss, expected):
    changes = {OUTPUT + "loss": loss, TARGET + "shape": shape}
    assert severity(WRONG, record((), **changes), "wrong_output") == expected


@pytest.mark.parametrize(
    ("activation", "facts", "expected"),
    [
        # Targets whose sums are not known may sum to 1.
        ("softmax", {"min": 0.0, "max": 1.0}, None),
        ("softmax", {"min": 0.0, "max": 1.0, "row_sum_min": 0.5}, "high"),
        # Two deviations around the mean end where the activation does.
        ("sigmoid", {"min": -3.0, "max": 3.0, "mean": 0.5, "std": 0.25}, None),
        ("sigmoid", {"min": -3.0, "max": 3.0, "mean": 0.51, "std": 0.25}, "high"),
    ],
)
def test_amounts_are_within_what_the_activation_gives(activation, facts, expected):
    changes = {"task": "regression", "loss": "MeanSquaredError", "shape": [3]}
    changes |= {"activation": activation, "target__shape": [3]}
    changes |= {f"target__{name}": value for name, value in facts.items()}
    changes |= {"target__integer": False, "target__values": None}
    changes = {OUTPUT + name: value for name, value in changes.items()}
    assert severity(WRONG, record((), **changes), "wrong_output") == expected


# Progress

OVER = "over_regularized"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({}, "high"),
        ({"class": "Sequential"}, "high"),
        ({"class": "Functional"}, "high"),
        # Its layers may be called in another order.
        ({"class": "Mine"}, None),
    ],
)
def test_dropout_is_the_last_layer_only_of_a_model_whose_order_is_known(
    model, expected
):
    last = {"layers__2__class": "Dropout", "layers__2__rate": 0.1}
    assert severity(OVER, record((0.5,) * 4, model=model, **last)) == expected


def test_the_share_of_regularization_is_that_of_the_last_loss():
    rule = {"class": "L2", "config": {"l2": 0.001}}
    losses, looks = {"loss": (9.0, 9.0, 9.0, 1.0)}, {"sample_loss": {"output": 0.5}}
    made = record((0.5,) * 4, looks, losses, layers__1__kernel_regularizer=rule)
    assert says("Regularization makes up 50% of the loss", OVER, made)


def test_the_share_of_regularization_is_known_beside_one_loss_and_a_regularizer():
    strong = {"class": "L2", "config": {"l2": 0.001}}
    none = {"class": "L2", "config": {"l2": 0.0}}
    one, two = {"output": 0.5}, {"output": 0.5, "other": 0.5}
    for rule, loss, last, expected in (
        (strong, one, 1.0, "high"),
        (none, one, 1.0, None),
        (strong, two, 1.0, None),
        (strong, one, 0.0, None),
    ):
        losses, looks = {"loss": (1.0, 1.0, 1.0, last)}, {"sample_loss": loss}
        made = record((0.5,) * 4, looks, losses, layers__1__kernel_regularizer=rule)
        assert severity(OVER, made) == expected


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        # In an epoch without a change, the loss does not turn.
        ((1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 1.0), None),
        ((1.0, 2.0, 2.0, 1.0, 2.0, 1.0, 2.0, 2.0, 1.0), "medium"),
        ((1.0, 2.0, 1.0, 2.0, 1.0, NAN), None),
        # It changes by 3 of 20, by 2 of 25, and by less.
        ((21.5, 18.5, 21.5, *(18.5, 21.5) * 3), "low"),
        ((26.0, 24.0, 26.0, *(24.0, 26.0) * 3), "low"),
        ((25.9, 24.1, 25.9, *(24.1, 25.9) * 3), None),
        # A loss around 0 has no size to compare its moves with.
        ((1.0, -1.0) * 4, "medium"),
    ],
)
def test_a_loss_zigzags_by_its_turns(losses, expected):
    made = record((0.33,) * len(losses), logs={"loss": losses})
    assert severity("oscillating_loss", made) == expected


def test_a_zigzag_is_told_in_numbers():
    made = record((0.33,) * 9, logs={"loss": (9.0, 9.0, 9.0, *(1.0, 2.0) * 3)})
    words = "it changes by 67% per epoch and reversed direction in 4 of 4 epochs"
    assert says(words, "oscillating_loss", made)
    made = record(WELL * 3, logs={"loss": (1.0, 2.0, 1.0) * 3})
    assert severity("oscillating_loss", made) is None


@pytest.mark.parametrize(
    ("epochs", "steps", "expected"),
    [(2, 99.0, None), (3, 10.0, "medium"), (3, 9.0, None)],
)
def test_a_loss_stands_still_over_three_epochs_and_thirty_steps(
    epochs, steps, expected
):
    losses = {"loss": (1.0,) * epochs}
    looks = {"steps": {"all": steps}}
    made = record((0.33,) * epochs, looks, losses, **UNKNOWN, fit__steps=None)
    for number, reading in enumerate(made.readings):
        made.readings[number] = Reading(reading.epoch, 1, reading.values)
    assert severity("not_learning", made, "constant_loss") == expected


def test_a_loss_that_was_never_computed_does_not_stand_still():
    for losses, expected in (((0.0,) * 3, None), ((1e-9,) * 3, "medium")):
        made = record(STUCK, logs={"loss": losses}, **UNKNOWN)
        assert severity("not_learning", made, "constant_loss") == expected
    # It stands still relative to its size.
    small = (0.01, 0.01 + 1.1 * STANDS_STILL, 0.01)
    made = record(STUCK, logs={"loss": small}, **UNKNOWN)
    assert severity("not_learning", made, "constant_loss") is None


def test_a_narrow_layer_counts_even_while_the_model_improves():
    improving = (0.34, 0.38, 0.43)
    assert severity("underfitting", record(improving)) is None
    made = record(improving, layers__1__units=2)
    assert severity("underfitting", made) == "medium"


def test_a_convolution_is_as_narrow_as_its_filters():
    made = record((0.5,) * 4, layers__1__units=None, layers__1__filters=2)
    assert says("Layer second has only 2 units", "underfitting", made)
    # The last layer is as wide as the targets.
    assert severity("underfitting", record((0.5,) * 4, layers__2__units=1)) == "low"


def test_the_steps_of_a_run_that_improves_do_not_count():
    made = record((0.34, 0.38, 0.43), {"steps": {"all": 200.0}})
    assert says("after 600 steps while still improving", "slow_learning", made)
    made = record(STUCK, {"steps": {"all": 90.0}})
    assert says("Training stopped after 270 steps (", "slow_learning", made)


def test_thresholds_that_tests_import_are_near_these():
    near = {
        (learning_rate, "LARGE_MOVE"): 5.0,
        (learning_rate, "MOVED_FAR"): 0.5,
        (learning_rate, "RUNAWAY"): 100.0,
        (progress, "LARGE_NOISE"): 1.5,
        (labels, "SURE"): 0.6,
        (labels, "MORE"): 0.2,
        (labels, "SWAPPED"): 0.3,
        (labels, "NEVER"): 0.25,
        (labels, "HARDLY"): 0.5,
        (labels, "LITTLE"): 0.5,
        (labels, "AT_FIRST"): 0.05,
        (labels, "STEPS_AT_FIRST"): 30,
        (splits, "GAP_OF_SCALES"): 0.3,
        (splits, "RATIO_WITH_GAP"): 4,
    }
    for (module, name), value in near.items():
        assert math.isclose(getattr(module, name), value, rel_tol=0.2), name
