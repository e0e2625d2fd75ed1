"""Facts, scores and simple models, compared with numpy."""

import math

import keras
import numpy as np
import pytest

from kcomponents._recording.outputs import Output, outputs_of
from kcomponents._recording.sample import (
    Sample,
    contradictions,
    facts_of_inputs,
    facts_of_outputs,
    input_facts,
    named_inputs,
    outside,
    padding_of,
    same_rows,
    sample_of,
    sample_of_batches,
    share_between,
    target_facts,
    telling_columns,
    validation_of,
)
from kcomponents._scoring.scores import constant_scores, scores, task_of
from kcomponents._scoring.simple_models import reachable

RANDOM = np.random.default_rng(0)


def test_facts_of_inputs_are_those_of_numpy():
    x = RANDOM.normal(3.0, 2.0, (50, 4))
    found = input_facts("input", x)
    assert found["mean"] == pytest.approx(x.mean()) and found["max"] == x.max()
    np.testing.assert_allclose(found["column_std"], x.std(0))
    assert found["shape"] == [4] and found["rows"] == found["distinct"] == 50
    x[3, 1] = np.nan
    assert input_facts("input", x)["nonfinite"] == 1
    assert not input_facts("input", x)["integer"]
    assert input_facts("input", np.arange(6).reshape(3, 2))["integer"]
    assert "std" not in input_facts("input", np.array(["a", "b"]))


def test_facts_of_targets_tell_labels_from_rows_and_amounts():
    labels = target_facts(np.array([0, 2, 2, 1]))
    assert labels["values"] == [0, 1, 2] and labels["counts"] == [1, 1, 2]
    rows = target_facts(np.eye(3)[[0, 2, 2]])
    assert rows["one_hot"] and rows["column_mean"] == pytest.approx([1 / 3, 0, 2 / 3])
    assert not target_facts(np.array([[1, 1], [0, 1]]))["one_hot"]
    assert not target_facts(np.array([0.5, 1.5]))["integer"]


@pytest.mark.parametrize(
    ("loss", "y", "units", "task"),
    [
        ("SparseCategoricalCrossentropy", [0, 1, 2], 3, "sparse"),
        ("CategoricalCrossentropy", np.eye(3), 3, "categorical"),
        ("BinaryCrossentropy", [0, 1, 1], 1, "binary"),
        ("BinaryCrossentropy", [[0, 1], [1, 1]], 2, "multilabel"),
        ("BinaryCrossentropy", np.eye(3), 3, "categorical"),
        ("BinaryCrossentropy", [[0.2], [0.9]], 1, "regression"),
        ("Hinge", [-1, 1, 1], 1, "binary"),
        ("MeanSquaredError", [0, 1, 1], 1, "binary"),
        ("MeanSquaredError", [0.5, 7.0], 1, "regression"),
        ("MeanAbsoluteError", np.eye(2), 2, "categorical"),
        ("Mystery", [0, 1], 1, "unknown"),
        (None, [0, 1], 1, "unknown"),
    ],
)
def test_loss_and_targets_make_a_task(loss, y, units, task):
    assert task_of(loss, {}, units) == "unknown"
    assert task_of(loss, target_facts(np.array(y)), units) == task


def test_scores_are_what_the_formulas_say():
    y = np.array([0, 1, 2, 1])
    p = RANDOM.dirichlet([1, 1, 1], 4)
    found = scores("sparse", "SparseCategoricalCrossentropy", y, p)
    assert found["loss"] == pytest.approx(-np.mean(np.log(p[np.arange(4), y])))
    assert found["accuracy"] == np.mean(p.argmax(1) == y)
    rows = scores("categorical", "CategoricalCrossentropy", np.eye(3)[y], p)
    assert rows["loss"] == pytest.approx(found["loss"])
    q, t = np.array([[0.2], [0.8], [0.9]]), np.array([0, 0, 1])
    two = scores("binary", "BinaryCrossentropy", t, q)
    expected = -np.mean(np.log([0.8, 0.2, 0.9]))
    assert two["loss"] == pytest.approx(expected) and two["recall"] == [0.5, 1.0]
    amounts = scores("regression", "MeanSquaredError", t, q)
    assert amounts["error"] == pytest.approx(np.mean((q[:, 0] - t) ** 2) / t.var())
    assert "loss" not in scores("sparse", "SparseCategoricalCrossentropy", y, p * 9)
    assert "accuracy" not in scores("categorical", "CategoricalCrossentropy", y[:2], p)


def test_constant_predictions_score_the_entropy_or_the_variance():
    y = np.array([0, 0, 0, 1])
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    for task, targets in (("sparse", y), ("binary", y), ("categorical", np.eye(2)[y])):
        loss, accuracy = constant_scores(task, "BinaryCrossentropy", targets)
        assert loss == pytest.approx(entropy) and accuracy == 0.75
    alternating = np.array([0, 1, 0, 1])
    assert constant_scores("binary", None, alternating)[1] == 0.5
    shares = np.array([[0.2, 1.0], [0.3, 0.5]])
    means = shares.mean(0)
    entropies = -means * np.log(means) - (1 - means) * np.log(1 - means)
    found = constant_scores("regression", "BinaryCrossentropy", shares)
    assert found == (pytest.approx(entropies.mean()), None)
    amounts = RANDOM.normal(size=9)
    assert constant_scores("regression", "MeanSquaredError", amounts)[0] == (
        pytest.approx(amounts.var())
    )
    middle = np.abs(amounts - np.median(amounts)).mean()
    found = constant_scores("regression", "MeanAbsoluteError", amounts)
    assert found == (pytest.approx(middle), None)
    assert constant_scores("unknown", None, amounts) == (None, None)


def test_simple_models_reach_what_there_is_to_reach():
    x = RANDOM.normal(size=(400, 3))
    line = reachable([x], x @ [1.0, -2.0, 0.5], "regression")
    assert line["linear"] > 0.95 and line["best"] >= line["linear"]
    product = reachable([x], (x[:, 0] * x[:, 1] > 0).astype(int), "binary")
    assert product["linear"] < 0.2 and product["best"] > 0.6
    noise = reachable([x], RANDOM.integers(0, 2, 400), "binary")
    assert noise["best"] < 0.2
    assert reachable([x[:20]], np.arange(20.0), "regression") is None
    assert reachable([np.array(["a"] * 50)], np.arange(50.0), "regression") is None


def test_equal_inputs_with_other_labels_contradict_each_other():
    x = np.array([[0, 0], [0, 1], [0, 0], [1, 1]])
    assert contradictions([x], np.array([0, 1, 1, 0])) == 0.5
    assert contradictions([x], np.array([0, 1, 0, 0])) == 0.0
    # Inputs without columns are all alike.
    assert contradictions([x[:, :0]], np.array([0, 1, 0, 0])) == 1.0


def test_the_facts_of_an_output_hold_the_scores_of_a_constant():
    y, p = np.array([0, 1, 1, 1]), RANDOM.normal(size=(4, 3))
    loss = {"class": "SparseCategoricalCrossentropy", "config": {"from_logits": True}}
    found = Output("name", loss, "linear", y, p)
    assert found.facts["baseline_accuracy"] == 0.75
    entropy = -(math.log(0.25) + 3 * math.log(0.75)) / 4
    assert found.facts["baseline_loss"] == pytest.approx(entropy)
    assert found.facts["units"] == 3 and found.facts["shape"] == [3]
    assert found.facts["task"] == "sparse" and found.facts["from_logits"]
    # Scores take logits as probabilities.
    shares = np.exp(p) / np.exp(p).sum(1, keepdims=True)
    expected = -np.log(shares[range(4), y]).mean()
    assert found.scores(p)["loss"] == pytest.approx(expected)
    assert found.scores(p)["spread"] == pytest.approx(shares.std(0).mean())
    assert found.scores(np.where(p > p.min(), p, np.nan))["nonfinite"] == pytest.approx(
        1 / 12
    )


def test_the_facts_of_an_output_with_an_unknown_loss_hold_no_score():
    # These may be counts as well as classes.
    found = Output("name", "mine", "linear", np.array([0.0, 3.0]), np.zeros((2, 1)))
    assert found.facts["task"] == "unknown" and found.facts["loss_name"] == "mine"
    assert found.facts["guessed"] and "baseline_loss" not in found.facts
    expected = {"spread": 0.0, "nonfinite": 0.0, "size": 0.0}
    assert found.scores(np.zeros((2, 1))) == expected


def test_targets_and_outputs_suggest_the_task_of_an_unknown_loss():
    y, p = np.array([0.0, 1.0, 1.0]), np.array([[0.1], [0.4], [0.7]])
    found = Output("name", "mine", "linear", y, p)
    assert found.facts["task"] == "binary" and found.facts["guessed"]
    assert found.scores(p)["error"] == pytest.approx(0.0)
    known = Output("name", {"class": "Mystery", "config": {}}, "linear", y, p)
    assert known.facts["task"] == "unknown" and not known.facts["guessed"]


def test_predictions_without_a_finite_number_have_no_size():
    found = Output("name", None, "linear", np.arange(2.0), np.zeros((2, 1)))
    scored = found.scores(np.full((2, 1), np.nan))
    assert scored["size"] == 0.0 and scored["nonfinite"] == 1.0


def test_outputs_have_the_losses_of_their_names_and_the_activations_of_their_layers():
    inputs = keras.Input((2,))
    made = [
        keras.layers.Dense(1, "tanh", name="b")(inputs),
        keras.layers.Dense(2, "sigmoid", name="a")(inputs),
    ]
    model = keras.Model(inputs, made)
    losses = {
        "a": {"class": "Hinge", "config": {}},
        "b": {"class": "Mine", "config": {}},
    }
    y = [np.zeros(3), np.ones((3, 2))]
    b, a = outputs_of(model, losses, y, [np.zeros((3, 1)), np.zeros((3, 2))])
    assert (b.name, b.loss, b.facts["activation"]) == ("b", "Mine", "tanh")
    assert (a.name, a.loss, a.facts["activation"]) == ("a", "Hinge", "sigmoid")
    assert a.targets.shape == (3, 2)
    # One loss for all, or a list.
    one = losses["a"]
    for given, expected in (
        (one, ["Hinge"] * 2),
        ([losses["b"], one], ["Mine", "Hinge"]),
    ):
        found = outputs_of(model, given, y, [np.zeros((3, 1)), np.zeros((3, 2))])
        assert [output.loss for output in found] == expected


def test_the_last_layer_of_a_sequential_model_gives_the_activation():
    kinds = "relu", "tanh", "softplus", "sigmoid"
    stack = [keras.layers.Dense(2, kind) for kind in kinds]
    model = keras.Sequential([keras.Input((2,)), *stack])
    [found] = outputs_of(model, None, None, np.zeros((3, 2)))
    assert found.facts["activation"] == "sigmoid" and found.targets is None


def test_inputs_are_named_by_their_keys_or_their_places():
    x, y = np.zeros(2), np.ones(2)
    assert [name for name, _ in named_inputs(x)] == ["input"]
    assert [name for name, _ in named_inputs([x])] == ["input"]
    assert [name for name, _ in named_inputs([x, y])] == ["input_1", "input_2"]
    assert named_inputs({"a": x, "b": y}) == [("a", x), ("b", y)]


def test_a_probability_of_a_half_is_that_of_the_first_class():
    y, p = np.array([0, 0, 1]), np.array([[0.5], [0.4], [0.6]])
    assert scores("binary", "BinaryCrossentropy", y, p)["accuracy"] == 1.0


def test_targets_in_a_dict_belong_to_the_only_output():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    y = {"of any name": np.arange(3.0)}
    [found] = outputs_of(model, None, y, np.zeros((3, 1)))
    assert found.name == "output" and list(found.targets) == [0, 1, 2]


def test_rows_of_two_parts_are_compared():
    train, other = np.arange(8.0).reshape(4, 2), np.array([[0.0, 1.0], [9.0, 1.0]])
    assert same_rows(train, other) == 0.5
    assert same_rows(train, np.concatenate([train[:3], other[1:]])) == 0.75
    assert outside(train, other) == 0.5 and outside(train, train) == 0.0
    assert outside(train, other[:, :1]) == 0.0


def test_weights_stay_with_their_samples():
    x, weights = np.arange(30.0)[:, None], np.arange(30.0) / 10
    found = sample_of(x, x, weights)
    np.testing.assert_allclose(found.weights, found.x[:, 0] / 10)
    np.testing.assert_array_equal(found.y, found.x)
    first = found.first_samples(20)
    np.testing.assert_allclose(first.weights, first.x[:, 0] / 10)
    assert len(first.weights) == first.size == 20 and first.rows == 30


def test_some_outputs_may_have_no_weights():
    x = np.arange(30.0)[:, None]
    found = sample_of(x, {"a": x, "b": x}, {"a": x[:, 0], "b": None})
    first = found.first_samples(20)
    np.testing.assert_array_equal(first.weights["a"], first.x[:, 0])
    assert first.weights["b"] is None
    assert sample_of(x, x).weights is None


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("column", [False, True])
def test_weights_of_classes_are_those_of_fit(rows, column):
    y = np.arange(30) % 3
    given = np.eye(3)[y] if rows else y[:, None] if column else y
    found = sample_of(y[:, None], given, class_weight={0: 2.0, 2: 0.5})
    expected = np.array([2.0, 1.0, 0.5])[found.x[:, 0]]
    np.testing.assert_array_equal(found.weights, expected)
    # Weights of samples come first.
    found = sample_of(y[:, None], given, np.ones(30), {0: 2.0})
    np.testing.assert_array_equal(found.weights, np.ones(30))


def test_the_facts_of_classes_hold_their_mean_weights():
    x, y = np.arange(30.0)[:, None], np.arange(30) % 3
    loss = {"class": "SparseCategoricalCrossentropy", "config": {}}
    sample = sample_of(x, y, class_weight={0: 2.0, 2: 0.5})
    output = Output("name", loss, None, sample.y, np.ones((30, 3)), sample.weights)
    [found] = facts_of_outputs(sample, [output])["outputs"]
    assert found["class_weights"] == [2.0, 1.0, 0.5] and found["weighted"]
    assert found["baseline_accuracy"] == pytest.approx(2 / 3.5)


def test_an_ignored_class_weighs_nothing():
    y = np.array([0, 0, 1, 5, 5, 5])
    loss = {"class": "SparseCategoricalCrossentropy", "config": {"ignore_class": 5}}
    found = Output("name", loss, None, y, np.ones((6, 6)))
    assert found.facts["baseline_accuracy"] == pytest.approx(2 / 3)


def test_none_of_what_varies_lies_between_shuffled_batches():
    y = np.random.default_rng(3).integers(0, 4, 4000)
    assert share_between(np.split(y, 40)) < 0.02
    amounts = np.random.default_rng(3).normal(size=(4000, 2))
    assert share_between(np.split(amounts, 40)) < 0.02


def test_all_of_what_varies_lies_between_batches_of_one_class():
    y = np.repeat(np.arange(5), 8)
    assert share_between(np.split(y, 5)) == 1.0
    assert share_between(np.split(np.eye(5)[y], 5)) == 1.0
    # Half of the batches are mixed.
    mixed = [np.zeros(8), np.ones(8), *[np.arange(8) % 2] * 2]
    assert 0.3 < share_between(mixed) < 0.7


def test_few_or_equal_or_unlike_batches_tell_nothing():
    y = np.repeat(np.arange(3), 8)
    assert share_between(np.split(y, 3)) is None
    assert share_between([np.ones(4)] * 5) is None
    assert share_between([np.arange(1)] * 5) is None
    # Padded to the longest text of each batch.
    assert share_between([np.ones((4, n)) for n in range(3, 8)]) is None


def test_batches_are_compared_where_fit_does_not_shuffle():
    y = np.repeat(np.arange(5), 8)
    found = sample_of(y[:, None], y, batch_size=8, shuffled=False)
    assert found.of_batches == 1.0 and not found.whole
    assert sample_of(y[:, None], y, batch_size=8).of_batches is None
    assert sample_of(y[:, None], y).of_batches is None


def test_a_batch_of_all_samples_keeps_their_order():
    x = np.arange(12.0).reshape(6, 2)
    found = sample_of(x, x[:, 0], batch_size=6, shuffled=False)
    assert found.whole and np.array_equal(found.x, x)
    assert not sample_of(x, x[:, 0], batch_size=6).whole


def test_rows_without_weight_leak_nothing():
    x = np.arange(200.0).reshape(100, 2)
    train = np.arange(100) < 60
    sample = sample_of(x, x[:, 0], train.astype(float))
    validation = sample_of(x, x[:, 0], (~train).astype(float))
    assert facts_of_inputs(sample, validation)["validation"]["in_training"] == 0.0
    alike = facts_of_inputs(sample, sample_of(x, x[:, 0]))["validation"]["in_training"]
    assert alike == pytest.approx(0.6)


def test_padding_is_where_the_input_is_zero_and_the_target_is_one_value():
    x = np.array([[3, 4, 5, 0], [6, 0, 0, 0], [7, 8, 9, 1]])
    tags = np.where(x > 0, x % 2 + 1, 0)
    assert padding_of([x], tags) == pytest.approx(4 / 12)
    assert padding_of([x], tags[..., None]) == pytest.approx(4 / 12)
    assert padding_of([x[:, ::-1]], tags[:, ::-1]) == pytest.approx(4 / 12)
    vectors = np.repeat(x[..., None], 2, -1).astype("float32")
    assert padding_of([np.ones((3, 2)), vectors], tags) == pytest.approx(4 / 12)
    # Targets vary where the input is zero, or it is zero in between only.
    assert padding_of([x], np.arange(12).reshape(3, 4)) is None
    between = np.array([[1, 0, 0, 2]] * 3)
    assert padding_of([between], np.where(between > 0, 1, 0)) is None
    # No positions, amounts, or another length.
    assert padding_of([x], tags[:, 0]) is None
    assert padding_of([x], tags + 0.5) is None
    assert padding_of([x[:, :3]], tags) is None


def test_columns_that_are_another_constant_in_each_class_tell_it():
    y = np.arange(30) % 3
    x = np.random.default_rng(3).normal(size=(30, 4))
    x[:, 2] = np.array([5.0, -1.0, 2.0])[y]
    assert telling_columns(x, y) == telling_columns(x, np.eye(3)[y]) == [2]
    assert telling_columns(x, y[:, None]) == [2]
    # Equal in two classes, not constant in one, or the only column.
    x[:, 2] = np.array([5.0, 5.0, 2.0])[y]
    assert telling_columns(x, y) == []
    x[:, 2], x[0, 2] = y, 7
    assert telling_columns(x, y) == []
    assert telling_columns(y[:, None] * 1.0, y) == []
    # Too few samples of a class.
    x[:, 2], few = np.arange(30) == 0, (np.arange(30) == 0).astype(int)
    assert telling_columns(x, few) == []


def test_columns_do_not_tell_classes_of_positions():
    x, y = np.zeros((30, 4)), np.arange(90).reshape(30, 3) % 2
    x[:, 1] = y.argmax(1)
    assert telling_columns(x, y) == []
    assert telling_columns(x, np.eye(2)[y]) == []


def test_samples_leak_if_all_their_inputs_do():
    a, b = np.arange(40.0).reshape(20, 2), np.arange(20.0)[:, None]
    train = sample_of({"a": a, "b": b}, b)
    for x, share in (
        ({"a": a[:10], "b": b[:10]}, 1.0),
        ({"b": b[:10], "a": a[:10]}, 1.0),
        ({"a": a[:10], "b": b[10:]}, 0.0),
        ({"a": a[:10], "b": np.append(b[:5], b[15:], 0)}, 0.5),
        ({"a": a[:10], "b": a[:10]}, 0.0),
    ):
        facts = facts_of_inputs(train, sample_of(x, b[:10]))
        assert facts["validation"]["in_training"] == share


def test_validation_is_compared_with_the_input_of_its_name():
    a, b = np.arange(20.0)[:, None], np.arange(20.0)[:, None] + 100
    train, other = sample_of({"a": a, "b": b}, b), sample_of({"b": b, "a": a}, b)
    assert facts_of_inputs(train, other)["validation"]["outside"] == 0.0


@pytest.mark.parametrize(
    ("train", "other", "share"),
    [
        (np.arange(4.0, dtype="float32"), np.arange(4.0), 1.0),
        (np.float32([0.1, 0.2]), np.array([0.1, 0.3]), 0.5),
        (np.arange(4), np.array([0.5, 2.0]), 0.5),
        (np.arange(4.0), np.arange(2, 6), 0.5),
        (np.array(["cat", "dog"]), np.array(["catfish", "dog"]), 0.5),
    ],
)
def test_values_of_other_types_leak_if_they_are_equal(train, other, share):
    samples = [Sample(values[:, None], None) for values in (train, other)]
    facts = facts_of_inputs(samples[0], samples[1])
    assert facts["validation"]["in_training"] == share


def test_batches_are_joined_to_a_sample():
    x, y = np.arange(24.0).reshape(12, 2), np.repeat(np.arange(4), 3)
    weights = np.arange(12.0)
    batches = [
        (x[n : n + 3], y[n : n + 3], weights[n : n + 3]) for n in range(0, 12, 3)
    ]
    found = sample_of_batches(batches)
    np.testing.assert_array_equal(found.x, x)
    np.testing.assert_array_equal(found.y, y)
    np.testing.assert_array_equal(found.weights, weights)
    assert found.streamed and found.of_batches == 1.0 and found.rows == 12
    facts = facts_of_inputs(found, None)
    assert facts["streamed"] and facts["of_batches"] == 1.0
    alone = sample_of_batches([(batch[0],) for batch in batches])
    assert alone.y is None and alone.weights is None and alone.of_batches is None
    assert not sample_of(x, y).streamed


def test_of_batches_that_cannot_be_joined_the_first_is_used():
    batches = [(np.ones((4, n)), np.ones((4, n))) for n in range(3, 8)]
    found = sample_of_batches(batches)
    assert found.x.shape == found.y.shape == (4, 3) and found.of_batches is None


def test_validation_needs_no_targets():
    x = np.arange(20.0)[:, None]
    for data in (x[:5], (x[:5],)):
        found = validation_of({"validation_data": data})
        assert found.y is None and found.size == 5
        facts = facts_of_inputs(sample_of(x, x), found)["validation"]
        assert facts["outputs"] == [] and "targets_outside" not in facts
        assert facts["in_training"] == 1.0 and facts["rows"] == 5
    assert validation_of({}) is None
    with_targets = validation_of({"validation_data": (x[:5], x[:5] + 100)})
    facts = facts_of_inputs(sample_of(x, x), with_targets)["validation"]
    assert facts["targets_outside"] == 1.0 and facts["outside"] == 0.0
