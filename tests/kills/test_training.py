"""Trainings that are killed end as if nobody had killed them."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from kcomponents import callbacks as ours
from tests.kills import outcome, programs, training
from tests.kills.faults import Faults, Kill
from tests.random_cases import cases

pytestmark = pytest.mark.filterwarnings("ignore:.*fork")
KILLS = cases(6 if keras.backend.backend() == "torch" else 3, 200)
ROOT = pathlib.Path(__file__).parents[2]
CALLBACK = keras.callbacks.Callback


def command(*arguments):
    """Run the command that kills trainings."""
    return subprocess.run(
        [sys.executable, "-m", "tests.kills.training", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.fspath(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def in_child(work, folder, kill):
    """Do some work in a process with faults, and return its exit status."""
    process = os.fork()
    if not process:
        try:
            Faults(folder, kill).install()
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@pytest.mark.slow
def test_killed_trainings_end_as_if_they_had_not_been_killed(tmp_path):
    """Run the sample of the command, in a process that has computed nothing."""
    results = tmp_path / "results.jsonl"
    options = ["--kills", KILLS, "--results", results]
    # Elsewhere, the first training of a variant takes long to compile.
    torch = keras.backend.backend() == "torch"
    sample = ["--variants", "steps", *(["epochs", "generator"] if torch else [])]
    done = command(*options, *cases(sample, []))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = training.rows_in(results)
    kills = [row for row in rows if row["kind"] != "none"]
    assert len(kills) >= KILLS
    assert {row["outcome"] for row in rows} == {"EQUAL"}
    again = command(*options)
    assert again.returncode == 0 and training.rows_in(results) == rows


@pytest.mark.parametrize(
    "kind, moment, left",
    [
        ("open *.txt", "before", None),
        ("open *.txt", "after", ""),
        ("write *.txt", "before", ""),
        ("write *.txt", "half", "ab"),
        ("write *.txt", "after", "abcd"),
        ("unlink *.txt", "before", "abcd"),
        ("unlink *.txt", "after", None),
    ],
)
def test_a_process_is_killed_where_the_fault_is(tmp_path, kind, moment, left):
    def work():
        path = tmp_path / "1.txt"
        path.write_text("abcd")
        path.unlink()

    assert in_child(work, tmp_path, Kill(kind, 1, moment)) == -9
    path = tmp_path / "1.txt"
    assert (path.read_text() if path.exists() else None) == left


def test_files_of_other_folders_are_no_boundaries(tmp_path):
    (tmp_path / "own").mkdir()

    def work():
        (tmp_path / "other.txt").write_text("abcd")

    assert in_child(work, tmp_path / "own", Kill("write *", 1, "after")) == 0


@pytest.mark.parametrize(
    "changed, names",
    [
        ({"history": {"loss": [1.0, np.nan]}}, []),
        ({"history": {"loss": [1.0, 2.0]}}, ["history.loss[1]"]),
        ({"history": {"loss": [1.0]}}, ["history.loss"]),
        ({"history": {}}, ["history.loss (missing)"]),
        ({"weights": np.zeros(2, "float64")}, ["weights"]),
        ({"weights": np.array([-0.0, 0], "float32")}, ["weights"]),
        ({"files": {"x.tmp": None}}, ["files.x.tmp (added)"]),
        ({"files": {"state.npz": 1}}, []),
    ],
)
def test_a_difference_is_found_and_named(changed, names):
    whole = {"history": {"loss": [1.0, np.nan]}, "weights": np.zeros(2, "float32")}
    whole["files"] = {"state.npz": None}
    found = {**whole, **changed}
    found["files"] = {**whole["files"], **found["files"]}
    assert outcome.unequal(found, whole) == names


def test_the_summary_counts_a_lost_training(tmp_path):
    row = {"training": 0, "variant": "epochs", "kind": "time", "fields": []}
    rows = [
        {**row, "outcome": "EQUAL", "message": ""},
        {**row, "training": 1, "outcome": "LOST", "message": "a process hangs"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert training.rows_in(path) == rows
    lines = training.summary(rows).splitlines()
    assert lines[-1] == "a process hangs"
    assert lines[1].split() == ["epochs", "2", "2", "1", "0", "1"]


def test_every_callback_of_the_package_is_used(tmp_path):
    kinds = [getattr(ours, name) for name in ours.__all__]
    kinds = {k for k in kinds if isinstance(k, type) and issubclass(k, CALLBACK)}
    used = programs.callbacks_of(programs.VARIANTS["epochs"], tmp_path)
    assert kinds - {type(callback) for callback in used} == {ours.Resume}


def test_faults_are_counted_by_kind(tmp_path):
    faults = Faults(tmp_path)
    for _ in range(2):
        faults.cross("on_train_begin first")
    assert faults.counts == {"on_train_begin first": 2}
