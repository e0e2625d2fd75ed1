"""Remedies: one name for each setting, and code for the layer of the finding."""

import re

import keras
import pytest

import kcomponents
from kcomponents.doctor import LABELS, RULES, _remedies, examine
from tests.doctor.cases import SICK, SICK_TOO, record, sick

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
        _remedies.constant_inputs,
        _remedies.unlike_validation_scale,
        _remedies.duplicate_samples,
        _remedies.frozen_weights,
        _remedies.vanishing_gradient_over_time,
        lambda: _remedies.unnormalized_input(pixels=True),
    )
    names |= {remedy.setting for make in of_data for remedy in make()}
    assert names == _remedies.SETTINGS.keys()
