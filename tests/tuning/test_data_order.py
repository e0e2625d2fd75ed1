"""The order of the data differs between the repeats of a trial, whatever Keras does."""

import keras
import numpy as np
import pytest

from kcomponents.tuning._engine.data_order import other_order
from tests.tuning.small import data, run, search_of

FIT = keras.Model.fit


@pytest.fixture
def trained(monkeypatch):
    """Return a list of the samples of each training, which Keras does not shuffle."""
    found = []

    def fit(self, x=None, y=None, **kwargs):
        assert kwargs.pop("shuffle", True)
        assert ((x[:, 0] > 0) == y).all()
        found.append(x[:, 0].tolist())
        return FIT(self, x, y, shuffle=False, **kwargs)

    monkeypatch.setattr(keras.Model, "fit", fit)
    return found


def orders(trained, folder, **settings):
    """Return the order of the samples of each training of a search."""
    trained.clear()
    settings = {"max_trials": 2, "pruner": "none", "doctor": False, **settings}
    run(search_of(folder, **settings), epochs=1)
    return list(trained)


def test_each_repeat_sees_the_data_in_an_order_of_its_own(tmp_path, trained):
    found = orders(trained, tmp_path / "first", finalists=1, repeats=2)
    first, second, *repeats = found
    assert first == second and len(repeats) == 4
    assert len({tuple(order) for order in [first, *repeats]}) == 5
    assert {tuple(sorted(order)) for order in found} == {tuple(sorted(first))}
    assert orders(trained, tmp_path / "second", finalists=1, repeats=2) == found


def test_each_execution_of_a_trial_sees_an_order_of_its_own(tmp_path, trained):
    settings = {"executions_per_trial": 3, "max_trials": 1, "repeats": 0}
    first, *others = orders(trained, tmp_path, **settings)
    assert len({tuple(order) for order in [first, *others]}) == 3
    # The first one is given what the search was given.
    assert first == data()[0][0][:, 0].tolist()


class Given:
    """A model that keeps what `fit` is given."""

    def fit(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs
        return "history"


def given(*args, seed=0, **kwargs):
    """Return the arguments that reach `fit` in another order."""
    model = Given()
    with other_order(model, seed):
        assert model.fit(*args, **kwargs) == "history"
    assert "fit" not in vars(model)
    return model.args, model.kwargs


X = np.arange(20.0).reshape(10, 2)
Y = np.arange(10)


def test_all_arrays_are_permuted_alike():
    x = {"a": X, "b": [X[:, 0], keras.ops.convert_to_tensor(X)]}
    weight = 2.0 * Y
    (found, y), kwargs = given(x, Y, sample_weight=weight, epochs=3)
    assert sorted(y) == Y.tolist() and y.tolist() != Y.tolist()
    np.testing.assert_array_equal(found["a"], X[y])
    np.testing.assert_array_equal(found["b"][0], X[y, 0])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found["b"][1]), X[y])
    np.testing.assert_array_equal(kwargs.pop("sample_weight"), weight[y])
    assert kwargs == {"epochs": 3}


class Table:
    """An array that is read like a table of pandas."""

    def __init__(self, array):
        self.iloc, self.shape = array, array.shape


def test_tables_are_permuted_too():
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    _, found = given(x=sparse.coo_matrix(X), y=Table(Y), sample_weight=None)
    np.testing.assert_array_equal(found["x"].toarray(), X[found["y"]])
    assert found["y"].tolist() != Y.tolist() and found["sample_weight"] is None


def test_a_seed_always_gives_the_same_order_and_each_fit_another_one():
    model, found = Given(), []
    for seed in (0, 0, 1):
        with other_order(model, seed):
            for _ in range(2):
                model.fit(X, Y)
                found.append(tuple(model.args[1]))
    assert found[:2] == found[2:4] and len(set(found)) == 4


def test_the_same_samples_validate():
    _, kwargs = given(x=X, y=Y, validation_split=0.25)
    assert sorted(kwargs["y"][:7]) == [0, 1, 2, 3, 4, 5, 6]
    assert kwargs["y"][:7].tolist() != [0, 1, 2, 3, 4, 5, 6]
    assert kwargs["y"][7:].tolist() == [7, 8, 9]
    # Keras ignores the split if there are validation data.
    both = {"validation_split": 0.25, "validation_data": (X, Y)}
    seeds = [given(x=X, y=Y, seed=n, **both)[1]["y"] for n in range(5)]
    assert any(order[7:].tolist() != [7, 8, 9] for order in seeds)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return X, Y


def memory_map(folder):
    found = np.memmap(folder / "x", "float32", "w+", shape=X.shape)
    found[:] = X
    return found


@pytest.mark.parametrize(
    "kind", ["no shuffle", "batch", "dataset", "generator", "file", "lengths", "sparse"]
)
def test_what_keras_does_not_shuffle_is_left_as_it_is(kind, tmp_path):
    kwargs = {
        "no shuffle": lambda: {"x": X, "y": Y, "shuffle": False},
        "batch": lambda: {"x": X, "y": Y, "shuffle": "batch"},
        "dataset": lambda: {"x": Batches()},
        "generator": lambda: {"x": iter([(X, Y)])},
        "file": lambda: {"x": memory_map(tmp_path), "y": Y},
        "lengths": lambda: {"x": X, "y": Y[:5]},
        "sparse": lambda: {"x": _sparse(), "y": Y},
    }[kind]()
    _, found = given(**kwargs)
    assert found.keys() == kwargs.keys()
    assert all(found[name] is value for name, value in kwargs.items())


def _sparse():
    if keras.backend.backend() == "torch":
        pytest.skip("Keras has no sparse tensors on PyTorch")
    if keras.backend.backend() == "jax":
        from jax.experimental.sparse import BCOO

        return BCOO.fromdense(X)
    import tensorflow as tf

    return tf.sparse.from_dense(X)


def test_the_fit_of_a_model_of_ones_own_is_permuted_too():
    class Own(Given):
        def fit(self, data, epochs=1):
            return super().fit(data, epochs)

    model = Own()
    with other_order(model, 0):
        model.fit((X, Y), epochs=2)
    (x, y), epochs = model.args
    np.testing.assert_array_equal(x, X[y])
    assert epochs == 2 and y.tolist() != Y.tolist()
