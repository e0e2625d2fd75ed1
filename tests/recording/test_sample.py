"""Facts, scores and simple models, compared with numpy."""

import math

import keras
import numpy as np
import pytest

from kcomponents._recording.outputs import Output, outputs_of
from kcomponents._recording.sample import (
    contradictions,
    input_facts,
    named_inputs,
    outside,
    same_rows,
    target_facts,
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
    assert two["loss"] == pytest.approx(expected) and two["recall"] == [1.0, 0.5]
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
    found = Output("name", "mine", "linear", np.array([0.0, 1.0]), np.zeros((2, 1)))
    assert found.facts["task"] == "unknown" and found.facts["loss_name"] == "mine"
    assert "baseline_loss" not in found.facts
    assert found.scores(np.zeros((2, 1))) == {"spread": 0.0, "nonfinite": 0.0}


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
