"""The work of looks is limited by that of training; shapes tell how much it is."""

import keras
import numpy as np
import pytest

from kcomponents._recording.work_budget import (
    LOAN,
    LOAN_SAMPLES,
    PASSES,
    SHARE,
    Work,
    WorkBudget,
    operations_of,
    training_work,
)
from kcomponents.probes import structure

layers = keras.layers


def counted(stack, shape, dtype="float32"):
    """Return the operations of a stack of layers, without those of its input."""
    model = keras.Sequential([keras.Input(shape, dtype=dtype), *stack])
    return operations_of(structure(model), [np.ones((2, *shape), dtype)]) - np.prod(
        shape
    )


@pytest.mark.any_backend
def test_a_loan_is_spent_before_training():
    budget = WorkBudget(1000)
    assert budget.loan == budget.left == LOAN
    assert budget.grants(LOAN / 2, "a") and budget.left == LOAN / 2
    assert WorkBudget(1e9).loan == LOAN_SAMPLES * 1e9
    # A model without any work has samples too.
    assert WorkBudget(0).per_sample == 1.0


@pytest.mark.any_backend
def test_training_earns_a_share_of_its_work():
    budget = WorkBudget(1e6)
    budget.add_training(500)
    assert budget.trained == PASSES * 500 * 1e6
    assert budget.left == LOAN + SHARE * PASSES * 500 * 1e6


@pytest.mark.any_backend
def test_training_may_take_another_share_of_the_passes():
    budget = WorkBudget(1e6, Work(1e6, 2e5))
    budget.add_training(10)
    assert budget.trained == 1.2e7
    expected = int((LOAN / 2 + SHARE * 10_000 * 1.2e6) / 1e6 / 5)
    assert budget.sample_size(10_000, 4, 5000) == expected


@pytest.mark.any_backend
def test_what_is_refused_is_listed_and_costs_nothing():
    budget = WorkBudget(1000)
    assert not budget.grants(2 * LOAN, "pairs")
    assert not budget.grants(3 * LOAN, "labels") and not budget.grants(
        2 * LOAN, "pairs"
    )
    assert budget.spent == 0.0 and budget.grants(LOAN, "all")
    assert not budget.grants(1, "more")
    assert budget.to_dict() == {
        "per_sample": 1000.0,
        "trained": 0.0,
        "looks": LOAN,
        "loan": LOAN,
        "refused": ["labels", "more", "pairs"],
    }


@pytest.mark.any_backend
def test_a_sample_is_as_large_as_the_work_of_all_readings_allows():
    budget = WorkBudget(1e6)
    # Half of the loan, and the share of training, for four readings and the first.
    expected = int((LOAN / 2 / 1e6 + SHARE * PASSES * 10_000) / 5)
    assert budget.sample_size(10_000, 4, 5000) == expected
    assert budget.sample_size(10_000, 4, 100) == 100
    assert budget.sample_size(10_000, 1000, 5000) == LOAN_SAMPLES
    assert WorkBudget(1e12).sample_size(0, 4, 512) == LOAN_SAMPLES
    assert WorkBudget(1e12).sample_size(0, 4, 8) == 8
    assert isinstance(budget.sample_size(10_000, 4.5, 5000), int)


def test_a_dense_layer_multiplies_once_for_each_row():
    assert counted([layers.Dense(5)], (3,)) == 2 * (3 * 5 + 5)
    assert counted([layers.Dense(5)], (7, 3)) == 7 * 2 * (3 * 5 + 5)
    stack = [layers.Flatten(), layers.Dense(5, use_bias=False)]
    assert counted(stack, (7, 3)) == 2 * 21 * 5


def test_a_convolution_multiplies_at_each_place():
    stack = [layers.Conv2D(4, 3, padding="same", data_format="channels_last")]
    assert counted(stack, (8, 6, 2)) == 8 * 6 * 2 * (9 * 2 * 4 + 4)
    stack = [layers.Conv2D(4, 3, strides=2, data_format="channels_last")]
    assert counted(stack, (9, 7, 2)) == 4 * 3 * 2 * (9 * 2 * 4 + 4)


def test_an_embedding_costs_the_size_of_its_output():
    assert counted([layers.Embedding(1000, 8)], (20,), "int32") == 20 * 8
    small = counted([layers.Embedding(10, 8), layers.Flatten()], (20,), "int32")
    assert small == 20 * 8


def test_a_recurrent_layer_multiplies_in_each_step():
    of_cell = 2 * (4 * 3 * 5 + 4 * 5 * 5 + 4 * 5)
    assert counted([layers.LSTM(5)], (7, 3)) == 7 * of_cell
    stack = [layers.Embedding(1000, 3), layers.LSTM(5)]
    assert counted(stack, (7,), "int32") == 7 * 3 + 7 * of_cell


def test_layers_inside_of_others_multiply_at_each_position():
    ids = keras.Input((7,), dtype="int32")
    x = layers.Embedding(1000, 8)(ids)
    attention = layers.MultiHeadAttention(2, 4)
    model = keras.Model(ids, attention(x, x))
    found = operations_of(structure(model), [np.ones((2, 7), "int32")])
    assert found == 7 + 7 * 8 + 7 * 2 * 4 * (8 * 8 + 8)


def test_sizes_that_the_model_leaves_open_are_those_of_the_sample():
    stack = [layers.Embedding(1000, 3), layers.Dense(5)]
    model = keras.Sequential([keras.Input((None,), dtype="int32"), *stack])
    found = operations_of(structure(model), [np.ones((2, 7), "int32")])
    assert found == 7 + 7 * 3 + 7 * 2 * (3 * 5 + 5)


class Tagger(keras.Model):
    def __init__(self):
        super().__init__()
        self.embedding, self.last = layers.Embedding(1000, 3), layers.Dense(5)

    def call(self, ids):
        return self.last(self.embedding(ids))


def test_a_subclassed_model_is_counted_at_the_positions_of_its_inputs():
    model, ids = Tagger(), np.ones((2, 7), "int32")
    model(ids)
    found = operations_of(structure(model), [ids])
    assert found == 7 + 7 * 3 + 7 * 2 * (3 * 5 + 5)


@pytest.mark.any_backend
def test_a_model_without_known_layers_costs_its_inputs():
    assert operations_of({}, [np.ones((2, 3, 4)), np.ones((2, 5))]) == 17


def test_frozen_layers_take_one_pass_and_layers_at_one_position_are_dense():
    stack = [
        layers.Conv1D(2, 3, use_bias=False),
        layers.Flatten(),
        layers.Dense(5, use_bias=False),
        layers.Dense(1, use_bias=False, trainable=False),
    ]
    model = keras.Sequential([keras.Input((6, 1)), *stack])
    found = training_work(structure(model), [np.ones((2, 6, 1))])
    dense, written = PASSES * 2 * 8 * 5 + 2 * 5, PASSES * (6 + 8 + 8 + 5) + 1
    # Six inputs, and a kernel of six weights at four positions.
    assert found == Work(dense, 6 + PASSES * 2 * 6 * 4, written)
    assert found.operations == dense + found.others
