"""The first batches of data in any form."""

import keras
import numpy as np
import pytest

from kcomponents.treatment._batches import first_batches

pytestmark = pytest.mark.any_backend
X = np.arange(10.0).reshape(5, 2)
Y = X.sum(1)


def test_arrays_are_shuffled_and_samples_stay_together():
    found = first_batches(X, Y, Y + 1, batch_size=2, count=3)
    assert [len(x) for x, _, _ in found] == [2, 2, 1]
    x, y, weights = (np.concatenate(part) for part in zip(*found, strict=True))
    np.testing.assert_array_equal(np.sort(y), Y)
    assert (y != Y).any()
    np.testing.assert_array_equal(x.sum(1), y)
    np.testing.assert_array_equal(weights, y + 1)
    other = first_batches(X, Y, None, batch_size=2, count=3, seed=1)
    assert any((a[1] != b[1]).any() for a, b in zip(found, other, strict=True))


def test_nested_inputs_keep_their_structure():
    [(x, y, weights)] = first_batches({"a": X, "b": [Y, X]}, None, None, 4, 1)
    np.testing.assert_array_equal(x["a"], x["b"][1])
    assert x["b"][0].shape == (4,) and y is weights is None


def test_batches_of_an_iterable_are_repeated_if_there_are_too_few():
    batches = [(X[:2], Y[:2]), (X[2:], Y[2:])]
    found = first_batches(iter(batches), None, None, 32, 3)
    for (x, y, weights), number in zip(found, (0, 1, 0), strict=True):
        np.testing.assert_array_equal(x, batches[number][0])
        np.testing.assert_array_equal(y, batches[number][1])
        assert weights is None
    [(x, y, _)] = first_batches(iter([X[:2]]), None, None, 32, 1)
    np.testing.assert_array_equal(x, X[:2])
    assert y is None


class Pairs(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, number):
        return X[number : number + 2], Y[number : number + 2]


def test_batches_of_a_pydataset_are_taken_by_their_numbers():
    found = first_batches(Pairs(), None, None, 32, 3)
    assert [x[0, 0] for x, _, _ in found] == [0.0, 2.0, 0.0]
    endless = type("Endless", (Pairs,), {"num_batches": None})()
    found = first_batches(endless, None, None, 32, 3)
    assert [x[0, 0] for x, _, _ in found] == [0.0, 2.0, 4.0]


def test_only_the_batches_that_are_needed_are_drawn():
    source = iter([(X, Y)] * 3)
    first_batches(source, None, None, 32, 1)
    assert len(list(source)) == 2


def test_data_without_samples_in_common_are_refused():
    with pytest.raises(ValueError, match=r"same number.*Received: lengths=\[4, 5\]"):
        first_batches(X, Y[:4], None, 2, 1)
    with pytest.raises(ValueError, match="at least one batch"):
        first_batches(iter([]), None, None, 2, 1)
