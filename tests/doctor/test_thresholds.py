"""The rules and `examine_data` give the same labels on both sides of a threshold."""

import numpy as np
import pytest

from kcomponents._recording.sample import input_facts, target_facts
from kcomponents.doctor import examine, examine_data
from kcomponents.doctor._thresholds import class_shift, on_another_scale
from tests.doctor.cases import KERNELS, OUTPUT, STUCK, record

pytestmark = pytest.mark.any_backend

STEPS = np.linspace(-1, 1, 1001)
UNIT = (STEPS / STEPS.std())[:, None]


def finding(diagnosis, label):
    """Return the severity of the finding with this label, None without one."""
    found = [each for each in diagnosis.findings if each.label == label]
    return found[0].severity if found else None


def of_run(x):
    """Return what the rule on inputs says about a run that trains badly on `x`."""
    made = record(STUCK, data__inputs=[input_facts("input", x)])
    return finding(examine(made, rules=["unnormalized_input"]), "unnormalized_input")


def of_data(x, y=None):
    found = examine_data(x, y, baseline=False)
    return finding(found, "unnormalized_input" if y is None else "unnormalized_target")


SCALES = [
    (UNIT * 14.9, None),
    (UNIT * 15.1, "medium"),
    (UNIT * 39.9, "medium"),
    (UNIT * 40.1, "high"),
    (UNIT * 60, "high"),
    (UNIT + 14.9, None),
    (UNIT - 15.1, "medium"),
    (UNIT * 0.021, None),
    (UNIT * 0.019, "high"),
    (np.concatenate([UNIT * 14.9, UNIT], 1), None),
    (np.concatenate([UNIT, UNIT * 40.1], 1), "high"),
    (np.concatenate([UNIT * 6, UNIT[::-1] * 0.0601], 1), None),
    (np.concatenate([UNIT * 6, UNIT[::-1] * 0.0599], 1), "medium"),
    (np.concatenate([UNIT * 4.9, UNIT[::-1] * 0.01], 1), None),
]


@pytest.mark.parametrize(("x", "severity"), SCALES)
def test_inputs_get_the_same_severity_from_the_rule_and_from_examine_data(x, severity):
    assert of_run(x) == of_data(x) == severity


TARGETS = [
    (UNIT * 14.9, None),
    (UNIT * 15.1, "medium"),
    (UNIT * 50.1, "high"),
    (UNIT - 15.1, "medium"),
    (UNIT + 50.1, "high"),
    (UNIT * 0.0101, None),
    (UNIT * 0.0099, "high"),
]


@pytest.mark.parametrize(("y", "severity"), TARGETS)
def test_targets_get_the_same_severity_from_the_rule_and_from_examine_data(y, severity):
    changes = {OUTPUT + "task": "regression", OUTPUT + "target": target_facts(y)}
    values = {"sample_accuracy": None, "sample_loss": {"output": 1.2}}
    found = examine(record(STUCK, values, **changes), rules=["unnormalized_target"])
    assert finding(found, "unnormalized_target") == severity
    assert of_data(np.roll(UNIT, 300, axis=0), y) == severity


def test_examine_data_names_the_remedies_of_the_rule():
    x = UNIT * 60
    made = record(STUCK, data__inputs=[input_facts("input", x)])
    [rule] = examine(made, rules=["unnormalized_input"]).findings
    [data] = examine_data(x, baseline=False).findings
    assert rule.remedies == data.remedies


def scale(mean, std, low=None, high=None):
    facts = {"mean": mean, "std": std}
    return facts if low is None else {**facts, "min": low, "max": high}


@pytest.mark.parametrize(
    ("training", "validation", "differs"),
    [
        (scale(0, 2), scale(9.9, 2), False),
        (scale(0, 2), scale(10.1, 2), True),
        # Constant training inputs have a deviation of 0, which counts as 1.
        (scale(0, 0), scale(4.9, 0), False),
        (scale(0, 0), scale(5.1, 0), True),
        (scale(0, 1), scale(0, 19.9), False),
        (scale(0, 1), scale(0, 20.1), True),
        (scale(0, 20.1), scale(0, 1), True),
        # One extreme value: the range alone, or the deviation alone, is another.
        (scale(0, 1, -3, 3), scale(0, 30, -4, 4), False),
        (scale(0, 1, -3, 3), scale(0, 30, -90, 90), True),
    ],
)
def test_validation_inputs_are_on_another_scale_beyond_the_threshold(
    training, validation, differs
):
    assert on_another_scale(training, validation) == differs


@pytest.mark.parametrize(("shift", "differs"), [(24.9, False), (25.1, True)])
def test_a_shift_of_the_mean_counts_in_standard_deviations(shift, differs):
    inputs = {"mean": shift, "std": 5.0, "rows": 90, "dtype": "float32"}
    changes = {"data__inputs__0__std": 5.0, "data__inputs__0__mean": 0.0}
    other = {"rows": 90, "inputs": [inputs], "outputs": []}
    made = record((0.5, 0.9), data__validation=other, **changes)
    found = examine(made, rules=["data_split_problem"])
    assert bool(found.findings) == differs


@pytest.mark.parametrize(("seed", "classes", "rows"), [(0, 20, 26), (1, 100, 64)])
def test_random_samples_of_the_same_classes_do_not_differ(seed, classes, rows):
    generator = np.random.default_rng(seed)
    for _ in range(200):
        counts = [
            dict(zip(*np.unique(draw, return_counts=True), strict=True))
            for draw in generator.integers(0, classes, (2, rows))
        ]
        shift = class_shift(*counts)
        assert not (shift.differs or shift.has_unseen)


@pytest.mark.parametrize(("share", "unseen"), [(0.19, False), (0.21, True)])
def test_unseen_labels_count_above_a_fifth(share, unseen):
    training = {0: 500, 1: 500}
    validation = {0: 1000 * (1 - share) / 2, 1: 1000 * (1 - share) / 2, 2: 1000 * share}
    assert class_shift(training, validation).has_unseen == unseen


@pytest.mark.parametrize(("ratio", "severity"), [(0.049, None), (0.051, "low")])
def test_updates_are_large_above_a_twentieth_of_the_norm(ratio, severity):
    made = record(STUCK, {"update_ratio": dict.fromkeys(KERNELS, ratio)})
    found = examine(made, rules=["learning_rate_too_high"])
    assert finding(found, "learning_rate_too_high") == severity


@pytest.mark.parametrize(("ratio", "severity"), [(0.199, "low"), (0.201, "medium")])
def test_huge_updates_alone_show_a_high_learning_rate(ratio, severity):
    made = record(STUCK, {"update_ratio": dict.fromkeys(KERNELS, ratio)})
    found = examine(made, rules=["learning_rate_too_high"])
    assert finding(found, "learning_rate_too_high") == severity


@pytest.mark.parametrize(
    ("optimizer", "rate", "found"),
    [
        ("Adam", 0.0249, False),
        ("Adam", 0.0251, True),
        ("SGD", 0.59, False),
        ("SGD", 0.61, True),
        ("Adadelta", 1.9, False),
        ("Adagrad", 0.49, False),
    ],
)
def test_a_learning_rate_is_high_above_what_is_typical_for_its_optimizer(
    optimizer, rate, found
):
    config = {"class": optimizer, "config": {"learning_rate": rate}, "clip": {}}
    made = record(STUCK, optimizer=config)
    assert bool(examine(made, rules=["learning_rate_too_high"]).findings) == found
