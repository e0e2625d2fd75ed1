"""The script that counts the files of the package, and those that a task enters."""

import importlib.util
import json
import pathlib
import sys

import pytest

import kcomponents

pytestmark = pytest.mark.any_backend

SCRIPT = pathlib.Path(__file__).parents[1] / "benchmarks" / "structure.py"


@pytest.fixture(scope="module")
def structure():
    spec = importlib.util.spec_from_file_location("structure", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Write and import a package of four files; return it and its folder."""
    texts = {
        "__init__": "from small_package import _plus, public\n",
        "_plus": '"""Add."""\n\n\ndef one(x):\n    return x + 1\n',
        "_deep/__init__": "",
        "_deep/twice": "class Holder:\n    two = 2\n\n\n"
        "def twice(x):\n    return 2 * x\n",
        "public": '"""Use\n\nboth."""\nimport small_package._deep.twice as t\n'
        "from small_package._plus import one\n\n\ndef both(x):\n"
        "    return t.twice(one(x))\n" + "\n" * 500,
    }
    folder = tmp_path / "small_package"
    for name, text in texts.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("small_package"), folder
    for name in [name for name in sys.modules if name.startswith("small_package")]:
        del sys.modules[name]


def test_package_numbers(structure, small):
    _, folder = small
    numbers = structure.package_numbers(folder)
    assert numbers["files"] == 3 and numbers["files_over_500_lines"] == ["public.py"]
    assert numbers["lines"] == 5 + 6 + 509
    assert numbers["lines_median"] == 6 and numbers["lines_percentile_90"] == 509
    # `_plus` is imported by two modules, `_deep.twice` by one.
    assert (numbers["private_modules"], numbers["one_importer_modules"]) == (2, 1)
    assert numbers["docstring_share"] == 3 / (1 + 3 + 4 + 6)


def test_a_trace_holds_files_and_direct_calls(structure, small):
    package, folder = small
    with structure.Trace(folder) as trace:
        package.public.both(1)
        # Code at the top level of a module is no function of it.
        importlib.reload(package._deep.twice)
    package._plus.one(1)
    assert trace.files == {"public.py", "_plus.py", "_deep/twice.py"}
    assert trace.pairs == {("public.py", "_plus.py"), ("public.py", "_deep/twice.py")}
    with structure.Trace(folder) as trace:
        importlib.reload(package._deep.twice)
    assert trace.files == set()


def test_every_task_has_a_goal(structure):
    names = [name for names in structure.METHODS.values() for name in names]
    assert names == list(structure.GOALS)


@pytest.mark.parametrize("task", ["clipped", "EarlyStopping", "rule"])
def test_a_task_is_traced(structure, task):
    folder = pathlib.Path(kcomponents.__file__).parent
    traces = dict(structure.task_traces(folder, task))
    assert traces and all(task in name for name in traces)
    for trace in traces.values():
        assert trace.files and all((folder / file).is_file() for file in trace.files)
        assert {file for pair in trace.pairs for file in pair} <= trace.files


@pytest.mark.parametrize("most", [0, 1000])
def test_a_missed_goal_is_an_error(structure, most, tmp_path, monkeypatch, capsys):
    name = "clipped optimizer: one step"
    monkeypatch.setitem(structure.GOALS, name, most)
    monkeypatch.setattr(structure, "import_everything", lambda package: None)
    file = tmp_path / "structure.json"
    argv = ["--only", "clipped", "--json", str(file)]
    assert structure.main(argv) == 0
    assert "goal" not in capsys.readouterr().out
    assert structure.main([*argv, "--goals"]) == (most == 0)
    printed = capsys.readouterr().out
    assert ("MISSED" in printed) == (most == 0) and name in printed
    found = json.loads(file.read_text())["tasks"][name]
    assert found["count"] == len(found["files"]) and found["goal"] == most
