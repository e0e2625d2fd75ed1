"""Each activation behind each kind of loss: reported where its outputs do not fit."""

import pytest

from kcomponents._activation_traits import TRAITS
from kcomponents.doctor import examine
from tests.doctor.cases import OUTPUT, record

pytestmark = pytest.mark.any_backend

PROBABILITIES = {"hard_sigmoid", "sigmoid", "softmax", "sparse_sigmoid", "sparsemax"}
ONE_UNIT = {OUTPUT + "units": 1, OUTPUT + "shape": [1]}
BINARY = {
    OUTPUT + "loss": "BinaryCrossentropy",
    OUTPUT + "task": "binary",
    OUTPUT + "target__max": 1.0,
    **ONE_UNIT,
}


def evidence(activation, **changes):
    """Return what the rule says about an output with this activation."""
    made = record((), **changes, **{OUTPUT + "activation": activation})
    found = examine(made, rules=["wrong_output"]).findings
    return found[0].evidence[0] if found else ""


@pytest.mark.parametrize("activation", TRAITS)
def test_binary_cross_entropy_needs_an_activation_that_gives_probabilities(activation):
    found = evidence(activation, **BINARY)
    if activation in PROBABILITIES:
        alone = activation in ("softmax", "sparsemax")
        assert ("over a single unit" in found) == alone and bool(found) == alone
    else:
        words = f"expects probabilities, but the output's activation is {activation}"
        assert words in found


@pytest.mark.parametrize("activation", TRAITS)
def test_categorical_cross_entropy_needs_probabilities_that_sum_to_one(activation):
    found = evidence(activation)
    if activation in ("softmax", "sparsemax"):
        assert not found
    elif activation in PROBABILITIES:
        assert "gives independent ones" in found
    else:
        assert "expects probabilities" in found


@pytest.mark.parametrize("activation", TRAITS)
def test_a_loss_on_logits_takes_anything_but_probabilities(activation):
    found = evidence(activation, **BINARY, **{OUTPUT + "from_logits": True})
    assert ("makes the loss apply sigmoid" in found) == (
        activation in PROBABILITIES - {"softmax", "sparsemax"}
    )


@pytest.mark.parametrize("activation", [None, "custom", "lstm", "my_probabilities"])
def test_an_unknown_activation_is_not_judged(activation):
    assert not evidence(activation, **BINARY) and not evidence(activation)


AMOUNTS = {
    OUTPUT + "task": "regression",
    OUTPUT + "loss": "MeanSquaredError",
    OUTPUT + "target__integer": False,
    OUTPUT + "target__values": None,
    OUTPUT + "target__mean": 0.0,
    OUTPUT + "target__std": 1.0,
    **ONE_UNIT,
}
REACH = {
    "tanh": (-1, 1),
    "hard_tanh": (-1, 1),
    "softsign": (-1, 1),
    "relu6": (0, 6),
    "exponential": (0, None),
    "gelu": (-0.17, None),
    "selu": (-1.76, None),
    "log_sigmoid": (None, 0),
}


@pytest.mark.parametrize("activation", REACH)
def test_targets_beyond_the_range_of_the_activation_are_reported(activation):
    targets = {OUTPUT + "target__min": -9.0, OUTPUT + "target__max": 9.0}
    found = evidence(activation, **{**AMOUNTS, OUTPUT + "target__std": 4.0}, **targets)
    low, high = REACH[activation]
    limits = f"from {low} to {high}"
    if high is None:
        limits = f"of at least {low}"
    elif low is None:
        limits = f"of at most {high}"
    assert f"{activation} only gives values {limits}." in found


@pytest.mark.parametrize(
    "activation", ["elu", "celu", "leaky_relu", "linear", "custom"]
)
def test_an_activation_without_a_fixed_bound_may_give_any_target(activation):
    targets = {OUTPUT + "target__min": -9.0, OUTPUT + "target__max": 9.0}
    assert not evidence(activation, **AMOUNTS, **targets)
