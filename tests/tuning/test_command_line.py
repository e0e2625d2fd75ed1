"""The commands of `kcomponents search`, each as one would type it."""

import sys

import pytest

from kcomponents.__main__ import main
from kcomponents.tuning._storage.project import open_store

pytestmark = pytest.mark.any_backend
FILE = """\
from tests.tuning.small import build, data
"""
FEW = ["--max-trials", "2", "--epochs", "2", "--repeats", "0", "--seed", "0"]
FEW += ["--objective", "val_accuracy"]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Return a file with a model and data, in the folder that commands are run in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "searched_by_a_test.py"
    path.write_text(FILE)
    yield path.name
    sys.modules.pop("searched_by_a_test", None)


def search(*arguments):
    """Run a command as a process of its own would, which has imported no such file."""
    sys.modules.pop("searched_by_a_test", None)
    return main(["search", *map(str, arguments)])


def test_a_search_is_run_looked_at_checked_and_told(file, tmp_path, capsys):
    folder = tmp_path / "runs" / "searched_by_a_test"
    assert search("run", file, *FEW) == 0
    assert "val_accuracy" in capsys.readouterr().out
    assert (folder / "report.html").exists()
    assert search("status", folder) == 0
    assert capsys.readouterr().out.startswith("2/2 trials")
    assert search("verify", folder) == 0
    assert "No problems found" in capsys.readouterr().out
    assert search("report", folder, "-o", tmp_path / "page.html") == 0
    assert "search run" in (tmp_path / "page.html").read_text()


def test_run_goes_on_and_worker_finds_nothing_left(file, tmp_path, capsys):
    assert search("run", file, *FEW) == 0
    again = [*FEW]
    again[1] = "3"
    assert search("run", file, *again) == 0
    assert search("worker", file) == 0
    assert search("status", tmp_path / "runs" / "searched_by_a_test") == 0
    assert "3/3 trials" in capsys.readouterr().out


def test_every_branch_is_built_and_the_space_is_shown(file, tmp_path, capsys):
    assert search("validate", file) == 0
    assert "activation: relu*, tanh" in capsys.readouterr().out
    (tmp_path / file).write_text(
        f"{FILE}def build(hp):\n    return {{'a': 1}}[hp.Choice('key', ['a', 'b'])]\n"
    )
    assert search("validate", file) == 2
    assert "{'key': 'b'}" in capsys.readouterr().err


def test_worker_takes_no_other_argument_of_a_search_from_the_store(file, capsys):
    assert search("run", file, *FEW) == 0
    store = open_store("runs/searched_by_a_test")
    store.set_fact("settings", {**store.facts["settings"], "overwrite": True})
    count = len(store.trials())
    capsys.readouterr()
    assert search("worker", file) == 2
    assert "settings=['overwrite']" in capsys.readouterr().err
    assert len(open_store("runs/searched_by_a_test").trials()) == count


def test_stop_ends_workers_and_run_goes_on(file, tmp_path, capsys):
    folder = tmp_path / "runs" / "searched_by_a_test"
    assert search("run", file, *FEW) == 0
    assert search("stop", folder) == 0
    again = [*FEW]
    again[1] = "4"
    assert search("run", file, *again) == 0
    capsys.readouterr()
    assert search("status", folder) == 0
    assert "4/4 trials" in capsys.readouterr().out


def test_verify_finds_what_is_damaged(file, tmp_path, capsys):
    folder = tmp_path / "runs" / "searched_by_a_test"
    assert search("run", file, *FEW) == 0
    (weights, *_) = folder.glob("trial_*/weights.npz")
    weights.write_bytes(weights.read_bytes()[:100])
    assert search("verify", folder) == 1
    assert "damaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "none.py"], "does not exist"),
        (["run", "empty.py"], "a function `build`"),
        (["run", "searched_by_a_test.py", "--max-trials", "0"], "max_trials=0"),
        (["run", "searched_by_a_test.py", "--workers", "0"], "workers=0"),
        (
            [
                "run",
                "searched_by_a_test.py",
                "--workers",
                "9",
                "--gpus-per-worker",
                "1",
            ],
            "GPUs",
        ),
        (["run", "searched_by_a_test.py", "--sampler", "none"], "sampler"),
        (["run", "searched_by_a_test.py", "--objective", "f1"], "f1"),
        (["worker", "searched_by_a_test.py"], "no search journal"),
        (["status", "nowhere"], "no search journal"),
        (["report", "nowhere"], "no search journal"),
        (["stop", "nowhere"], "no search journal"),
        (["run", "none.py", "-o", "page.pdf"], "must end in .html"),
        (["report", "nowhere", "-o", "page.json"], "must end in .html"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(value),
)
def test_what_is_wrong_is_said_in_a_line_and_a_status(file, arguments, told, capsys):
    with open("empty.py", "w", encoding="utf-8") as empty:
        empty.write("")
    assert search(*arguments) == 2
    found = capsys.readouterr().err
    assert told in found
    assert "Traceback" not in found


def test_another_search_under_the_same_name_is_shown_with_what_differs(file, capsys):
    assert search("run", file, *FEW) == 0
    other = [*FEW]
    other[3] = "3"
    assert search("run", file, *other) == 2
    lines = capsys.readouterr().err.splitlines()
    assert '- "epochs": 2,' in [line.replace("-  ", "- ") for line in lines]
