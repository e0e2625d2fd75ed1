"""The main job runs on real digits, and refuses what it cannot work with."""

import argparse
import json
import sys

import numpy as np
import pytest
import quickstart
from lib.data import images

from kcomponents import tuning
from kcomponents.doctor import Diagnosis, Finding, Remedy


@pytest.mark.any_backend
def test_components_train_the_net_that_sigmoids_do_not(tmp_path, capsys):
    arguments = ["--epochs", "3", "--trials", "0", "--results", str(tmp_path)]
    quickstart.main(arguments)
    printed = capsys.readouterr().out
    lines = (tmp_path / "quickstart.jsonl").read_text().splitlines()
    before, after = (json.loads(line) for line in lines)
    assert before["val_accuracy"] < 0.2 and after["val_accuracy"] > 0.8
    assert (tmp_path / "quickstart.png").read_bytes()[1:4] == b"PNG"
    for row in (before, after):
        assert row["stop_reason"] in printed and 1 <= row["restored_epoch"] <= 3
        assert row["val_accuracy"] == row["curve"][row["restored_epoch"] - 1]
    assert "points). Of the last layer's gradient norm" in printed
    assert before["verdict"] == "not_learning" and after["verdict"] == "healthy"
    assert "vanishing_gradient" in before["findings"]
    assert "No problems found." in printed
    for page in ("sigmoid.html", "with_kcomponents.html"):
        assert (tmp_path / page).read_text().startswith("<!DOCTYPE html>")
    assert "Best of" not in printed
    # What makes the difference: the gradient does not get to the sigmoid net's start.
    for row, low, high in ((before, 0, 0.1), (after, 0.1, 100)):
        first, last = (row["grad_norms"][place][-1] for place in ("first", "last"))
        assert low < first / last < high


def arguments_of(folder, trials):
    """Return arguments of the search, for a small network and one epoch."""
    return argparse.Namespace(
        depth=6, width=32, epochs=1, seed=0, trials=trials, results=folder
    )


REMEDY = Remedy("hidden_activation", ("prelu",), "It has a slope everywhere.")
FINDING = Finding("vanishing_gradient", "", (), "high", (REMEDY,))
SICK = Diagnosis("not_learning", (FINDING,))


@pytest.mark.any_backend
def test_what_the_doctor_proposes_is_searched(tmp_path, capsys):
    quickstart.cure(SICK, images(), arguments_of(tmp_path, 2))
    printed = capsys.readouterr().out
    assert "Best of 2 short trials (1 epochs): hidden_activation=prelu, " in printed
    assert (tmp_path / "search.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.any_backend
def test_without_the_libraries_of_a_search_it_says_how(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    # A search before this one has imported it, and its libraries.
    monkeypatch.delitem(vars(tuning), "Search", raising=False)
    quickstart.cure(SICK, images(), arguments_of(tmp_path, 2))
    how = 'Skipping the search: run `pip install "kcomponents[tuning]"` to enable it.'
    assert how in capsys.readouterr().out


@pytest.mark.any_backend
def test_where_nothing_is_proposed_nothing_is_searched(tmp_path, capsys):
    data = images()
    quickstart.cure(Diagnosis("healthy", ()), data, arguments_of(tmp_path, 2))
    assert "Skipping the search: There is nothing" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["sigmoid", "relu", "prelu", "maxout"])
def test_a_remedy_changes_the_net_and_nothing_else(tmp_path, kind):
    data, args = images(), arguments_of(tmp_path, 0)
    model = quickstart.cured_net(args, data, kind, residual=True)
    assert model.output_shape == (None, 10)
    plain = quickstart.cured_net(args, data)
    same, _ = quickstart.sigmoid_net(10, args.depth, args.width)
    same.build((None, 784))
    assert plain.count_params() == same.count_params()


@pytest.mark.any_backend
def test_the_shipped_digits_are_all_there():
    (x, y), (x_val, y_val) = images()
    assert x.shape == (8000, 784) and x_val.shape == (2000, 784)
    assert x.min() == 0 and x.max() == 1 and x.dtype == "float32"
    assert set(y) == set(y_val) == set(range(10))


@pytest.mark.any_backend
def test_a_file_of_ones_own_is_split_and_scaled(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, x=np.full((20, 4, 4, 3), 7.0), y=np.arange(20) % 2)
    (x, y), (x_val, y_val) = images(path)
    assert x.shape == (16, 48) and x_val.shape == (4, 48) and len(y_val) == 4
    assert x.max() == 1


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.ones((20, 4))},
        {"x": np.ones((20, 4)), "y": np.arange(19)},
        {"x": np.ones((20, 4)), "y": np.ones(20)},
        {"x": np.full((20, 4), np.nan), "y": np.arange(20)},
        {"x": np.ones((20, 4)), "y": np.arange(20) - 1},
    ],
    ids=["no labels", "too few labels", "float labels", "NaN", "negative label"],
)
def test_a_file_that_cannot_work_is_refused_before_training(tmp_path, arrays, capsys):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(SystemExit):
        quickstart.main(["--data", str(tmp_path / "bad.npz")])
    assert "must be" in capsys.readouterr().err


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--data", "no-such-file"], "digits, mnist, fashion_mnist or an .npz file"),
        (["--epochs", "0"], "--epochs must be at least 1"),
        (["--patience", "0"], "--patience must be at least 1"),
        (["--depth", "-2"], "--depth must be at least 1"),
        (["--trials", "-1"], "--trials must be at least 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, complaint, capsys):
    with pytest.raises(SystemExit):
        quickstart.main(arguments)
    assert complaint in capsys.readouterr().err
