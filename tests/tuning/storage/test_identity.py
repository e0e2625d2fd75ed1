"""A store belongs to one search: another one is refused, and told what differs."""

import numpy as np
import pytest

from tests.tuning.small import build, data, search_of

pytestmark = pytest.mark.any_backend
(X, Y), VALIDATION = data()


def searched(folder, x=X, made=build, sampler="random", **changes):
    """Run a search of one trial."""
    search = search_of(folder, made, max_trials=1, sampler=sampler)
    options = {"validation_data": VALIDATION, "epochs": 1, "verbose": 0, **changes}
    search.search(x, Y, **options)
    return search.results


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    searched(folder)
    return folder


def another(x):
    """Return the array with another number in its last row."""
    return np.concatenate([x[:-1], x[-1:] + 1])


@pytest.mark.parametrize(
    ("changes", "part", "line"),
    [
        ({"x": another(X)}, "data", "float32"),
        ({"x": X.astype("float64")}, "data", "float64"),
        ({"x": X[:-1]}, "data", str(X[:-1].shape)),
        ({"validation_data": (another(X), Y)}, "fit", "float32"),
        ({"epochs": 2}, "fit", '"epochs": 2'),
        ({"shuffle": False}, "fit", '"shuffle": false'),
        ({"made": lambda hp: build(hp)}, "code", "lambda hp: build(hp)"),
        ({"sampler": "tpe"}, "settings", '"sampler": "tpe"'),
    ],
)
def test_another_search_in_the_same_store_is_refused(folder, changes, part, line):
    with pytest.raises(ValueError, match="A different search already exists") as error:
        searched(folder, **changes)
    lines = str(error.value).splitlines()
    assert f"--- {part} of the existing search" in lines
    assert any(text.startswith("+ ") and line in text for text in lines)


def test_the_same_search_goes_on_whatever_it_prints(folder):
    found = searched(folder, np.array(X), verbose=2)
    assert [trial["attempts"] for trial in found["trials"]] == [1]
