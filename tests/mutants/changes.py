"""The small changes of the package, and a sample of them.

Not changed are texts, error messages, logging, annotations, the appearance of figures,
and what runs on another backend or in another process than the tests.
"""

import ast
import collections
import itertools
import random
import re
from typing import NamedTuple

PACKAGE = "kcomponents"
# Files without changes, and the reason.
LEFT_OUT = {
    "_backends/jax.py": "runs on another backend",
    "_backends/model_reuse.py": "runs on another backend",
    "_backends/tensorflow.py": "runs on another backend",
    "_keras/features.py": "names and texts",
    "_version.py": "a text",
    "layers/backends/jax.py": "runs on another backend",
    "layers/backends/tensorflow.py": "runs on another backend",
    "testing/backends.py": "starts each backend in a process of its own",
    "tuning/_workers/process.py": "runs in a process of its own",
    "tuning/_workers/ray_actors.py": "runs in processes of Ray",
}
# Files where a number, a sign or a call is the appearance of a figure.
FIGURES = (
    "_pages/drawing.py",
    "report/_curve_panels.py",
    "report/_layer_panels.py",
    "tuning/_results/panels.py",
)
# Functions whose arguments are texts for people.
TELLING = {"debug", "error", "exception", "fail", "info", "print", "warn", "warning"}

BOUNDARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
OPPOSITE = {
    **{"<": ">=", ">": "<=", "<=": ">", ">=": "<", "==": "!=", "!=": "=="},
    **{"is": "is not", "is not": "is", "in": "not in", "not in": "in"},
}
COMPARED = re.compile(r"(?<=[\s)])(is not|is|not in|in|[<>=!]=|[<>])(?=[\s(])")
SIGNS = {"+": "-", "-": "+", "*": "/", "/": "*"}
SIGN = re.compile(r"(?<![*/])[-+*/](?![*/])")
JOINED = re.compile(r"\b(and|or)\b")


class Mutant(NamedTuple):
    """A small change of a file.

    Args:
        path: String, path of the file from the root of the repository.
        line: Integer, line of the change, from 1.
        column: Integer, its place in the line in bytes, from 0.
        kind: String, such as `"boundary"` or `"return dropped"`.
        before: String, the text that is replaced.
        after: String, the text in its place.
        owner: `ast` node: the statement that contains the text, or the function whose
            default it is.
        imported: Boolean, whether the line runs when the module is imported.
    """

    path: str
    line: int
    column: int
    kind: str
    before: str
    after: str
    owner: ast.AST
    imported: bool

    @property
    def key(self):
        """What tells this change from others."""
        return self.path, self.line, self.column, self.before, self.after

    def apply(self, source):
        """Return the source with this change."""
        lines = source.encode().splitlines(keepends=True)
        start = sum(map(len, lines[: self.line - 1])) + self.column
        joined, old = b"".join(lines), self.before.encode()
        assert joined[start:].startswith(old)
        return (
            joined[:start] + self.after.encode() + joined[start + len(old) :]
        ).decode()


class Changes(ast.NodeVisitor):
    """Collect the changes of a source.

    Args:
        path: String, path of the file from the root of the repository.
        source: String, its text.
    """

    def __init__(self, path, source):
        self.path, self.found, self.owners, self.inside = path, [], [], 0
        self.lines = source.encode().splitlines(keepends=True)
        self.starts = [0, *itertools.accumulate(map(len, self.lines))]
        self.text = b"".join(self.lines)
        self.figures = path.endswith(FIGURES)
        self.visit(ast.parse(source))

    def place(self, node, *, end=False):
        """Return where a node begins or ends, in bytes of the text."""
        if end:
            return self.starts[node.end_lineno - 1] + node.end_col_offset
        return self.starts[node.lineno - 1] + node.col_offset

    def add(self, kind, start, end, after, *, imported=False):
        """Add the change of the text from `start` to `end`."""
        line = sum(each <= start for each in self.starts)
        before = self.text[start:end].decode()
        mutant = Mutant(
            self.path,
            line,
            start - self.starts[line - 1],
            kind,
            before,
            after,
            self.owners[-1],
            imported or not self.inside,
        )
        self.found.append(mutant)

    def replace(self, kind, node, after, **kwargs):
        """Add the change of a whole node."""
        self.add(kind, self.place(node), self.place(node, end=True), after, **kwargs)

    def between(self, kinds, left, right, pattern):
        """Add changes of the operator between two nodes, `kinds` of kind to table."""
        start, end = self.place(left, end=True), self.place(right)
        # No pattern matches text, and `#` begins a comment.
        gap = self.text[start:end].decode()
        match = None if "#" in gap else pattern.search(gap)
        for kind, table in kinds.items() if match else ():
            if match.group() in table:
                first, last = start + match.start(), start + match.end()
                self.add(kind, first, last, table[match.group()])

    def visit(self, node):
        """Visit a node, and remember the statement it is in."""
        statement = isinstance(node, ast.stmt)
        self.owners += [node] * statement
        super().visit(node)
        del self.owners[len(self.owners) - statement :]

    def visit_FunctionDef(self, node):
        if re.fullmatch(r"__repr__|__str__|_repr_\w+_", node.name):
            return
        arguments = node.args.posonlyargs + node.args.args
        arguments = arguments[len(arguments) - len(node.args.defaults) :]
        pairs = zip(arguments, node.args.defaults, strict=True)
        pairs = [*pairs, *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
        for argument, default in pairs:
            # Any seed is as good as another.
            if isinstance(default, ast.Constant) and argument.arg != "seed":
                if after := changed_default(default.value, argument.annotation):
                    self.replace("default", default, after, imported=True)
        self.inside += 1
        for child in node.body:
            self.visit(child)
        self.inside -= 1

    def visit_AnnAssign(self, node):
        if node.value:
            self.visit(node.value)

    def visit_ClassDef(self, node):
        for child in node.body:
            self.visit(child)

    def visit_JoinedStr(self, node):
        """Leave texts as they are."""

    def visit_Raise(self, node):
        """Leave errors as they are: that they are raised is a branch."""

    def visit_Call(self, node):
        if called(node) == "zip":
            # `strict=True` is for readers.
            for argument in node.args:
                self.visit(argument)
        elif called(node) not in TELLING:
            self.generic_visit(node)

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Call) and called(node.value) not in TELLING:
            if not self.figures:
                self.replace("call dropped", node, "pass")
        self.generic_visit(node)

    def visit_Return(self, node):
        if node.value and not is_constant(node.value, None):
            self.replace("return dropped", node.value, "None")
        self.generic_visit(node)

    def visit_If(self, node):
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.branches(node)
        self.generic_visit(node)

    def visit_IfExp(self, node):
        self.branches(node)
        self.generic_visit(node)

    def branches(self, node):
        """Add the changes that always, or never, take the first branch."""
        self.replace("branch dropped", node.test, "False")
        if node.orelse:
            self.replace("branch dropped", node.test, "True")

    def visit_Compare(self, node):
        kinds = {"boundary": BOUNDARY, "comparison": OPPOSITE}
        operands = [node.left, *node.comparators]
        for left, right in itertools.pairwise(operands):
            self.between(kinds, left, right, COMPARED)
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        for left, right in itertools.pairwise(node.values):
            kinds = {"boolean operator": {"and": "or", "or": "and"}}
            self.between(kinds, left, right, JOINED)
        self.generic_visit(node)

    def visit_BinOp(self, node):
        sides = (node.left, node.right)
        texts = ast.JoinedStr | ast.List | ast.Tuple
        words = any(isinstance(e, texts) or is_constant(e, "") for e in sides)
        if not words and not self.figures:
            self.between({"sign": SIGNS}, *sides, SIGN)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        kind = {ast.Not: "not dropped", ast.USub: "sign"}.get(type(node.op))
        if kind == "not dropped" or kind and not self.figures:
            self.add(kind, self.place(node), self.place(node.operand), "")
        self.generic_visit(node)

    def visit_Constant(self, node):
        value = node.value
        if self.figures:
            return
        if isinstance(value, bool):
            self.replace("constant", node, str(not value))
        elif isinstance(value, int | float):
            # Smaller numbers only guard against a division by 0.
            if value == 0 or abs(value) >= 1e-6:
                self.replace("number", node, changed_number(value))


def called(node):
    """Return the last name of the function that is called."""
    return getattr(node.func, "attr", getattr(node.func, "id", None))


def is_constant(node, like):
    """Return whether a node is a constant of this type."""
    return isinstance(node, ast.Constant) and type(node.value) is type(like)


def changed_number(value):
    """Return the text of a number off by one, or by a half if it is large."""
    if isinstance(value, float) or value > 9:
        half = value * 1.5 or 1.0
        return repr(half if isinstance(value, float) else round(half))
    return repr(value - 1 if value > 1 else value + 1)


def changed_default(value, annotation):
    """Return the text of another default, None if none is likely to be right too."""
    if value is None:
        kinds = ast.unparse(annotation).split(" | ") if annotation else []
        return "0" if {"int", "float"} & {*kinds} else None
    if isinstance(value, bool):
        return str(not value)
    return repr("changed") if isinstance(value, str) else changed_number(value)


def all_mutants(folder, under=""):
    """Return the changes of the files of the package whose path begins with `under`."""
    found = []
    for file in sorted((folder / PACKAGE).rglob("*.py")):
        path = str(file.relative_to(folder))
        if path.startswith(under) and path.split("/", 1)[1] not in LEFT_OUT:
            found += Changes(path, file.read_text()).found
    return found


def part(path):
    """Return the folder or module at the first level of the package."""
    return path.split("/")[1].removesuffix(".py")


def sample(mutants, count, seed):
    """Draw changes: some of each part, more of a large one, all kinds alike."""
    generator = random.Random(seed)
    parts = collections.defaultdict(list)
    for mutant in mutants:
        parts[part(mutant.path)].append(mutant)
    # In turn by part, the next of a part when its share is due.
    queue = []
    for name, of_part in sorted(parts.items()):
        share = len(of_part) ** 0.5
        kinds = collections.defaultdict(list)
        for mutant in generator.sample(of_part, len(of_part)):
            kinds[mutant.kind].append(mutant)
        order = generator.sample(sorted(kinds), len(kinds))
        turns = itertools.zip_longest(*(kinds[kind] for kind in order))
        drawn = filter(None, itertools.chain.from_iterable(turns))
        queue += [(i / share, name, mutant) for i, mutant in enumerate(drawn, 1)]
    queue.sort(key=lambda each: each[:2])
    return [mutant for _, _, mutant in queue[:count]]
