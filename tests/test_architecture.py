"""The structure of the package: which part imports which, and where some names stand.

A part is a module or folder at the first level of the package. Each check returns a
sentence for every violation, and has a test on a small tree that violates it.
"""

import ast
import functools
import pathlib
import re

import pytest

import kcomponents

pytestmark = pytest.mark.any_backend

ROOT = pathlib.Path(kcomponents.__file__).parent

# From the base upward: a part imports from the levels below its own, never from its
# own level or from above.
LEVELS = [
    # The base, whose parts have private names, as only the package uses them.
    {"_text", "_version"},
    {"_activation_traits", "_checks", "_console", "_optional", "_tensors"},
    {
        "_backends",
        "_command_parser",
        "_files",
        "_json_values",
        "_registration",
        "_scoring",
    },
    {"_keras", "_pages", "_state_file", "record"},
    # Components.
    {"activations", "clipping", "constraints", "initializers", "regularizers"},
    {"layers", "optimizers"},
    {"analysis", "inference", "surgery", "training"},
    # What observes a training step, and what is judged from its record.
    {"probes"},
    {"_recording", "doctor"},
    {"_examination"},
    # What is tried on a copy of a model.
    {"treatment"},
    {"callbacks", "report"},
    {"tuning"},
    {"__main__"},
    {"__init__"},
]
# Works on any component, so it imports nothing of the package.
STANDS_ALONE = "testing"
# Parts that are in the table but not in the package, or only for some time.
MAY_BE_MISSING: set[str] = set()
LEVEL_OF = {part: level for level, parts in enumerate(LEVELS) for part in parts}

PRIVATE_KERAS = "_keras"
CONSOLE, LOGGER = "_console", "kcomponents"
# Functions that print or log: of Python by their names, of modules by theirs.
PRINTING = {"print", "breakpoint", "pprint", "print_msg"}
PRINTING_OF = {
    "logging": {"debug", "info", "warning", "error", "critical", "exception", "log"},
    "sys": {"stdout", "stderr", "__stdout__", "__stderr__", "displayhook"},
    "traceback": {"print_exc", "print_exception", "print_stack", "print_tb"},
    "warnings": {"warn", "warn_explicit", "showwarning"},
    "os": {"write"},
}
BACKEND_FOLDERS = {"_backends", "backends"}
BACKENDS = {"tensorflow", "tf", "jax", "jnp", "torch"}
# Private by their names only: `namedtuple` documents them.
NAMED_TUPLE = {"_fields", "_asdict", "_replace"}
# Private names of PyTorch: no public name tells whether `vmap` is active.
PRIVATE_TORCH = {"_foreach_norm", "_C", "_functorch", "_get_function", "_registry"}


class Module:
    """A source file: its part, its syntax tree, and the names it uses.

    Args:
        root: Path of the package's folder.
        path: Path of the file in it.
    """

    def __init__(self, root, path):
        self.name = path.relative_to(root).as_posix()
        self.part, *self.below = path.relative_to(root).with_suffix("").parts
        self.tree = ast.parse(path.read_text())

    def imports(self):
        """Yield the dotted name of each import, also within functions and `if`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = "." * node.level + (node.module or "")
                yield from (f"{start}.{alias.name}" for alias in node.names)

    def imports_of_parts(self):
        """Yield the part and the path below it for each import of another part."""
        for name in self.imports():
            package, *rest = name.split(".")
            if package == "kcomponents":
                # `__version__` and classes at the top stand in `__init__`.
                of_part = rest and rest[0].islower() and not rest[0].startswith("__")
                part, *below = rest if of_part else ["__init__", *rest]
                if part != self.part:
                    yield part, below

    def words(self):
        """Yield each name, attribute and imported module, and each string of one word.

        Docstrings and messages are prose, so strings with spaces are left out.
        """
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value if " " not in node.value else ""
            elif isinstance(node, ast.Call):
                function = ast.unparse(node.func).rpartition(".")[2]
                if function in {"import_module", "__import__"}:
                    yield from ast.unparse(node.args[0]).strip("'").split(".")
        for name in self.imports():
            yield from name.split(".")

    def private_attributes(self):
        """Yield each private attribute that the file reads, sets or asks for."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute):
                names = [node.attr]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                by_name = node.func.id in {"getattr", "setattr", "hasattr", "delattr"}
                names = [
                    argument.value
                    for argument in node.args[1:2]
                    if by_name and isinstance(argument, ast.Constant)
                ]
            else:
                continue
            yield from (name for name in names if re.match("_[a-z]", str(name)))

    def outputs(self):
        """Yield each expression that prints, warns or logs by itself."""
        # To ask a stream whether it is a terminal prints nothing.
        asked = {
            id(node.value)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Attribute) and node.attr in {"isatty", "buffer"}
        }
        for node in ast.walk(self.tree):
            name = ast.unparse(node) if isinstance(node, ast.Name) else ""
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                known = PRINTING_OF.get(node.value.id, PRINTING)
                if node.attr in known and id(node) not in asked:
                    yield ast.unparse(node)
            elif name in PRINTING:
                yield name
            elif isinstance(node, ast.ImportFrom) and node.module in PRINTING_OF:
                known = PRINTING_OF[node.module] | {"getLogger"}
                yield from (part.name for part in node.names if part.name in known)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
                "getLogger"
            ):
                if ast.unparse(node).partition("(")[2] != f"{LOGGER!r})":
                    yield ast.unparse(node)

    def definitions(self):
        """Yield the names that the file defines, or sets on an object of its own."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield node.name
            elif isinstance(node, ast.alias):
                yield node.asname or node.name
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                if isinstance(node.value, ast.Name) and node.value.id in {
                    "self",
                    "cls",
                }:
                    yield node.attr


@functools.cache
def modules(root):
    """Return the modules of a package."""
    return [Module(root, path) for path in sorted(root.rglob("*.py"))]


def parts_without_a_level(root):
    """Return the parts that have no level in the table."""
    parts = {module.part for module in modules(root)}
    return sorted(parts - LEVEL_OF.keys() - {STANDS_ALONE})


def relative_imports(root):
    """Return the relative imports, whose part cannot be seen in the line."""
    return [
        f"{module.name} imports {name}"
        for module in modules(root)
        for name in module.imports()
        if name.startswith(".")
    ]


def imports_not_from_below(root):
    """Return the imports of a part that is on no lower level."""
    found = []
    for module in modules(root):
        level = LEVEL_OF.get(module.part, 0)
        for part, _ in module.imports_of_parts():
            # The top names every part, so that users can reach it.
            if part == STANDS_ALONE and module.part == "__init__":
                continue
            if LEVEL_OF.get(part, level) >= level:
                found.append(f"{module.name} imports {part}")
    return found


def imports_of_private_names(root):
    """Return the imports of another part's private modules or names."""
    return [
        f"{module.name} imports {'.'.join([part, *below])}"
        for module in modules(root)
        for part, below in module.imports_of_parts()
        if any(re.match("_[a-z]", name) for name in below)
    ]


def private_names_of_keras(root):
    """Return the uses of `keras.src` and of foreign private names outside `_keras`."""
    everything = modules(root)
    own = {module.part: set(NAMED_TUPLE) for module in everything}
    for module in everything:
        # A subclass may use what its base, in another module of the part, defines.
        own[module.part].update(module.definitions())
    found = []
    for module in everything:
        if module.part == PRIVATE_KERAS:
            continue
        of_backends = BACKEND_FOLDERS & {module.part, *module.below}
        known = own[module.part] | (PRIVATE_TORCH if of_backends else set())
        names = set(module.private_attributes()) - known
        for name in module.imports():
            package, *below = name.split(".")
            if package not in {"kcomponents", ""} and not known.issuperset(below):
                names.update(part for part in below if re.match("_[a-z]", part))
        source = ast.unparse(module.tree)
        if re.search(r"\bkeras\.src\b|\bfrom keras import src\b", source):
            names.add("keras.src")
        found += [f"{module.name} uses {name}" for name in sorted(names)]
    return found


def names_of_backends(root):
    """Return the names of backends outside the folders for them."""
    return [
        f"{module.name} names {word}"
        for module in modules(root)
        if not BACKEND_FOLDERS & {module.part, *module.below}
        and module.part != STANDS_ALONE
        for word in sorted(BACKENDS & set(module.words()))
    ]


def outputs_past_the_console(root):
    """Return what prints, warns or logs without passing through `_console`.

    The logger named as the package cleans its records by a filter, which the records of
    other loggers do not pass.
    """
    return [
        f"{module.name} uses {output}"
        for module in modules(root)
        if module.part not in {CONSOLE, STANDS_ALONE}
        for output in module.outputs()
    ]


CHECKS = [
    parts_without_a_level,
    relative_imports,
    imports_not_from_below,
    imports_of_private_names,
    private_names_of_keras,
    names_of_backends,
    outputs_past_the_console,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_package_has_no(check):
    assert check(ROOT) == []


def test_every_part_in_the_table_is_in_the_package():
    parts = {module.part for module in modules(ROOT)}
    assert LEVEL_OF.keys() - parts <= MAY_BE_MISSING


def test_no_part_has_two_levels():
    assert len(LEVEL_OF) == sum(map(len, LEVELS))


@pytest.fixture
def made(tmp_path):
    """Return a function that makes a package of one module and returns its folder."""

    def make(name, source):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return tmp_path

    return make


def test_a_part_without_a_level_is_found(made):
    root = made("novelty/thing.py", "")
    assert parts_without_a_level(root) == ["novelty"]


def test_a_part_of_the_future_has_a_level(made):
    root = made("treatment/apply.py", "from kcomponents import doctor, probes\n")
    assert parts_without_a_level(root) == []
    assert imports_not_from_below(root) == []


def test_a_relative_import_is_found(made):
    root = made("layers/prelu.py", "from ._shared import axes\nfrom . import rrelu\n")
    assert relative_imports(root) == [
        "layers/prelu.py imports ._shared.axes",
        "layers/prelu.py imports ..rrelu",
    ]


@pytest.mark.parametrize(
    "name, source, part",
    [
        ("probes/probe.py", "import kcomponents.callbacks.resume", "callbacks"),
        ("probes/probe.py", "from kcomponents import tuning", "tuning"),
        ("layers/prelu.py", "from kcomponents.optimizers import clipped", "optimizers"),
        ("_files.py", "from kcomponents._state_file import read", "_state_file"),
        ("_text.py", "from kcomponents._checks import number", "_checks"),
        ("_keras/models.py", "from kcomponents.record import Record", "record"),
        ("report/compare.py", "from kcomponents import __version__", "__init__"),
        ("tuning/search.py", "import kcomponents", "__init__"),
        ("tuning/search.py", "from kcomponents import TrainingDoctor", "__init__"),
        ("tuning/search.py", "from kcomponents.novelty import thing", "novelty"),
        ("layers/prelu.py", "from kcomponents.testing import check_layer", "testing"),
        ("testing/layer.py", "from kcomponents._checks import number", "_checks"),
        (
            "probes/probe.py",
            "def late():\n    from kcomponents.doctor import examine",
            "doctor",
        ),
        (
            "probes/probe.py",
            "if TYPE_CHECKING:\n    from kcomponents.report import to_html",
            "report",
        ),
    ],
)
def test_an_import_from_no_lower_level_is_found(made, name, source, part):
    assert imports_not_from_below(made(name, source)) == [f"{name} imports {part}"]


@pytest.mark.parametrize(
    "name, source",
    [
        ("layers/prelu.py", "from kcomponents.layers._shared import axes"),
        ("_recording/recorder.py", "from kcomponents.probes import Probe"),
        ("tuning/search.py", "from kcomponents._recording.recorder import Recorder"),
        ("__init__.py", "from kcomponents import testing, tuning"),
        ("_pages/page.py", "import keras, json"),
    ],
)
def test_imports_from_below_and_of_others_are_left_alone(made, name, source):
    root = made(name, source)
    assert imports_not_from_below(root) == imports_of_private_names(root) == []


@pytest.mark.parametrize(
    "source, name",
    [
        ("from kcomponents.probes._hub import tap", "probes._hub.tap"),
        ("from kcomponents.probes import _hub", "probes._hub"),
        ("from kcomponents.probes.probe import _tap", "probes.probe._tap"),
        ("def f():\n    import kcomponents.probes._hub", "probes._hub"),
        ("from kcomponents._keras.models import _clone", "_keras.models._clone"),
    ],
)
def test_an_import_of_a_private_name_is_found(made, source, name):
    root = made("callbacks/monitor.py", source)
    assert imports_of_private_names(root) == [f"callbacks/monitor.py imports {name}"]


@pytest.mark.parametrize(
    "source, name",
    [
        ("from keras.src.models import cloning", "keras.src"),
        ("from keras import src", "keras.src"),
        ("import keras\ncloning = keras.src.models.cloning", "keras.src"),
        ("module = import_module('keras.src.models')", "keras.src"),
        ("model._layers", "_layers"),
        ("model._layers = []", "_layers"),
        ("getattr(model, '_layers', None)", "_layers"),
        ("from keras.models import _clone", "_clone"),
        ("torch._foreach_norm(norms)", "_foreach_norm"),
    ],
)
def test_a_private_name_of_keras_is_found(made, source, name):
    root = made("surgery/prune.py", source)
    assert private_names_of_keras(root) == [f"surgery/prune.py uses {name}"]


@pytest.mark.parametrize(
    "name, source",
    [
        ("_keras/models.py", "from keras.src.models import cloning\nmodel._layers"),
        ("_backends/torch.py", "torch._foreach_norm(norms)"),
        ("layers/backends/torch.py", "torch._foreach_norm(norms)"),
        ("layers/prelu.py", "class A:\n    def f(self):\n        self._x = other._x"),
        ("layers/prelu.py", "answer._replace(mean=0).__dict__"),
    ],
)
def test_private_names_in_their_places_are_left_alone(made, name, source):
    assert private_names_of_keras(made(name, source)) == []


@pytest.mark.parametrize(
    "source, word",
    [
        ("import jax.numpy", "jax"),
        ("from torch import nn", "torch"),
        ("def f():\n    import tensorflow", "tensorflow"),
        ("fast = keras.backend.backend() == 'jax'", "jax"),
        ("module = importlib.import_module('jax.numpy')", "jax"),
        ("y = tf.nn.relu(x)", "tf"),
    ],
)
def test_a_name_of_a_backend_is_found(made, source, word):
    root = made("layers/prelu.py", source)
    assert names_of_backends(root) == [f"layers/prelu.py names {word}"]


@pytest.mark.parametrize(
    "name, source",
    [
        ("_backends/jax.py", "import jax"),
        ("layers/backends/jax.py", "import jax"),
        ("testing/backends.py", "import jax"),
        ("layers/prelu.py", '"""On jax and on torch alike."""'),
    ],
)
def test_names_of_backends_in_their_places_are_left_alone(made, name, source):
    assert names_of_backends(made(name, source)) == []


@pytest.mark.parametrize(
    "source, output",
    [
        ("print('a')", "print"),
        ("show = print", "print"),
        ("sys.stdout.write('a')", "sys.stdout"),
        ("write('a', sys.stderr)", "sys.stderr"),
        ("from sys import stdout", "stdout"),
        ("warnings.warn('a')", "warnings.warn"),
        ("from warnings import warn", "warn"),
        ("logging.warning('a')", "logging.warning"),
        ("logging.getLogger(__name__)", "logging.getLogger(__name__)"),
        ("logging.getLogger()", "logging.getLogger()"),
        ("from logging import getLogger", "getLogger"),
        ("traceback.print_exc()", "traceback.print_exc"),
        ("os.write(1, b'a')", "os.write"),
        ("keras.print_msg('a')", "keras.print_msg"),
    ],
)
def test_an_output_past_the_console_is_found(made, source, output):
    root = made("callbacks/monitor.py", source)
    assert outputs_past_the_console(root) == [f"callbacks/monitor.py uses {output}"]


@pytest.mark.parametrize(
    "name, source",
    [
        ("_console.py", "print('a')\nsys.stdout.write('a')"),
        ("callbacks/monitor.py", "show('a')\n_console.warn('a')"),
        ("callbacks/monitor.py", "logging.getLogger('kcomponents').info('a')"),
        ("callbacks/monitor.py", "sys.stdout.isatty()\nsys.stdin.buffer.read()"),
        ("callbacks/monitor.py", "warnings.catch_warnings()\nfile.write('a')"),
        ("callbacks/monitor.py", "traceback.format_exception(error)"),
    ],
)
def test_outputs_through_the_console_are_left_alone(made, name, source):
    assert outputs_past_the_console(made(name, source)) == []
