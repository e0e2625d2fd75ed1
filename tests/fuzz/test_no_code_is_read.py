"""No module of ours reads what could be executed: no pickle, no `eval`."""

import ast
import pathlib

import pytest

import kcomponents

pytestmark = pytest.mark.any_backend

ROOT = pathlib.Path(kcomponents.__file__).parent
READERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib"}
READERS |= {"marshal", "shelve", "code", "codeop", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__"}
ALLOWED = {
    # The user's own functions go to worker processes of the same search, through
    # standard input or Ray, and are never in a file that has a name.
    "tuning/_workers/payload.py": {"cloudpickle"},
}


def imported(node):
    """Return the names of the modules that a node of the syntax tree brings in."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and not node.level:
        return {node.module.split(".")[0]}
    # Also by name, as `needed("cloudpickle")`.
    if isinstance(node, ast.Call):
        given = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        return {name.split(".")[0] for name in given if isinstance(name, str)}
    return set()


def called(node):
    """Return the name of a function that a node calls, or an empty one."""
    plain = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return node.func.id if plain else ""


def suspects(path):
    """Return what of a module could read code, as words."""
    allowed = ALLOWED.get(path.relative_to(ROOT).as_posix(), set())
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        yield from imported(node) & READERS - allowed
        yield from {called(node)} & CALLS
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not isinstance(node.value, ast.Constant) or node.value.value:
                yield "allow_pickle"


def test_no_module_reads_code():
    found = {path: sorted(suspects(path)) for path in ROOT.rglob("*.py")}
    assert len(found) > 100
    assert {str(path): words for path, words in found.items() if words} == {}


def test_what_is_allowed_is_still_needed():
    for name, allowed in ALLOWED.items():
        tree = ast.parse((ROOT / name).read_text("utf-8"))
        found = set().union(*(imported(node) for node in ast.walk(tree)))
        assert allowed <= found
