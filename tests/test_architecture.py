"""The shape of the package: who imports whom, and where foreign names may stand."""

import ast
import pathlib
import re

import pytest

import kcomponents

ROOT = pathlib.Path(kcomponents.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
BASE = {"_check", "_keras", "_precision", "_register", "_sparse", "_version"}
WEIGHTS = {"activations", "clipping", "initializers", "regularizers", "constraints"}

# Part → the parts of kcomponents it may import.
MAY_IMPORT = {
    "__init__": BASE | WEIGHTS | {"layers", "optimizers"},
    **{part: set() for part in BASE},
    **{part: BASE for part in WEIGHTS},
    "layers": BASE | WEIGHTS,
    "optimizers": BASE | WEIGHTS,
    "testing": set(),
}
BACKENDS = {"tensorflow", "tf", "jax", "jnp", "torch"}
PRIVATE_KERAS = "_keras.py"
# Public by their documentation, for all their underscore.
NAMED_TUPLE = {"_fields", "_asdict", "_replace"}


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


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_table(path):
    part, own = place(path)
    for name in imports(path):
        if name.split(".")[0] != "kcomponents":
            continue
        target, *rest = name.split(".")[1:]
        if target != part:
            assert target in MAY_IMPORT[part], f"{part} may not import {target}"
        elif own != ("__init__",) and part != "testing":
            # Private modules hold what the parts of a package share.
            shared = rest[0].startswith("_") or rest[0] == "backends"
            assert shared, f"{path.name} imports its sibling {rest[0]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_private_names_of_keras_stand_in_one_file(path):
    if path.name == PRIVATE_KERAS:
        return
    assert not any(n.startswith("keras.src") for n in imports(path))
    tree = ast.parse(path.read_text())
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    own |= NAMED_TUPLE
    own |= {n.asname or n.name for n in ast.walk(tree) if isinstance(n, ast.alias)}
    own |= {
        n.attr
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
            assert node.attr in own, f"{path.name} uses the private {node.attr}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_backends_are_named_in_their_folders_only(path):
    part, own = place(path)
    if "backends" in own or part == "testing":
        return
    assert not BACKENDS & set(words(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_are_one_idea_in_size(path):
    assert len(path.read_text().splitlines()) <= 200


def test_every_part_has_its_line_in_the_table():
    parts = {place(path)[0] for path in MODULES}
    assert parts == set(MAY_IMPORT) - ({"_keras"} - parts)
