"""The command that checks the package on a GPU: its rows, its table, its processes."""

import importlib
import json
import pathlib
import sys

import pytest

pytestmark = pytest.mark.any_backend

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"
# A process of a part, as the command starts it: the checks, and what each one does.
PROCESS = """
import json, os, signal, sys, time

def say(**message):
    print("gpu_check: " + json.dumps(message), flush=True)

done = json.loads(sys.argv[sys.argv.index("--done") + 1])
say(plan=["good", "bad", "last"], versions={"device": "a toy"})
print("a backend talks")
for name in ["good", "bad", "last"]:
    if name not in done:
        say(begin=name)
        if name == "bad":
            BAD
        row = {"result": "fine", "bound": "-", "ok": True, "name": name, "detail": ""}
        say(done=name, rows=[row], seconds=0.1)
"""
CRASH = "os.kill(os.getpid(), signal.SIGSEGV)"
HANG = "time.sleep(600)"


@pytest.fixture
def gpu_check(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("gpu_check")


@pytest.fixture
def rows(gpu_check):
    return importlib.import_module("gpu_checks.rows")


@pytest.fixture
def part_of(gpu_check, tmp_path):
    """Return a function that makes a part whose second check does something."""

    def make(bad):
        script = tmp_path / "process.py"
        script.write_text(PROCESS.replace("BAD", bad))
        command = [sys.executable, str(script)]
        return gpu_check.Part("jax", "results", "cpu", tmp_path, command)

    return make


def raises():
    raise OSError("No kernel image.\nMore of it.")


def test_an_exception_becomes_a_row_with_its_traceback(rows):
    [row] = rows.attempt("a check", raises)
    assert (row.name, row.ok) == ("a check", False)
    assert row.result == "FAILED: OSError: No kernel image."
    assert "in raises" in row.detail


def test_a_check_that_does_not_hold_says_that_it_failed(rows):
    [row] = rows.attempt("a check", lambda: rows.Row("1.2", "1.0", ok=False))
    assert (row.name, row.result) == ("a check", "FAILED: 1.2")


def test_the_table_has_each_row_and_a_column_for_each_backend(rows):
    found = {
        "jax": [rows.Row("1e-7", "1e-5", name="a"), rows.failure("b", "x | y\nz")],
        "torch": [rows.Row("2e-7", "1e-5", name="a"), rows.Row("3", "4", name="c")],
    }
    lines = rows.table(found, ["jax", "torch"]).splitlines()
    assert lines == [
        "| check | bound | jax | torch |",
        "| --- | --- | --- | --- |",
        "| a | 1e-5 | 1e-7 | 2e-7 |",
        "| b | - | **FAILED: x \\| y z** |  |",
        "| c | 4 |  | 3 |",
    ]


def test_only_the_page_of_a_cpu_says_that_no_run_was_on_a_gpu(rows):
    told = "No GPU run has been made yet"
    trial = rows.page(["device a"], [], "| a |", trial=True)
    real = rows.page(["device a"], ["TensorFlow was not run: x."], "| a |", trial=False)
    assert told in trial and told not in real
    assert "- device a\n- TensorFlow was not run: x.\n\n| a |" in real


def test_a_process_that_crashes_costs_one_check(part_of):
    found = part_of(CRASH).run(seconds=60)
    assert [(row.name, row.ok) for row in found] == [
        ("good", True),
        ("bad", False),
        ("last", True),
    ]
    assert found[1].result == "FAILED: the process crashed"


def test_a_check_that_hangs_ends_with_the_time(part_of):
    found = part_of(HANG).run(seconds=3)
    assert [row.ok for row in found] == [True, False, False]
    assert found[1].result == "FAILED: not done after 3 s"
    assert found[2].result == "FAILED: no time was left"


def test_a_process_that_cannot_begin_becomes_a_row(gpu_check, tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no module named x')"]
    part = gpu_check.Part("torch", "costs", "gpu", tmp_path, command)
    [row] = part.run(seconds=30)
    assert (row.name, row.result) == ("costs", "FAILED: the process ended early")
    assert "no module named x" in row.detail


class Recorded:
    """A run whose rows are given."""

    found = {}

    def __init__(self, *args):
        pass

    def run(self):
        pass

    def results(self):
        return self.found, ["device a toy"], []


@pytest.mark.parametrize("fails", [False, True])
def test_a_row_that_fails_makes_exit_code_1(
    gpu_check, rows, monkeypatch, tmp_path, fails
):
    row = rows.failure("a check", "no") if fails else rows.Row("yes", name="a check")
    monkeypatch.setattr(Recorded, "found", {"jax": [row]})
    monkeypatch.setattr(gpu_check, "Run", Recorded)
    files = [tmp_path / "rows.json", tmp_path / "page.md"]
    asked = ["--backends", "jax", "--json", str(files[0]), "--markdown", str(files[1])]
    assert gpu_check.main(asked) == int(fails)
    [line] = files[0].read_text().splitlines()
    assert json.loads(line)["result"] == row.result
    assert "| a check |" in files[1].read_text()


def test_jax_without_a_gpu_fails_and_tensorflow_only_says_so(gpu_check, tmp_path):
    run = gpu_check.Run(["jax", "tensorflow"], ["results"], "gpu", 1, tmp_path)
    for backend, [part] in run.parts.items():
        part.absent = f"{backend} sees no GPU"
    found, heading, notes = run.results()
    assert [row.ok for row in found["jax"]] == [False]
    assert "tensorflow" not in found
    assert notes == ["TensorFlow was not run: tensorflow sees no GPU."]


def test_each_worker_has_a_gpu_of_its_own_that_is_pretended(gpu_check, monkeypatch):
    searches = importlib.import_module("gpu_checks.searches")
    settings = importlib.import_module("kcomponents.tuning._workers.environment")

    def searched(train):
        gpus = settings.visible_gpus()
        share = settings.share_of(searches.WORKERS, None, gpus)
        numbers = range(searches.WORKERS)
        told = [settings.environment(n, len(numbers), share, gpus) for n in numbers]
        return [], [{"visible": each["CUDA_VISIBLE_DEVICES"]} for each in told]

    monkeypatch.setattr(searches, "searched", searched)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    row = searches.own_gpu_row()
    assert (row.result, row.ok) == ("they see 61, 62", True)
    monkeypatch.setattr(
        searches, "searched", lambda train: ([], [{"visible": "61"}] * 2)
    )
    assert not searches.own_gpu_row().ok


def test_wheels_are_what_is_needed_without_backends(gpu_check):
    wheels = importlib.import_module("gpu_checks.wheels")
    found = wheels.versions_here(["keras"], "3.12")
    assert {"keras", "namex", "optree", "rich", "h5py", "ml-dtypes"} <= found.keys()
    assert not found.keys() & wheels.LEFT_OUT
