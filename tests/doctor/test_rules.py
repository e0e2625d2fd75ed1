"""Rules on outputs, labels and splits: each of their checks."""

import pytest

from kcomponents.doctor import examine
from kcomponents.record import Reading
from tests.doctor.cases import record

pytestmark = pytest.mark.any_backend

OUTPUT, INPUT = "data__outputs__0__", "data__inputs__0__"
TARGET = OUTPUT + "target__"
STUCK = (0.33, 0.34, 0.33)


def output(**changes):
    return {OUTPUT + name: value for name, value in changes.items()}


def target(**changes):
    return {TARGET + name: value for name, value in changes.items()}


def told(made, label):
    found = [f for f in examine(made).findings if f.label == label]
    return found[0].evidence[0] if found else None


ONE_HOT = target(
    one_hot=True,
    shape=[3],
    max=1.0,
    row_sum_min=1.0,
    row_sum_max=1.0,
    column_mean=[0.3, 0.3, 0.4],
)
AMOUNTS = {
    **output(task="regression", loss="MeanSquaredError", units=1, shape=[1]),
    **output(activation="linear"),
    **target(integer=False, min=-3.0, max=3.0, mean=0.0, std=1.0, values=None),
}
WRONG = {
    "is always 1": output(units=1),
    "a single unit": output(units=1, activation="linear"),
    "output's 3 units with that integer": output(loss="CategoricalCrossentropy"),
    "expects integer labels": ONE_HOT,
    "compares each target with many outputs": {**AMOUNTS, OUTPUT + "shape": [10, 1]},
    "`from_logits` is not set": output(activation="relu"),
    "gives independent ones": output(activation="sigmoid"),
    "yes/no questions": {**ONE_HOT, OUTPUT + "loss": "BinaryCrossentropy"},
    "apply softmax to them a second time": output(from_logits=True),
    "only gives values from 0 to 1": {**AMOUNTS, OUTPUT + "activation": "sigmoid"},
    "Softmax outputs sum to 1": {
        **AMOUNTS,
        **output(activation="softmax", units=2, shape=[2]),
        **target(shape=[2], row_sum_min=-2.0, row_sum_max=3.0),
    },
}


@pytest.mark.parametrize("words", WRONG)
def test_outputs_that_contradict_their_loss_are_told_before_training(words):
    made = record((), **WRONG[words])
    assert words in told(made, "wrong_loss_or_output_activation")


FINE = [
    output(activation="linear", from_logits=True),
    {**ONE_HOT, OUTPUT + "loss": "CategoricalCrossentropy"},
    AMOUNTS,
    AMOUNTS | output(activation="relu") | target(min=-0.01, mean=1.5, std=0.7),
    AMOUNTS | output(activation="relu") | target(min=-0.5, mean=4.0, std=1.0),
    output(task="unknown", loss=None, loss_name="custom:mine", activation="relu"),
]


@pytest.mark.parametrize("number", range(len(FINE)))
def test_outputs_that_fit_their_loss_are_not(number):
    assert examine(record((), **FINE[number])).findings == ()


def test_losses_of_another_task_are_told_where_they_do_harm():
    numbers = {**ONE_HOT, **output(task="categorical", loss="MeanSquaredError")}
    assert told(record((0.5, 0.8, 0.9), **numbers), WRONG_OUTPUT) is None
    assert "is a regression loss" in told(record(STUCK, **numbers), WRONG_OUTPUT)
    linear = numbers | output(activation="linear")
    assert "gives no probabilities" in told(record(STUCK, **linear), WRONG_OUTPUT)
    assert "is flat for confident" in told(record(STUCK, **numbers), WRONG_OUTPUT)
    classes = AMOUNTS | target(integer=True, values=[0.0, 1.0, 2.0], counts=[1, 1, 1])
    accuracy = {"accuracy": (0.2, 0.2, 0.3)}
    made = record((0.5, 0.8, 0.9), logs=accuracy, **classes)
    assert "treats them as quantities" in told(made, WRONG_OUTPUT)
    twice = {"layers__2__class": "Activation"}
    assert "already limits the values" in told(record(STUCK, **twice), WRONG_OUTPUT)
    apart = {"layers__1__activation": "linear", "layers__1__parameters": 9}
    assert told(record(STUCK, **twice, **apart), WRONG_OUTPUT) is None
    hidden = {"layers__0__activation": "softmax"}
    assert "Hidden layer first applies" in told(record(STUCK, **hidden), WRONG_OUTPUT)


WRONG_OUTPUT = "wrong_loss_or_output_activation"
LABELS = {
    "Targets contain NaN or infinity (3 values)": target(nonfinite=3),
    "All targets are the same": target(std=0.0, max=0.0),
    "allows labels 0 to 2": target(max=3.0),
    "some rows of the targets sum to 0, not 1": {
        **ONE_HOT,
        **output(loss="CategoricalCrossentropy"),
        **target(row_sum_min=0.0, one_hot=False),
    },
    "they range from 1 to 2": {
        **output(loss="BinaryCrossentropy", units=1, activation="sigmoid", shape=[1]),
        **target(min=1.0, max=2.0),
    },
}


@pytest.mark.parametrize("words", LABELS)
def test_labels_that_no_output_can_give_are_told_before_training(words):
    assert words in told(record((), **LABELS[words]), "label_problem")


def test_labels_that_do_not_belong_to_their_inputs_are_told():
    noise = output(reachable={"linear": 0.0, "best": 0.01, "signal": 0.0})
    assert "seem unrelated" in told(record(STUCK, **noise), "label_problem")
    rare = output(reachable={"linear": 0.0, "best": 0.01, "signal": 0.2})
    assert told(record(STUCK, **rare), "label_problem") is None
    assert told(record((0.95,) * 3, **noise), "label_problem") is None
    twins = record(STUCK, data__outputs__0__contradictions=0.4)
    assert "a sample with another label" in told(twins, "label_problem")


VALID = {"rows": 90, "inputs": [], "outputs": []}
SPLITS = {
    "are also in the training data": {"in_training": 0.9},
    "never occur in the training data": {
        "outputs": [{"shape": [], "rows": 90, "values": [7.0], "counts": [90]}]
    },
    "Validation inputs are on another scale": {
        "inputs": [{"mean": 120.0, "std": 70.0, "rows": 90, "dtype": "float32"}]
    },
}


@pytest.mark.parametrize("words", SPLITS)
def test_validation_data_of_another_kind_is_told(words):
    made = record((0.5, 0.9), data__validation=VALID | SPLITS[words])
    assert words in told(made, "data_split_problem")


def test_rows_beyond_the_training_range_are_told_where_validation_suffers():
    other = VALID | {"outside": 0.9}
    for accuracies, label in (((0.9,) * 3, None), ((0.5,) * 3, "outside the range")):
        logs = {"val_accuracy": accuracies, "val_loss": (1.0, 1.0, 1.0)}
        made = record((0.5, 0.8, 0.9), logs=logs, data__validation=other)
        found = told(made, "data_split_problem")
        assert found is None if label is None else label in found


def test_sorted_rows_that_are_never_shuffled_are_told():
    changes = {"data__of_batches": 0.97, "fit__shuffle": False}
    assert "with `shuffle=False` most batches hold few classes" in told(
        record(STUCK, **changes), "data_split_problem"
    )
    assert (
        told(record(STUCK, **{**changes, "fit__shuffle": True}), "data_split_problem")
        is None
    )


def test_inputs_that_are_all_the_same_are_told():
    same = {INPUT + "min": 0.0, INPUT + "max": 0.0, INPUT + "std": 0.0}
    assert "the same value" in told(record(STUCK, **same), "unnormalized_input")


def test_what_everybody_sees_is_told_however_many_causes_there_are():
    causes = {
        INPUT + "std": 900.0,
        "initial__first/kernel__units_equal": True,
        "optimizer__config__epsilon": 0.9,
    }
    lost = {"weight_norm": {"first/kernel": float("nan")}}
    found = examine(record(STUCK, lost, **causes)).findings
    assert len(found) == 3 and found[-1].label == "loss_nan"


def test_gradients_that_are_collected_and_never_applied_are_told():
    made = record(STUCK, {"steps": {"all": 0.0}, "batches": {"all": 10.0}})
    made.structure = {**made.structure, "gradient_accumulation_steps": 1000}
    for number, reading in enumerate(made.readings):
        made.readings[number] = Reading(reading.epoch, 0, reading.values)
    assert "made no step" in told(made, "wrong_optimizer_setting")


def test_what_a_layer_is_made_of_is_no_layer_without_an_activation():
    linear = {"layers__0__activation": "linear", "layers__0__path": "maxout/linear"}
    made = record((0.5,) * 4, **linear)
    assert "act as one linear layer" in told(made, "missing_activation")
    outer = {"path": "maxout", "class": "MaxoutDense", "activation": "maxout"}
    made.structure["layers"].insert(0, outer)
    assert told(made, "missing_activation") is None
    # Layers of a nested model still count.
    outer["class"] = "Sequential"
    assert "act as one linear layer" in told(made, "missing_activation")
