"""The shape of the package: who imports whom, and where foreign names may stand."""

import ast
import pathlib
import re

import pytest

import kcomponents

ROOT = pathlib.Path(kcomponents.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
BASE = {
    "_backends",
    "_checks",
    "_files",
    "_keras",
    "_json_values",
    "_optional",
    "_pages",
    "_recording",
    "_register",
    "_scoring",
    "_state_file",
    "_tensors",
    "_text",
    "_version",
}
WEIGHTS = {"activations", "clipping", "initializers", "regularizers", "constraints"}

# Part → the parts of kcomponents it may import.
MAY_IMPORT = {
    "__init__": BASE
    | WEIGHTS
    | {
        "analysis",
        "callbacks",
        "doctor",
        "inference",
        "layers",
        "optimizers",
        "probes",
        "record",
        "report",
        "surgery",
        "training",
        "tuning",
    },
    **{part: BASE for part in BASE},
    "_recording": BASE | {"probes", "record"},
    "record": BASE,
    **{part: BASE for part in WEIGHTS},
    "layers": BASE | WEIGHTS,
    "optimizers": BASE | WEIGHTS,
    "probes": BASE | {"record"},
    "doctor": BASE | {"record"},
    "callbacks": BASE | {"doctor", "probes", "record"},
    "report": BASE | {"doctor", "record"},
    "tuning": BASE
    | WEIGHTS
    | {
        "callbacks",
        "doctor",
        "layers",
        "optimizers",
        "probes",
        "record",
        "report",
    },
    "__main__": BASE | {"doctor", "record", "report", "tuning"},
    "analysis": BASE | {"layers", "probes"},
    "inference": BASE | {"activations", "layers"},
    "surgery": BASE | {"layers", "probes"},
    "training": BASE | {"layers", "probes"},
    "testing": set(),
}
BACKEND_FOLDERS = {"backends", "_backends"}
BACKENDS = {"tensorflow", "tf", "jax", "jnp", "torch"}
PRIVATE_KERAS = "_keras"
# Public by their documentation, for all their underscore.
NAMED_TUPLE = {"_fields", "_asdict", "_replace"}
# PyTorch's own, used by its optimizers; `vmap` can be told by nothing public.
OF_BACKENDS = {"_foreach_norm", "_C", "_functorch", "_get_function", "_registry"}


def place(path):
    """Return the part a module belongs to, and the module's own name in it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0], parts[1:]


def imports(path):
    """Yield the dotted name of each thing that a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def words(path):
    """Yield every name, attribute and string constant of a file but its docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield from node.name.split(".")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value if " " not in node.value else ""


def defined(tree):
    """Return the names of functions and attributes that a module makes itself."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_table(path):
    part, own = place(path)
    for name in imports(path):
        if name.split(".")[0] != "kcomponents":
            continue
        target, *rest = name.split(".")[1:]
        if target != part:
            assert target in MAY_IMPORT[part], f"{part} may not import {target}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_private_names_of_keras_stand_in_one_part(path):
    part, _ = place(path)
    if part == PRIVATE_KERAS:
        return
    assert not any(n.startswith("keras.src") for n in imports(path))
    # A subclass may use what its base, in another module of the part, keeps private.
    own = NAMED_TUPLE | (OF_BACKENDS if part in BACKEND_FOLDERS else set())
    for module in MODULES:
        if place(module)[0] == part:
            own |= defined(ast.parse(module.read_text()))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
            assert node.attr in own, f"{path.name} uses the private {node.attr}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_backends_are_named_in_their_folders_only(path):
    part, own = place(path)
    if BACKEND_FOLDERS & {part, *own} or part == "testing":
        return
    assert not BACKENDS & set(words(path))


def test_every_part_has_its_line_in_the_table():
    assert {place(path)[0] for path in MODULES} == set(MAY_IMPORT)
