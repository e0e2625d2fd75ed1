"""Remedies: one name for each setting, and code for the layer of the finding."""

import ast
import re

import keras
import numpy as np
import pytest

import kcomponents
from kcomponents.doctor import LABELS, RULES, _remedies, examine
from kcomponents.doctor._case import Case
from tests.doctor.cases import (
    OUTPUT,
    SICK,
    SICK_TOO,
    STUCK,
    finding,
    record,
    sick,
)

DEAD = SICK["dead_relu"]
VARIABLES = "variables__0__shape"


def remedy(**changes):
    """Return the code of the remedy for dead units in the first layer."""
    accuracies, looks, logs, others = DEAD
    looks = {**looks, "dead_units": {"first": 0.9, "second": 0.1}}
    made = record(accuracies, looks, logs, **{**others, **changes})
    [found] = [f for f in examine(made).findings if f.label == "dead_relu"]
    assert found.where == "first"
    return found.remedies[0].code


def layer(code):
    """Run the code and return the layer that it makes."""
    names = {"keras": keras, "kcomponents": kcomponents}
    exec(code, names)
    return names["layer"]


def test_a_dense_layer_keeps_its_units():
    made = layer(remedy(layers__0__units=100))
    assert isinstance(made, keras.layers.Dense) and made.units == 100


@pytest.mark.parametrize(
    ("kind", "shape", "size"),
    [
        ("Conv1D", [5, 2, 12], (5,)),
        ("Conv2D", [3, 3, 1, 12], (3, 3)),
        ("Conv2D", [1, 7, 1, 12], (1, 7)),
        ("Conv3D", [2, 2, 2, 1, 12], (2, 2, 2)),
    ],
)
def test_a_convolution_keeps_its_filters_and_their_size(kind, shape, size):
    changes = {"layers__0__class": kind, "layers__0__filters": 12, VARIABLES: shape}
    made = layer(remedy(**changes))
    assert isinstance(made, getattr(keras.layers, kind))
    assert made.filters == 12 and made.kernel_size == size


@pytest.mark.parametrize("units", [None, "__import__('os')", True, 2.5])
def test_what_is_not_known_is_a_usual_number(units):
    assert layer(remedy(layers__0__units=units)).units == 64


# Activation of the first layer → initializer and activation of the remedy.
STARTS = {
    "gelu": ("he_normal", "gelu"),
    "tanh": ("glorot_uniform", "tanh"),
    "selu": ("lecun_normal", "selu"),
    "linear": ("he_normal", "relu"),
    "custom": ("he_normal", "relu"),
    None: ("he_normal", "relu"),
}


@pytest.mark.parametrize("activation", STARTS)
def test_an_initializer_suits_the_activation_of_the_layer(activation):
    accuracies, _, logs, others = SICK["bad_initialization"]
    changes = {**others, "layers__0__activation": activation}
    made = record(accuracies, {}, logs, **changes)
    [found] = examine(made, rules=["bad_initialization"]).findings
    initializer, kept = STARTS[activation]
    assert found.remedies[0].values[0] == initializer
    assert layer(found.remedies[0].code).activation.__name__ == kept


def test_each_label_has_remedies_by_its_name():
    assert all(callable(getattr(_remedies, label, None)) for label in LABELS)


def of_records():
    """Return the remedies of all records with a problem."""
    found = [examine(sick(label), rules=RULES).findings for label in SICK | SICK_TOO]
    return [remedy for case in found for each in case for remedy in each.remedies]


def test_the_values_of_a_remedy_are_those_of_its_code():
    for remedy in of_records():
        kinds = {type(value) for value in remedy.values}
        if bool in kinds:
            # It switches something on.
            assert remedy.values == (True,), remedy
        elif kinds & {int, float}:
            numbers = re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", remedy.code)
            assert {*map(float, numbers)} & {*map(float, remedy.values)}, remedy


def test_each_remedy_changes_a_setting_of_the_catalog():
    names = {remedy.setting for remedy in of_records()}
    of_data = (
        _remedies.nonfinite_samples,
        _remedies.constant_targets,
        _remedies.contradictory_labels,
        _remedies.constant_input,
        _remedies.unlike_validation_scale,
        _remedies.duplicate_samples,
        _remedies.frozen_layers,
        _remedies.balanced_weights,
        _remedies.vanishing_gradient_over_time,
        lambda: _remedies.unnormalized_input(pixels=True),
    )
    names |= {remedy.setting for make in of_data for remedy in make()}
    names |= {remedy.setting for made in MORE.values() for remedy in made()}
    assert names == _remedies.SETTINGS.keys()


# Remedies that depend on what the model has already


def layers(*facts):
    """Return a run whose layers are these, each the facts beside its path."""
    named = [{"path": f"layer{n}", **layer} for n, layer in enumerate(facts)]
    return Case(record(STUCK, layers=named))


def settings(remedies):
    return [remedy.setting for remedy in remedies]


DROPOUT = {"class": "Dropout", "rate": 0.9}
NOISE = {"class": "GaussianNoise", "stddev": 9.0}
PENALTY = {"class": "Dense", "kernel_regularizer": {"class": "L2", "config": {}}}
BOUND = {"class": "Dense", "bias_constraint": {"class": "MaxNorm", "config": {}}}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ((DROPOUT,), ["dropout"]),
        (({"class": "SpatialDropout1D"},), ["dropout"]),
        (({"class": "LSTM", "dropout": 0.7},), ["dropout"]),
        (({"class": "LSTM", "dropout": 0.0},), []),
        ((NOISE,), ["noise"]),
        ((PENALTY,), ["l2"]),
        ((BOUND,), ["max_norm"]),
        (({"class": "Dense"},), []),
        ((DROPOUT, NOISE, PENALTY, BOUND), ["dropout", "noise", "l2", "max_norm"]),
    ],
)
def test_only_the_regularization_that_there_is_can_be_weaker(facts, expected):
    assert settings(_remedies.over_regularized(layers(*facts))) == expected


def test_a_loss_that_a_layer_adds_can_be_weaker():
    case = Case(record(STUCK, data__added_losses=True))
    assert settings(_remedies.over_regularized(case)) == ["added_loss"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ((), ["early_stopping", "dropout", "l2"]),
        (({"class": "Dropout", "rate": 0.29},), ["early_stopping", "dropout", "l2"]),
        (({"class": "Dropout", "rate": 0.3},), ["early_stopping", "l2"]),
        ((PENALTY,), ["early_stopping", "dropout"]),
        ((PENALTY, DROPOUT), ["early_stopping"]),
    ],
)
def test_regularization_that_there_is_already_is_not_proposed(facts, expected):
    assert settings(_remedies.overfitting(layers(*facts))) == expected


def test_without_a_case_all_regularization_is_proposed():
    expected = ["early_stopping", "dropout", "l2"]
    assert settings(_remedies.overfitting()) == expected


@pytest.mark.parametrize(
    ("loss", "from_logits", "code"),
    [
        ("SparseCategoricalCrossentropy", False, "SparseCategoricalCrossentropy(from"),
        ("BinaryCrossentropy", False, "BinaryCrossentropy(from_logits=True)"),
        ("BinaryCrossentropy", True, None),
        ("MeanSquaredError", False, None),
        (None, False, None),
    ],
)
def test_logits_are_proposed_against_nan_for_a_cross_entropy_without_them(
    loss, from_logits, code
):
    changes = {OUTPUT + "loss": loss, OUTPUT + "from_logits": from_logits}
    first, *others = _remedies.loss_nan(Case(record(STUCK, **changes)))
    assert first.setting == "nonfinite"
    assert settings(others) == (["from_logits"] if code else [])
    assert all(code in remedy.code for remedy in others)


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ({}, ["global_clipnorm", "learning_rate"]),
        ({"clipnorm": 1.0}, ["learning_rate"]),
    ],
)
def test_clipping_is_proposed_where_there_is_none(clip, expected):
    case = Case(record(STUCK, optimizer__clip=clip))
    assert settings(_remedies.exploding_gradient(case)) == expected


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_a_recurrent_layer_stays_one(kind):
    made = layer(remedy(layers__0__class=kind, layers__0__units=7))
    assert isinstance(made, getattr(keras.layers, kind)) and made.units == 7


@pytest.mark.parametrize(
    ("kind", "normalized", "expected"),
    [
        ("Dense", False, ["normalization", "hidden_activation"]),
        ("Dense", True, ["hidden_activation"]),
        # Its gates need their activations.
        ("LSTM", False, ["normalization"]),
        ("Bidirectional", True, []),
    ],
)
def test_saturation_is_answered_with_what_the_layer_can_have(
    kind, normalized, expected
):
    second = "LayerNormalization" if normalized else "Dense"
    case = Case(record(STUCK, layers__0__class=kind, layers__1__class=second))
    assert settings(_remedies.saturated_activation(case, "first")) == expected


def of_imbalance(output=None, **target):
    target = {"shape": [], **target}
    return _remedies.class_imbalance({**(output or {}), "target": target})


@pytest.mark.parametrize(
    ("remedies", "setting", "code"),
    [
        (of_imbalance(), "class_weight", "zip(labels"),
        (of_imbalance(shape=[1]), "class_weight", "zip(labels"),
        (of_imbalance(shape=[8]), "sample_weight", "places.reshape(y.shape)"),
        (of_imbalance(shape=[3], one_hot=True), "class_weight", "y.sum(axis=0)"),
        (of_imbalance({"class_weights": [1, 9]}), "units", "predict"),
        (_remedies.class_imbalance(), "class_weight", "zip(labels"),
    ],
)
def test_weights_suit_the_shape_of_the_targets(remedies, setting, code):
    [only] = remedies
    assert only.setting == setting and code in only.code


def test_weights_of_rare_classes_are_right_when_the_code_runs():
    class Model:
        def fit(self, x, y, **weights):
            self.weights = weights

    def weights(y, **facts):
        names = {"np": np, "x": None, "y": np.array(y), "model": Model()}
        exec(of_imbalance(**facts)[0].code, names)
        return names["model"].weights

    balanced = {0: 2 / 3, 1: 2.0}
    assert weights([0, 0, 1, 0])["class_weight"] == pytest.approx(balanced)
    one_hot = np.eye(2)[[0, 0, 1, 0]]
    found = weights(one_hot, shape=[2], one_hot=True)["class_weight"]
    assert found == pytest.approx(balanced)
    found = weights([[0, 0], [1, 0]], shape=[2])["sample_weight"]
    np.testing.assert_allclose(found, [[2 / 3, 2 / 3], [2.0, 2 / 3]])


def of_labels(**target):
    return _remedies.label_problem({"target": {"integer": True, "shape": [], **target}})


@pytest.mark.parametrize(
    ("remedies", "setting", "words"),
    [
        (of_labels(), "check_labels", "return_inverse"),
        (of_labels(shape=[1]), "check_labels", "return_inverse"),
        (_remedies.label_problem(), "check_labels", "return_inverse"),
        # Masks and amounts have no classes to number.
        (of_labels(shape=[8, 8]), "check_labels", "print(y.shape, y.dtype"),
        (of_labels(integer=False), "check_labels", "print(y.shape, y.dtype"),
        (of_labels(nonfinite=2), "drop_nonfinite_samples", "np.isfinite"),
    ],
)
def test_labels_are_numbered_where_they_are_classes(remedies, setting, words):
    [only] = remedies
    assert only.setting == setting and words in only.code


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("LSTM", "LSTM(128)"),
        ("GRU", "GRU(128)"),
        ("SimpleRNN", "SimpleRNN(128)"),
        ("Conv2D", "Conv2D(128, 3"),
        ("Dense", "Dense(128"),
    ],
)
def test_a_larger_model_has_more_of_its_layers(kind, words):
    [only] = _remedies.underfitting(layers({"class": "Dense"}, {"class": kind}))
    assert only.setting == "units" and words in only.code


def test_a_series_that_is_worse_than_its_last_value_predicts_the_change():
    reachable = {"linear": 0.5, "best": 0.9, "repeat": 0.9}
    case = Case(record((0.5,) * 3, **{OUTPUT + "reachable": reachable}))
    [only] = _remedies.underfitting(case)
    assert only.setting == "target_scaling" and only.values == ("differences",)


@pytest.mark.parametrize(
    ("activation", "loss", "from_logits", "units", "expected"),
    [
        ("linear", "SparseCategoricalCrossentropy", False, 3, True),
        ("linear", "SparseCategoricalCrossentropy", True, 3, False),
        ("relu", "SparseCategoricalCrossentropy", False, 3, False),
        ("linear", "MeanSquaredError", False, 3, False),
        ("linear", "BinaryCrossentropy", False, 1, False),
    ],
)
def test_logits_are_proposed_for_a_linear_output(
    activation, loss, from_logits, units, expected
):
    changes = {"activation": activation, "loss": loss, "from_logits": from_logits}
    changes = {OUTPUT + n: v for n, v in {**changes, "units": units}.items()}
    [output] = Case(record((), **changes)).outputs
    found = settings(_remedies.wrong_loss_or_output_activation(output))
    assert found == ["output_activation_and_loss"] + ["from_logits"] * expected


def test_a_bound_that_is_too_tight_becomes_larger_and_keeps_the_rate():
    clip = {"clipnorm": 1e-6}
    changes = {"optimizer__class": "SGD", "optimizer__clip": clip}
    made = record(STUCK, **changes, optimizer__config__learning_rate=0.02)
    [only] = finding("wrong_optimizer_setting", made).remedies
    assert only.setting == "clipnorm" and "SGD(0.02, clipnorm=1.0)" in only.code
    # Where more is wrong, the defaults come first.
    made.structure["optimizer"]["config"]["momentum"] = 1.0
    [only] = finding("wrong_optimizer_setting", made).remedies
    assert only.setting == "optimizer" and "SGD(learning_rate=0.01)" in only.code


# Label or name → records and remedies besides those of the cases.
MORE = {
    "labels of masks": lambda: of_labels(shape=[8, 8]),
    "labels": lambda: _remedies.label_problem(),
    "steps": lambda: of_imbalance(shape=[8]),
    "one-hot": lambda: of_imbalance(one_hot=True),
    "weighted": lambda: of_imbalance({"class_weights": [1, 9]}),
    "streamed": lambda: _remedies.sorted_batches(
        Case(record(STUCK, data__streamed=True))
    ),
    "embedded": lambda: _remedies.mask_missing(layers({"class": "Embedding"})),
    "regularized": lambda: _remedies.over_regularized(
        layers(DROPOUT, NOISE, PENALTY, BOUND)
    ),
    "added": lambda: _remedies.over_regularized(
        Case(record(STUCK, data__added_losses=True))
    ),
    "augmented": lambda: _remedies.train_inference_gap(None, False),
    "series": lambda: _remedies.underfitting(
        Case(record((0.5,) * 3, **{OUTPUT + "reachable": {"repeat": 0.9, "best": 0.9}}))
    ),
    "recurrent": lambda: _remedies.underfitting(layers({"class": "GRU"})),
    "images": lambda: _remedies.underfitting(layers({"class": "Conv2D"})),
    "shapes": _remedies.same_shapes,
    "scaled": lambda: _remedies.scaled_twice("Rescaling"),
    "balanced": _remedies.balanced_weights,
    "value": lambda: _remedies.wrong_optimizer_setting(Case(record()), ["clipvalue"]),
    "norm": lambda: _remedies.wrong_optimizer_setting(Case(record()), ["clipnorm"]),
}


def test_the_code_of_every_remedy_is_python():
    found = of_records() + [remedy for made in MORE.values() for remedy in made()]
    for each in found:
        ast.parse(each.code)
        assert each.code and each.reason.endswith("."), each
