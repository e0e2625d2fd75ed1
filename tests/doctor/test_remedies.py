"""Remedies have code for the layer of the finding."""

import keras
import pytest

import kcomponents
from kcomponents.doctor import examine
from tests.doctor.cases import SICK, record

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
