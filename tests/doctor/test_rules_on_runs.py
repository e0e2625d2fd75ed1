"""Rules on weights, rates and progress: each branch, and both sides of each number."""

import math

import pytest

from kcomponents.doctor import examine
from kcomponents.doctor._case import Case
from kcomponents.doctor.rules import learning_rate, progress
from kcomponents.doctor.rules.weights import FAIR
from kcomponents.record import Reading
from tests.doctor.cases import (
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
    two_outputs,
)

pytestmark = pytest.mark.any_backend

WELL = (0.5, 0.7, 0.9)
SIMPLE = {OUTPUT + "reachable": {"linear": 0.4, "best": 0.4}}


# Initial weights

START = "bad_initialization"


@pytest.mark.parametrize(
    ("path", "facts", "found"),
    [
        ("second", {"spread": 0}, True),
        ("second", {"spread": 0.1}, False),
        ("second", {"spread": 0, "input_dim": 9}, False),
        ("second", {}, False),
        # To the first layer, equal inputs look the same: another rule tells this.
        (None, None, False),
    ],
)
def test_samples_look_different_to_all_layers_before_training(path, facts, found):
    met = {"first": {"spread": 0}} | ({path: facts} if path else {})
    for accuracies, expected in ((STUCK, "high"), (WELL, "medium")):
        made = record(accuracies, data__layers=met)
        assert severity(START, made) == (expected if found else None)
    if found:
        assert finding(START, made).where == "second"
        assert says("look the same to layer second", START, made)


def equal(*paths, std=0.4, mean=0.0):
    changes = {}
    for path in paths:
        changes[f"initial__{path}__units_equal"] = True
        changes |= {f"initial__{path}__std": std, f"initial__{path}__mean": mean}
    return changes


def test_equal_units_count_where_training_may_suffer():
    assert severity(START, record(STUCK, **equal(KERNELS[1]))) == "high"
    assert severity(START, record(WELL, **equal(KERNELS[1]))) is None
    made = record(WELL, **equal(KERNELS[1]), **UNKNOWN)
    assert severity(START, made) == "high"
    assert finding(START, made).where == KERNELS[1]
    assert says(f"All units of {KERNELS[1]} start with the same", START, made)


def test_a_kernel_whose_start_is_not_known_is_let_pass():
    made = record(STUCK, **equal(KERNELS[1]))
    made.structure["initial"].pop(KERNELS[1])
    assert severity(START, made) is None


def with_factors(second, first="second/lora_kernel_a", **facts):
    """Return a run where a layer has two kernels more, the second with these facts."""
    made = record(STUCK)
    plain = {"mean": 0.0, "std": 0.4, "fan_in": 4, "units_equal": False}
    new = {first: plain, second: {**plain, "units_equal": True, **facts}}
    made.structure["initial"].update(new)
    made.structure["variables"][1:1] = [
        {"path": path, "shape": [4, 4], "trainable": True, "dtype": "float32"}
        for path in new
    ]
    return made


@pytest.mark.parametrize(
    ("path", "facts", "expected"),
    [
        # One factor of a product may start at 0 where the other does not.
        ("second/factor", {"std": 0.0}, None),
        ("second/factor", {"std": 0.0, "mean": 0.3}, "high"),
        ("second/factor", {"std": 0.3}, "high"),
        ("alone/factor", {"std": 0.0}, "high"),
        # These add to a product.
        ("second/bias", {}, None),
        ("second/beta", {}, None),
        ("second/lora_kernel_b", {}, None),
        ("bias/kernel", {}, "high"),
    ],
)
def test_what_adds_to_a_product_may_start_equal(path, facts, expected):
    assert severity(START, with_factors(path, **facts)) == expected


def test_all_factors_of_a_product_may_not_start_at_zero():
    made = with_factors("second/factor", std=0.0)
    for path in ("second/kernel", "second/lora_kernel_a"):
        made.structure["initial"][path]["std"] = 0.0
    assert severity(START, made) == "high"


def test_the_first_kernel_with_faulty_weights_is_told():
    changes = {f"initial__{path}__std": 9.0 for path in KERNELS[1:]}
    made = record(STUCK, **changes)
    assert finding(START, made).where == KERNELS[1]
    assert says(
        "second/kernel are too large: mean 0, standard deviation 9", START, made
    )
    assert says("for 8 inputs, they should be near 0 and 0.354", START, made)
    assert says(
        "are too small", START, record(STUCK, **{f"initial__{KERNELS[0]}__std": 1e-6})
    )
    mean = {f"initial__{KERNELS[0]}__mean": 1.5}
    assert says("mostly have the same sign", START, record(STUCK, **mean))
    assert severity(START, record(WELL, **changes)) is None


# Frozen weights, and weights without a gradient

FROZEN, STILL = "frozen_layers", "no_gradient"


def test_a_model_without_trainable_weights_is_frozen_however_well_it_does():
    frozen = {f"variables__{n}__trainable": False for n in range(3)}
    made = record(WELL, **frozen)
    assert severity(FROZEN, made) == "high"
    assert says("None of the model's weights is trainable", FROZEN, made)
    frozen.popitem()
    assert severity(FROZEN, record(WELL, **frozen)) is None
    assert severity(FROZEN, record(STUCK, variables=[])) is None


@pytest.mark.parametrize(
    ("accuracies", "moved", "expected"),
    [
        (STUCK, {}, "medium"),
        (STUCK, {"second/kernel": 0.0}, "medium"),
        (STUCK, {"second/kernel": 0.1}, None),
        (STUCK, {"second_too/kernel": 0.1}, "medium"),
        (WELL, {}, None),
    ],
)
def test_a_frozen_layer_counts_if_it_was_never_trained(accuracies, moved, expected):
    made = record(accuracies, {"moved": moved}, untrained_frozen=["second"])
    assert severity(FROZEN, made) == expected
    if expected:
        assert finding(FROZEN, made).where == "second"
        assert says("Layer second is frozen in the state", FROZEN, made)


def gradients(*norms):
    return {"gradient_norm": dict(zip(KERNELS, norms, strict=True))}


def unmeasured(*distances):
    """Return looks of a run that moved by this, where no gradient was measured."""
    moved = dict(zip(KERNELS, distances, strict=True))
    return {"gradient_norm": {}, "moved": moved}


BESIDE = {"variables__1__path": "first/other"}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (record(WELL, gradients(0.0, 0.0, 0.0)), "high"),
        (record(WELL, unmeasured(0.0, 0.0, 0.0)), "high"),
        (record((), gradients(0.0, 0.0, 0.0)), None),
        (record(WELL, gradients(0.0, 0.0, 0.0) | LOST), None),
        (record(WELL, gradients(0.0, 0.0, 0.0), variables=[]), None),
        # A gradient that was measured says more than what moved.
        (record(STUCK, {"moved": dict.fromkeys(KERNELS, 0.0)}), None),
        (record(STUCK, unmeasured(0.1, 0.1, 0.1)), None),
        (record(STUCK, gradients(0.1, 0.0, 0.1)), "medium"),
        (record(STUCK, unmeasured(0.1, 0.0, 0.1)), "medium"),
        (record(WELL, gradients(0.1, 0.0, 0.1)), None),
        # Where nothing is judged, only a part that is lost as a whole counts.
        (record(WELL, gradients(0.1, 0.0, 0.1), **UNKNOWN), "medium"),
    ],
)
def test_weights_get_a_gradient_or_move(made, expected):
    assert severity(STILL, made) == expected


@pytest.mark.parametrize(
    ("accuracies", "task", "expected"),
    [(STUCK, "sparse", "medium"), (WELL, "sparse", None), (STUCK, "unknown", None)],
)
def test_a_part_counts_as_lost_if_none_of_its_weights_gets_a_gradient(
    accuracies, task, expected
):
    looks = {"gradient_norm": {KERNELS[0]: 0.0, "first/other": 0.1}}
    made = record(accuracies, looks, **BESIDE, **{OUTPUT + "task": task})
    assert severity(STILL, made) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.99, "high"), (0.991, None)])
def test_dead_units_explain_a_missing_gradient(share, expected):
    looks = gradients(0.0, 0.0, 0.0) | {"dead_units": {"second": share}}
    assert severity(STILL, record(STUCK, looks)) == expected
    looks["dead_units"] = None
    assert severity(STILL, record(STUCK, looks)) == "high"


@pytest.mark.parametrize(("moved", "expected"), [(None, None), (0.0, "high")])
def test_without_a_step_only_what_stands_still_counts(moved, expected):
    looks = gradients(0.0, 0.0, 0.0) | {"steps": {"all": 0.0}}
    if moved is not None:
        looks["moved"] = dict.fromkeys(KERNELS, moved)
    made = record(STUCK, looks)
    for number, reading in enumerate(made.readings):
        made.readings[number] = Reading(reading.epoch, 0, reading.values)
    assert severity(STILL, made) == expected


def test_a_training_that_ended_without_gradients_is_told():
    made = record((), ended={"class": "ValueError", "reason": "No gradients provided."})
    assert severity(STILL, made) == "high" and says("ended the training", STILL, made)
    made = record((), ended={"class": "ValueError", "reason": "No data provided."})
    assert severity(STILL, made) is None


def test_how_many_weights_get_no_gradient_is_told():
    made = record(STUCK, gradients(0.1, 0.0, 0.0))
    assert says("2 of 3 kernels get no gradient although", STILL, made)
    assert says("such as second/kernel", STILL, made)
    assert finding(STILL, made).where == KERNELS[1]
    made = record(STUCK, unmeasured(0.1, 0.1, 0.0))
    assert says("1 of 3 kernels never move although", STILL, made)
    made = record(STUCK, gradients(0.0, 0.0, 0.0))
    assert says("All trainable weights get no gradient: the", STILL, made)
    made = record(STUCK, unmeasured(0.0, 0.0, 0.0))
    assert says("No trainable weight has moved since", STILL, made)


HALF = {"variables__1__dtype": "float16"}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (record((of_skill(0.91),) * 3, **HALF), None),
        (record((of_skill(0.89),) * 3, **HALF), "high"),
        # Simple models do better.
        (
            record(
                (of_skill(0.93),) * 3,
                **HALF,
                **{OUTPUT + "reachable": {"linear": 0.9, "best": 0.95}},
            ),
            "high",
        ),
        (record((of_skill(0.95),) * 3, LOST, **HALF), "high"),
        (record((of_skill(0.95),) * 3, **HALF, **UNKNOWN), "high"),
        (record((), **HALF), None),
        (record(STUCK), None),
        (record(STUCK, **HALF, variables__1__trainable=False), None),
    ],
)
def test_weights_in_float16_count_where_the_model_does_not_do_well(made, expected):
    assert severity("float16_training", made) == expected


# Training and inference

GAP = "train_inference_gap"


def modes(training, inference, kind="BatchNormalization", looks=None, **changes):
    """Return a run with these skills in training mode and in inference mode."""
    logs = {"accuracy": (of_skill(training),) * 3}
    accuracies = (of_skill(inference),) * 3
    return record(accuracies, looks, logs, layers__1__class=kind, **changes)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (modes(0.9, 0.2), "high"),
        (modes(0.9, 0.2, "RandomFlip"), "high"),
        (modes(0.9, 0.2, "GaussianNoise"), "high"),
        (modes(0.9, 0.2, "Dropout"), None),
        (modes(0.6, 0.31), None),
        (modes(0.6, 0.29), "high"),
        # A large part of the skill is lost.
        (modes(0.9, 0.53), "high"),
        (modes(0.9, 0.55), None),
        (modes(0.29, -0.5), None),
        (modes(0.31, -0.5), "high"),
        (modes(0.9, 0.2, looks=LOST), None),
        (modes(0.9, 0.2, **UNKNOWN), None),
        (two_outputs(modes(0.9, 0.2)), None),
        (modes(0.9, 0.2, looks={"sample_accuracy": None, "sample_loss": None}), None),
    ],
)
def test_a_model_does_as_well_in_inference_as_in_training_mode(made, expected):
    assert severity(GAP, made) == expected


def test_the_layer_that_differs_in_inference_is_told():
    made = modes(0.9, -0.2)
    assert says("gets 90% of the way to zero error, in inference mode 0%", GAP, made)
    assert says("Layer second uses moving averages", GAP, made)
    assert finding(GAP, made).where == "second"
    assert finding(GAP, made).remedies[0].setting == "momentum"
    made = modes(0.9, 0.2, "RandomContrast")
    assert says("in inference mode 20% on the same data", GAP, made)
    assert says("Layer second changes the data in training only", GAP, made)
    assert finding(GAP, made).remedies[0].setting == "augmentation"
    # Averages are the likelier cause.
    made = modes(0.9, 0.2, layers__0__class="RandomFlip")
    assert finding(GAP, made).where == "second"


# Learning rates of a run whose progress is not judged

HIGH, LOW = "learning_rate_too_high", "learning_rate_too_low"


def unjudged(looks=None, logs=None, epochs=3, **changes):
    return record((0.33,) * epochs, looks, logs, **UNKNOWN, **changes)


def updates(ratio):
    return {"update_ratio": dict.fromkeys(KERNELS, ratio)}


def moving(distance, ratio=None):
    """Return looks where the kernel that moved most moved by this."""
    looks = {"moved": dict(zip(KERNELS, (0.0, distance, 0.0), strict=True))}
    return looks | (updates(ratio) if ratio is not None else {})


RISING = {"loss": (1.0, 1.3, 1.6)}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (unjudged(updates(learning_rate.SURE_UPDATE)), None),
        (unjudged(updates(1.01 * learning_rate.SURE_UPDATE)), "low"),
        (unjudged(updates(learning_rate.HUGE_UPDATE)), "low"),
        (unjudged(updates(1.01 * learning_rate.HUGE_UPDATE)), "medium"),
        # A rate or a loss alone is not enough, but two signs are.
        (unjudged(optimizer__config__learning_rate=1.0), None),
        (unjudged(logs=RISING), None),
        (unjudged(logs=RISING, optimizer__config__learning_rate=1.0), "high"),
        (unjudged(updates(0.1), RISING), "high"),
        (unjudged(updates(learning_rate.LARGE_UPDATE), RISING), None),
        (unjudged(LOST, optimizer__config__learning_rate=1.0), "high"),
        (unjudged(LOST), "medium"),
        (record(WELL, updates(0.3)), None),
    ],
)
def test_a_rate_is_too_high_by_its_updates_where_progress_is_not_judged(made, expected):
    assert severity(HIGH, made) == expected


@pytest.mark.parametrize(
    ("factor", "task", "expected"),
    [(1.01, "unknown", "medium"), (1.0, "unknown", None), (9.0, "sparse", None)],
)
def test_a_rate_is_too_high_where_kernels_move_far_in_the_first_epoch(
    factor, task, expected
):
    far = factor * learning_rate.LARGE_MOVE
    distances = dict(zip(KERNELS, (0.0, far, 9 * far), strict=True))
    looks = [{"moved": distances}, {"moved": {}}, {"moved": {}}]
    made = record(STUCK, looks, **{OUTPUT + "task": task})
    assert severity(HIGH, made) == expected
    told = f"In the first epoch, kernels moved by {far:.2g} times"
    assert says(told, HIGH, made) == (expected is not None)


def test_only_kernels_in_the_first_epoch_tell_a_move_that_is_too_large():
    far = 2 * learning_rate.LARGE_MOVE
    later = [{}, {"moved": dict.fromkeys(KERNELS, far)}, {}]
    assert severity(HIGH, unjudged(later)) is None
    others = {"moved": {"a": far, "b": far, "c": far, KERNELS[0]: 0.1}}
    assert severity(HIGH, unjudged([others, {}, {}])) is None
    infinite = {"moved": {KERNELS[0]: 0.1, KERNELS[1]: NAN, KERNELS[2]: 0.1}}
    assert severity(HIGH, unjudged([infinite, {}, {}])) is None


def test_the_bounds_of_a_rate_that_is_typical_are_told():
    made = unjudged(updates(0.3), optimizer__config__learning_rate=1.0)
    assert says("rate of Adam is 1 (typical: 5e-05 to 0.025)", HIGH, made)
    assert says("changes kernels by 30% of their norm (typical: 0.1%)", HIGH, made)
    assert finding(HIGH, made).where == "optimizer"


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ((1.0, 1.2, 1.5), False),
        ((1.0, 1.2, 1.51), True),
        ((0.5, 0.6, 0.8), True),
        # From 0, or from below it, there is no share by which a loss rises.
        ((0.0, 0.1, 0.2), False),
        ((-1.0, 0.1, 0.2), False),
        ((1.0,), False),
    ],
)
def test_a_loss_rises_by_a_share_of_the_first(losses, told):
    made = record((0.33,) * len(losses), logs={"loss": losses})
    assert says("The loss rose from", HIGH, made) == told


@pytest.mark.parametrize(
    ("window", "batches", "steps", "expected"),
    [
        (2, 10.0, 0, "high"),
        (1, 10.0, 0, None),
        (None, 10.0, 0, None),
        (2, 0.0, 0, None),
        (2, 10.0, 1, None),
    ],
)
def test_an_optimizer_makes_a_step_once_the_window_of_gradients_is_full(
    window, batches, steps, expected
):
    looks = {"batches": {"all": batches}, "steps": {"all": 0.0}}
    made = unjudged(looks, gradient_accumulation_steps=window)
    for number, reading in enumerate(made.readings):
        made.readings[number] = Reading(reading.epoch, steps, reading.values)
    assert severity("wrong_optimizer_setting", made) == expected


HARDLY, LITTLE = learning_rate.HARDLY_MOVED, learning_rate.MOVED_LITTLE
SMALL, FEWEST = learning_rate.SMALL_STEPS, learning_rate.FEWEST_STEPS
SLOW = {"optimizer__config__learning_rate": 1e-6}


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        (moving(0.99 * HARDLY, 1.0), "high"),
        (moving(HARDLY, 1.0), None),
        (moving(0.99 * LITTLE, 0.99 * SMALL), "medium"),
        (moving(LITTLE, 0.99 * SMALL), None),
        (moving(0.99 * LITTLE, SMALL), None),
        (moving(0.0), None),
        ({}, None),
    ],
)
def test_a_rate_is_too_low_by_what_moved_where_progress_is_not_judged(looks, expected):
    assert severity(LOW, unjudged(looks)) == expected


def test_a_rate_is_too_low_by_itself_where_no_step_was_watched():
    unwatched = moving(0.99 * LITTLE) | {"update_ratio": None}
    assert severity(LOW, unjudged(unwatched)) is None
    assert severity(LOW, unjudged(unwatched, **SLOW)) == "high"
    assert severity(LOW, unjudged(moving(LITTLE, None), **SLOW)) is None


def test_a_rate_below_the_typical_one_makes_it_sure():
    little = moving(0.99 * LITTLE, 0.99 * SMALL)
    assert severity(LOW, unjudged(little, **SLOW)) == "high"
    assert says("rate of Adam is 1e-06", LOW, unjudged(little, **SLOW))
    for rate in (0.0, 5e-5):
        made = unjudged(little, optimizer__config__learning_rate=rate)
        assert severity(LOW, made) == "medium"
    # The loss stands still, and no kernel was compared.
    assert severity(LOW, unjudged(**SLOW)) == "medium"
    assert severity(LOW, unjudged(moving(0.01) | LOST, **SLOW)) is None


@pytest.mark.parametrize(("steps", "expected"), [(FEWEST, "high"), (FEWEST - 1, None)])
def test_weights_move_in_some_steps_only(steps, expected):
    made = unjudged(moving(0.01) | {"steps": {"all": float(steps)}}, epochs=1)
    assert severity(LOW, made) == expected
    if expected:
        assert says(f"In {steps} steps, no kernel moved by more than 0.01", LOW, made)


# Regularization

OVER = "over_regularized"


def dropped(rate, inference=0.9, training=None, **changes):
    logs = None if training is None else {"accuracy": (of_skill(training),) * 3}
    layer = {"layers__1__class": "Dropout", "layers__1__rate": rate}
    accuracies = (of_skill(inference),) * 3
    return record(accuracies, {}, logs, **layer, **changes)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        # Of a run that goes well, only very strong dropout counts, if it holds it back.
        (dropped(0.9, 0.86), None),
        (dropped(0.8, 0.84), "high"),
        (dropped(0.79, 0.84), None),
        (dropped(0.9, 0.9, 0.66), None),
        (dropped(0.9, 0.9, 0.64), "high"),
        (dropped(0.9, 0.9, 0.0), None),
        (dropped(0.6, 0.9, **UNKNOWN), "medium"),
        (dropped(0.8, 0.9, **UNKNOWN), "high"),
        (dropped(0.59, 0.9, **UNKNOWN), None),
        (record((), layers__1__class="Dropout", layers__1__rate=0.9), None),
        (record(STUCK, LOST, layers__1__class="Dropout", layers__1__rate=0.9), None),
    ],
)
def test_dropout_counts_where_it_holds_the_model_back(made, expected):
    assert severity(OVER, made) == expected


def test_a_run_whose_numbers_are_not_known_is_held_back_by_strong_dropout():
    nothing = {"sample_accuracy": None, "sample_loss": None}
    rates = {"layers__1__class": "Dropout", "layers__1__rate": 0.9}
    assert severity(OVER, record(WELL, nothing, **rates)) == "high"


def test_the_strongest_dropout_is_told():
    more = {"layers__0__class": "GRU", "layers__0__dropout": 0.7}
    made = dropped(0.9, 0.1, **more)
    assert says("Dropout of 90% in layer first is very strong", OVER, made)
    assert finding(OVER, made).where == "first"
    assert severity(OVER, dropped(0.0, 0.1, **more)) == "medium"


def noisy(stddev, skill=0.1, kind="GaussianNoise", std=2.0, **changes):
    layer = {"layers__1__class": kind, "layers__1__stddev": stddev}
    met = {"ids": {"input_dim": 9}, "first": {"std": std}, "last": {"std": 99.0}}
    return record((of_skill(skill),) * 3, data__layers=met, **layer, **changes)


LOUD = 2.0 * progress.LARGE_NOISE


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (noisy(LOUD), None),
        (noisy(1.01 * LOUD), "high"),
        (noisy(9 * LOUD, 0.84), "high"),
        (noisy(9 * LOUD, 0.86), None),
        (noisy(9 * LOUD, 0.86, **UNKNOWN), "high"),
        (noisy(9 * LOUD, kind="Dense"), None),
        (noisy(9 * LOUD, std=0.0), None),
        (record(STUCK, layers__1__class="GaussianNoise", layers__1__stddev=9.0), None),
    ],
)
def test_noise_is_strong_beside_the_inputs_of_the_first_layer(made, expected):
    assert severity(OVER, made) == expected


def test_noise_is_told_by_the_size_of_the_inputs():
    made = noisy(8.0)
    assert says("Layer second adds noise that is 4 times as large", OVER, made)
    assert finding(OVER, made).where == "second"
    made.structure["layers"][1].pop("stddev")
    assert severity(OVER, made) is None


def test_dropout_as_the_last_layer_counts_at_any_rate():
    last = {"layers__2__class": "Dropout", "layers__2__rate": 0.1}
    made = record((0.5,) * 4, **last)
    assert severity(OVER, made) == "high" and finding(OVER, made).where == "third"
    assert says("The last layer is Dropout", OVER, made)
    assert severity(OVER, record(WELL, **last)) is None
    assert severity(OVER, record(WELL, **last, **UNKNOWN)) == "high"
    first = {"layers__1__class": "Dropout", "layers__1__rate": 0.1}
    assert severity(OVER, record((0.5,) * 4, **first)) is None
    assert severity(OVER, record((0.5,) * 4, layers=[])) is None


@pytest.mark.parametrize(
    ("spread", "added", "accuracies", "expected"),
    [
        (0.001, True, STUCK, "high"),
        (0.3, True, STUCK, None),
        (0.001, False, STUCK, None),
        (0.001, True, WELL, None),
    ],
)
def test_an_added_loss_outweighs_the_error_where_outputs_are_the_same(
    spread, added, accuracies, expected
):
    looks = {"sample_spread": {"output": spread}}
    made = record(accuracies, looks, data__added_losses=added)
    assert severity(OVER, made) == expected
    if expected:
        assert says("the added loss outweighs the error", OVER, made)
        assert finding(OVER, made).remedies[0].setting == "added_loss"


def penalty(strength, loss=1.0, **changes):
    rule = {"class": "L2", "config": {"l2": strength, "name": "mine"}}
    layer = {"layers__1__kernel_regularizer": rule}
    looks = {"sample_loss": {"output": loss}}
    return record((0.5,) * 4, looks, {"loss": (1.0,) * 4}, **layer, **changes)


def test_a_regularizer_is_told_by_its_share_or_else_by_its_strength():
    made = penalty(0.05, 0.5)
    assert finding(OVER, made).evidence == ("Regularization makes up 50% of the loss.",)
    assert finding(OVER, made).where == "" and severity(OVER, made) == "high"
    made = penalty(0.05, 0.9)
    assert says("regularizer of layer second is strong: 0.05", OVER, made)
    assert finding(OVER, made).where == "second" and severity(OVER, made) == "medium"
    assert severity(OVER, penalty(0.1, 0.9)) == "high"
    # Without a strength there is no share, and without a loss it is not known.
    assert severity(OVER, penalty(0.0, 0.1)) is None
    made = penalty(0.001, 0.1)
    made.logs[-1]["loss"] = 0.0
    assert severity(OVER, made) is None
    made = penalty(0.001, 0.1)
    made.logs.clear()
    assert severity(OVER, made) is None
    looks = {"sample_loss": {"output": 0.1, "other": 0.1}}
    layer = made.structure["layers"][1]
    made = record((0.5,) * 4, looks, layers__1=layer)
    assert severity(OVER, made) is None


def test_a_constraint_is_told_beside_what_else_is_too_strong():
    tight = {"class": "MaxNorm", "config": {"max_value": 0.1}}
    changes = {"layers__0__kernel_constraint": tight}
    made = penalty(0.05, 0.9, **changes)
    assert len(finding(OVER, made).evidence) == 2 and severity(OVER, made) == "high"
    assert finding(OVER, made).where == "second"
    assert says("weight norms of layer first below 0.1", OVER, made)
    made = record((0.5,) * 4, **changes)
    assert finding(OVER, made).where == "first"
    unit = {
        "layers__0__kernel_constraint": {"class": "UnitNorm", "config": {"axis": 0}}
    }
    assert severity(OVER, record((0.5,) * 4, **unit)) is None


def test_where_dropout_and_a_regularizer_are_strong_the_first_is_the_place():
    rule = {"class": "L2", "config": {"l2": 0.05}}
    changes = {"layers__1__class": "Dropout", "layers__1__rate": 0.6}
    changes["layers__0__bias_regularizer"] = rule
    made = record((0.5,) * 4, {"sample_loss": {"output": 1.0}}, **changes)
    found = finding(OVER, made)
    assert found.where == "second" and len(found.evidence) == 2
    assert found.severity == "medium"


# Progress that is not judged

NOT = "not_learning"


def shrinking(*spreads, size=1.0, **changes):
    looks = [
        {"sample_spread": {"output": s}, "sample_size": {"output": size}}
        for s in spreads
    ]
    return record((0.33,) * len(spreads), looks, **{**UNKNOWN, **changes})


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (shrinking(0.5, 0.0199), "medium"),
        (shrinking(0.5, 0.0201), None),
        (shrinking(1.0, 0.0398, size=2.0), "medium"),
        (shrinking(1.0, 0.0402, size=2.0), None),
        # It shrinks to less than a third.
        (shrinking(0.03, 0.0099), "medium"),
        (shrinking(0.03, 0.0101), None),
        (shrinking(0.001), None),
        (shrinking(0.5, 0.001, size=0.0), None),
        (shrinking(0.5, 0.001, **{OUTPUT + "task": "sparse"}), None),
    ],
)
def test_outputs_that_fall_on_one_point_are_told(made, expected):
    assert severity("collapsed_output", made) == expected


def test_a_collapse_is_told_in_numbers_and_nan_is_none():
    made = shrinking(0.5, 0.001)
    assert finding("collapsed_output", made).where == "output"
    assert says(
        "varies by 0.001 of its size, and by 0.5 before", "collapsed_output", made
    )
    made.readings[-1].values["weight_norm"][KERNELS[0]] = NAN
    assert severity("collapsed_output", made) is None


def flat(*losses, steps=10.0, task="unknown", looks=None, of_epoch=None, **logs):
    looks = {"steps": {"all": steps}} | (looks or {})
    made = record(
        (0.33,) * len(losses),
        looks,
        {"loss": losses, **logs},
        **{OUTPUT + "task": task, "fit__steps": of_epoch},
    )
    for number, reading in enumerate(made.readings):
        made.readings[number] = Reading(reading.epoch, 1, reading.values)
    return made


STEP = progress.STANDS_STILL


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (flat(1.0, 1.0, 1.0), "medium"),
        (flat(1.0, 1.0 + 0.99 * STEP, 1.0), "medium"),
        (flat(1.0, 1.0 + 1.01 * STEP, 1.0), None),
        (flat(-4.0, -4.0 + 3.9 * STEP, -4.0), "medium"),
        (flat(-4.0, -4.0 - 4.1 * STEP, -4.0), None),
        (flat(1.0, 1.0), None),
        (flat(1.0, 1.0, 1.0, steps=9.5), None),
        (flat(1.0, 1.0, 1.0, task="sparse"), None),
        (flat(1.0, 1.0, 1.0, looks=LOST), None),
        (flat(1.0, 1.0, 1.0, val_loss=(1.0, 1.0, 1.0)), "medium"),
        # Of two losses, one may stand still.
        (flat(1.0, 1.0, 1.0, d_loss=(1.0, 0.5, 0.2)), None),
    ],
)
def test_a_loss_that_stands_still_is_told(made, expected):
    assert severity(NOT, made, "constant_loss") == expected


def test_a_loss_that_stands_still_is_told_in_numbers():
    made = flat(0.5, 0.5005, 0.501)
    assert says("was 0.5 in the first epoch and is 0.501", NOT, made, "constant_loss")


@pytest.mark.parametrize(
    ("steps", "task", "looks", "found"),
    [
        (progress.FEW_STEPS - 1, "unknown", {}, True),
        (progress.FEW_STEPS, "unknown", {}, False),
        (1, "unknown", {}, True),
        (1, "unknown", LOST, False),
    ],
)
def test_a_run_of_few_steps_is_told_where_progress_is_not_judged(
    steps, task, looks, found
):
    made = flat(1.0, steps=float(steps), task=task, looks=looks)
    told = says(f"Training made only {steps} step", "slow_learning", made)
    assert told == found and (severity("slow_learning", made) == "low") == found


def test_a_run_without_a_step_is_not_called_short():
    made = flat(1.0, steps=0.0)
    made.readings[0] = Reading(0, 0, made.readings[0].values)
    assert severity("slow_learning", made) is None


def test_a_short_run_is_told_with_its_progress_where_it_is_judged():
    made = record((0.34, 0.38, 0.43))
    assert says("Training stopped after 30 steps while still", "slow_learning", made)
    assert says("simple models reach 90%", "slow_learning", made)
    assert severity("slow_learning", record((0.34, 0.38, 0.43), LOST)) is None
    made = record(STUCK, {"steps": {"all": 200.0}})
    assert severity("slow_learning", made) is None


def test_no_progress_is_told_with_the_score_that_there_is():
    made = record(STUCK)
    assert says("The model is right for 33.0% of the training", NOT, made)
    assert says("the most frequent class gives 33.3%", NOT, made)
    looks = {"sample_accuracy": None, "sample_loss": {"output": 1.2}}
    assert says("is no better than a constant prediction", NOT, record(STUCK, looks))
    looks["sample_error"] = {"output": 1.25}
    made = record(STUCK, looks, **{OUTPUT + "task": "regression"})
    assert says("has a squared error of 1.25 times the targets'", NOT, made)
    made = two_outputs(record(STUCK))
    assert says("The output 'output' is right for", NOT, made)


def test_a_model_far_behind_is_told_with_what_is_narrow_and_what_is_reachable():
    made = record((0.5,) * 4, layers__1__units=2)
    assert says("got only 25% of the way from a constant", "underfitting", made)
    assert says("simple models reach 90%", "underfitting", made)
    assert says("Layer second has only 2 units", "underfitting", made)
    assert not says("Layer", "underfitting", record((0.5,) * 4))
    nothing = {OUTPUT + "reachable": {"linear": 0.0, "best": 0.0, "signal": 0.5}}
    made = record(STUCK, **nothing)
    assert severity("underfitting", made) == "low"
    assert not says("simple models reach", "underfitting", made)


# A loss of the user's own on targets of another shape


def broadcast(guessed=True, shape=(1,), target=(), spread=0.001):
    changes = {"guessed": guessed, "task": "regression", "shape": list(shape)}
    changes |= {"target__shape": list(target), "target__std": 1.0, "units": 1}
    changes |= {"loss": None, "activation": "linear"}
    changes["reachable"] = {"linear": 0.5, "best": 0.5, "signal": 0.5}
    changes = {OUTPUT + name: value for name, value in changes.items()}
    looks = {"sample_spread": {"output": spread}, "sample_accuracy": None}
    return record(STUCK, looks, **changes)


WRONG = "wrong_loss_or_output_activation"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (broadcast(), "high"),
        (broadcast(guessed=False), None),
        (broadcast(shape=()), None),
        (broadcast(shape=(2,)), None),
        (broadcast(target=(1,)), None),
        (broadcast(spread=0.5), None),
    ],
)
def test_a_loss_of_ones_own_broadcasts_targets_without_the_last_axis(made, expected):
    assert severity(WRONG, made, "loss_of_another_task") == expected


def test_targets_that_are_broadcast_are_told_with_how_to_reshape_them():
    made = broadcast()
    words = "broadcasts both to (samples, samples)"
    assert says(words, WRONG, made, "loss_of_another_task")
    [remedy] = finding(WRONG, made, "loss_of_another_task").remedies
    assert "reshape" in remedy.code


# Validation losses


def test_a_gap_or_a_rise_says_nothing_where_numbers_are_nan():
    logs = {"val_loss": (1.0, 1.2, NAN), "val_accuracy": (0.4, 0.4, 0.4)}
    assert severity("overfitting", record(WELL, logs=logs)) is None
    logs["val_loss"] = (1.0, 1.2, 1.6)
    assert severity("overfitting", record(WELL, logs=logs)) == "high"
    assert severity("overfitting", record(WELL, LOST, logs)) is None
    short = {name: numbers[:2] for name, numbers in logs.items()}
    assert severity("overfitting", record(WELL[1:], logs=short)) is None


def test_overfitting_is_told_in_numbers():
    logs = {"val_loss": (1.25, 1.0, 1.6), "val_accuracy": (0.4, 0.4, of_skill(0.2))}
    made = record((0.5, 0.7, of_skill(0.85)), logs=logs)
    assert says("validation loss is 1.6, the training loss 0.165", "overfitting", made)
    assert says("lowest in epoch 2, at 1.", "overfitting", made)
    assert says("65% of the improvement", "overfitting", made)
    unknown = {"val_loss": (0.3, 0.4, 0.5, 0.9)}
    made = record((0.9,) * 4, logs=unknown, **UNKNOWN)
    assert not says("of the improvement", "overfitting", made)
    assert severity("overfitting", made) == "high"


def test_thresholds_of_rules_on_runs_are_near_these():
    near = {
        (learning_rate, "LARGE_UPDATE"): 0.05,
        (learning_rate, "SURE_UPDATE"): 0.15,
        (learning_rate, "HUGE_UPDATE"): 0.2,
        (learning_rate, "HARDLY_MOVED"): 0.05,
        (learning_rate, "MOVED_LITTLE"): 0.2,
        (learning_rate, "SMALL_STEPS"): 5e-4,
        (learning_rate, "FEWEST_STEPS"): 20,
        (progress, "STANDS_STILL"): 0.003,
        (progress, "FEW_STEPS"): 20,
    }
    for (module, name), value in near.items():
        assert math.isclose(getattr(module, name), value, rel_tol=0.3), name


def test_rules_that_find_nothing_leave_no_note():
    for made in (record(), record(WELL, **UNKNOWN), two_outputs(record())):
        assert not [note for note in examine(made).notes if "was skipped" in note]


def test_another_output_is_no_bottleneck():
    one = {"path": "near", "class": "Dense", "parameters": 9, "units": 1}
    changes = {"layers__1": {**one, "activation": None, "trainable": True}}
    made = record((0.5,) * 4, **changes)
    assert says("Layer near has only 1 unit", "underfitting", made)
    made = record((0.5,) * 4, **changes, **{OUTPUT + "name": "near"})
    for reading in made.readings:
        for name, found in reading.values.items():
            if name.startswith("sample_"):
                found["near"] = found.pop("output")
    assert severity("underfitting", made) == "low"
    assert not says("Layer near", "underfitting", made)


def test_the_gap_of_several_outputs_is_the_largest_one():
    made = record(
        (0.5, 0.8, 0.99),
        None,
        {
            "val_loss": (1.0, 1.2, 1.6),
            "val_output_accuracy": (0.5, 0.5, 0.5),
            "val_other_loss": (1.0, 0.5, 0.2),
            "other_loss": (1.0, 0.5, 0.1),
        },
    )
    outputs = made.structure["data"]["outputs"]
    other = {**outputs[0], "name": "other", "task": "regression", "loss": "mse"}
    outputs.append({**other, "baseline_loss": 1.0, "baseline_accuracy": None})
    assert severity("overfitting", made) == "high"
    assert says("improvement over a constant prediction is lost", "overfitting", made)
    for entry in made.logs:
        entry["val_output_accuracy"] = 0.97
    assert severity("overfitting", made) is None


@pytest.mark.parametrize(("weights", "expected"), [(None, "high"), ({"0": 9.0}, None)])
def test_a_loss_with_class_weights_is_not_compared_with_one_without(weights, expected):
    logs = {"loss": (0.02, 0.01) + (0.01,) * 6, "val_loss": (0.1, 0.1) + (0.3,) * 6}
    made = record((0.9,) * 8, None, logs, fit__class_weight=weights, **UNKNOWN)
    assert severity("overfitting", made) == expected


def test_a_training_loss_counts_per_weight_of_the_samples():
    logs = {"loss": (0.11, 0.05, 0.01)}
    changes = {OUTPUT + "baseline_accuracy": None, OUTPUT + "mean_weight": 0.1}
    [skill] = Case(record((0.5, 0.7, 0.9), None, logs, **changes)).skills
    assert skill.in_first_epoch == pytest.approx(1 - 1.1 / 1.0986)
    assert skill.in_training == pytest.approx(1 - 0.1 / 1.0986)


KL = "kl_loss"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (KL, progress.NO_CODE / 2, "high"),
        (KL, progress.NO_CODE * 2, None),
        (KL, -1.0, None),
        ("loss_KL", 0.0, "high"),
        ("val_kl_loss", 0.0, None),
        ("tackle_loss", 0.0, None),
    ],
)
def test_a_divergence_of_zero_says_that_a_code_is_not_used(name, value, expected):
    logs = {name: (2.0, 1.0, value)}
    made = record((0.5, 0.6, 0.7), None, logs, **UNKNOWN)
    assert severity("collapsed_output", made) == expected


def test_a_code_of_a_single_epoch_may_still_be_used():
    made = record((0.5,), None, {KL: (0.0,)}, **UNKNOWN)
    assert severity("collapsed_output", made) is None


LOW_RATE = "learning_rate_too_low"


def stood_still(moved=0.004, rate=1e-6, accuracy=0.7, fell=0.0, epochs=3):
    """Return what the rule says of a fair model that is nearly where it started."""
    looks = {"moved": dict.fromkeys(KERNELS, moved)}
    logs = {"loss": (1.0, *(1.0 - fell,) * 2)}
    changes = {"optimizer__config__learning_rate": rate}
    changes |= {OUTPUT + "reachable": {"linear": 0.4, "best": 0.4}}
    return severity(LOW_RATE, record((accuracy,) * epochs, looks, logs, **changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "high"),
        ({"moved": learning_rate.STOOD_STILL * 1.01}, None),
        # A typical rate, a good model, a loss that falls, hardly a step.
        ({"rate": 1e-4}, None),
        ({"accuracy": of_skill(learning_rate.WELL + 0.01)}, None),
        ({"accuracy": of_skill(learning_rate.WELL - 0.01)}, "high"),
        ({"fell": learning_rate.SLIGHTLY + 0.01}, None),
        ({"fell": learning_rate.SLIGHTLY - 0.01}, "high"),
        ({"epochs": 1}, None),
        ({"epochs": 2}, "high"),
    ],
)
def test_a_fair_model_that_stands_still_has_a_low_rate(changes, expected):
    assert stood_still(**changes) == expected


@pytest.mark.parametrize(
    ("rate", "losses", "expected"),
    [
        (1e-6, (1.0, 1.0, 0.99), "medium"),
        (1e-4, (1.0, 1.0, 0.99), None),
        (1e-6, (1.0, 1.0, 0.94), None),
        (1e-6, (1.0, 0.99), None),
        (1e-6, (0.0, 0.0, 0.0), None),
    ],
)
def test_of_embeddings_alone_a_low_rate_shows_in_the_loss(rate, losses, expected):
    changes = {"optimizer__config__learning_rate": rate, **UNKNOWN, "fit__steps": 10}
    logs = {"loss": losses}
    made = record((0.5,) * len(losses), {"update_ratio": None}, logs, **changes)
    assert severity(LOW_RATE, made) == expected


def test_pairs_say_nothing_of_weights_that_a_low_rate_left_where_they_were():
    changes = {"data__pairing": {"training": [1.0, 1.001]}, **UNKNOWN}
    logs = {"loss": (1.0, 1.0, 0.99)}
    made = record((0.5,) * 3, None, logs, **changes)
    assert severity("uninformative_labels", made) == "medium"
    changes |= {"optimizer__config__learning_rate": 1e-6, "fit__steps": 10}
    made = record((0.5,) * 3, None, logs, **changes)
    assert severity("uninformative_labels", made) is None


@pytest.mark.parametrize(("shape", "expected"), [([16, 16, 1], "high"), ([16], None)])
def test_pictures_are_no_ids_of_an_embedding_of_another_input(shape, expected):
    facts = {"shape": shape, "integer": True, "std": 90.0, "max": 255.0, "min": 0.0}
    changes = {f"data__inputs__0__{name}": value for name, value in facts.items()}
    changes |= {"layers__0__class": "Embedding"}
    assert severity("unnormalized_input", record(STUCK, **changes)) == expected


def test_a_frozen_network_of_a_training_that_is_not_judged_is_named():
    frozen = {"untrained_frozen": ["second"]}
    looks = {"moved": {KERNELS[0]: 0.5, KERNELS[1]: 0.0}}
    made = record((0.5, 0.7, 0.9), looks, None, **UNKNOWN, **frozen)
    assert severity("frozen_layers", made) == "medium"
    # It learns well all the same.
    for skill, expected in ((FAIR + 0.01, None), (FAIR - 0.01, "medium")):
        made = record((0.5, 0.7, of_skill(skill)), looks, None, **frozen | SIMPLE)
        assert severity("frozen_layers", made) == expected


@pytest.mark.parametrize(
    ("losses", "expected"), [((NAN,) * 3, True), ((1.1, 1.2, NAN), False)]
)
def test_a_loss_is_lost_in_the_first_epoch_only_if_it_was(losses, expected):
    looks = {"batch_loss_min": None}
    made = record((0.4, 0.33, 0.33), looks, {"loss": losses})
    words = "became NaN or infinite in the first epoch"
    assert says(words, "learning_rate_too_high", made) == expected


@pytest.mark.parametrize(
    ("reason", "dtype", "expected"),
    [
        ("Cannot convert a tensor of dtype float16 to float32", "float16", "high"),
        ("Cannot convert a tensor of dtype float16 to float32", "float32", None),
        ("out of memory", "float16", None),
    ],
)
def test_a_training_that_ends_as_types_are_mixed_has_a_cause(reason, dtype, expected):
    ended = {"class": "TypeError", "reason": reason}
    made = record((), ended=ended, variables__0__dtype=dtype)
    assert severity("float16_training", made) == expected
