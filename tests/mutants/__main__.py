"""Make small changes of the package, one at a time, and run the tests that should fail.

Needs Linux or macOS. From the root of the repository, on a quiet machine:

    python -m tests.mutants map    # once: which test runs which line, half an hour
    python -m tests.mutants run --count 240 --seed 0
    python -m tests.mutants table

`map` copies the repository into a folder of its own, where `run` changes a file, so the
working tree stays as it is. `map PATHS` copies tests that are new since, and adds them.
`run` goes on where it was stopped. A change that no test noticed is tried again by
`run --again`. If a change makes no difference that a test could find, write the reason
into its line of the results as `"equivalent"`. The tests run with PyTorch: if only a
test with another backend notices a change, write its name as `"killed_by"`, and the
backend as `"backend"`.
"""

import argparse
import ast
import bisect
import collections
import fcntl
import gc
import importlib.util
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time

import pytest
from coverage import Coverage

from tests.mutants.changes import PACKAGE, all_mutants, part, sample

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = pathlib.Path(__file__).parent / "results.jsonl"
WORK = pathlib.Path(tempfile.gettempdir(), "kcomponents_mutants")
# Share of the changes that tests have to notice.
GOAL = 0.92
# Tests are selected for a change until they take so many seconds together.
BUDGET = 60
# After this many seconds the tests are taken to hang, which counts as noticed.
LIMIT = 4 * BUDGET
# Seconds for a file of tests in the map; tests after that are not used.
MAP_LIMIT = 300
# Tests that are not used: they run whole programs, too slow for each change.
NOT_USED = tuple(
    f"tests/{name}/" for name in "ecosystem kills mutants recipes".split()
) + ("tests/doctor/test_programs.py",)
# Reads the defaults of all functions, and runs none.
DEFAULTS = "tests/test_public.py::test_the_docstring_gives_the_defaults"
# Packages that most tests import: once, before the processes of the changes begin. To
# set a random seed, Keras imports TensorFlow if it is installed.
PRELOADED = (
    "keras numpy hypothesis scipy.stats sklearn.linear_model matplotlib.figure jinja2 "
    "optuna keras_tuner rich.console psutil filelock cloudpickle doctest tensorflow"
)


class LineMap:
    """Which test runs which line, and how long it takes.

    Args:
        work: Path of the folder that `map` made.
    """

    def __init__(self, work):
        self.tree, self.seconds, self.masks = work / "tree", {}, {}
        for file in sorted((work / "map").iterdir()):
            for row in read(file):
                if row["outcome"] == "passed":
                    self.seconds[row["test"]] = row["seconds"]
                    masks = {path: int(mask, 16) for path, mask in row["lines"].items()}
                    self.masks[row["test"]] = masks

    def of_lines(self, path, first, last):
        """Return the tests that run one of these lines."""
        mask = (1 << (last + 1)) - (1 << first)
        return {test for test, m in self.masks.items() if m.get(path, 0) & mask}

    def select(self, mutant):
        """Return the tests that should notice a change, the likely and quick first."""
        owner, path = mutant.owner, mutant.path
        if isinstance(owner, ast.FunctionDef):
            found = self.of_lines(path, owner.body[0].lineno, owner.end_lineno)
        else:
            body = getattr(owner, "body", None)
            last = body[0].lineno - 1 if body else owner.end_lineno
            found = self.of_lines(path, owner.lineno, max(last, owner.lineno))
            if mutant.imported:
                found |= self.of_names(owner)
                found = found or self.of_lines(path, 1, 10_000)
                # Tests of the mirrored file may read the value themselves.
                found |= {test for test in self.seconds if distance(test, path) == 0}
        first = set()
        if mutant.kind == "default":
            first = {test for test in self.seconds if test.startswith(DEFAULTS)}
        tests = sorted(
            found | first,
            key=lambda t: (t not in first, distance(t, path), self.seconds[t], t),
        )
        spent = list(itertools.accumulate(self.seconds[test] for test in tests))
        return tests[: max(1, bisect.bisect(spent, BUDGET))]

    def of_names(self, statement):
        """Return the tests that run a line with a name that a statement assigns."""
        names = {
            node.id
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        found, pattern = set(), re.compile(rf"\b({'|'.join(names)})\b")
        for file in (self.tree / PACKAGE).rglob("*.py") if names else ():
            for number, text in enumerate(file.read_text().splitlines(), 1):
                if pattern.search(text):
                    path = str(file.relative_to(self.tree))
                    found |= self.of_lines(path, number, number)
        return found


def distance(test, path):
    """Return 0 for a test in the mirrored file, 1 in the same part, 2 elsewhere."""
    file, folder = pathlib.PurePath(test.split("::")[0]), part(path)
    name = pathlib.PurePath(path).stem.strip("_")
    if folder not in [*file.parts, file.stem.removeprefix("test_")]:
        return 2
    return int(name not in (file.stem.removeprefix("test_"), file.stem.strip("_")))


class Recorder:
    """Plugin of pytest: runs the selected tests in their order, writes what they did.

    Args:
        tree: Path of the copy of the repository.
        output: File object for a line of JSON for each test.
        tests: List of the names of tests to run; None for all that were collected.
        lines: Boolean, whether to write which lines of the package each test runs.
    """

    def __init__(self, tree, output, tests, lines):
        self.tree, self.output, self.tests = tree, output, tests
        self.coverage = None
        if lines:
            # In memory: some tests bound the size of files.
            files = {"include": [str(tree / PACKAGE / "*")]}
            self.coverage = Coverage(None, config_file=False, **files)
            # A file of tests may run no line in this process.
            self.coverage.set_option("run:disable_warnings", ["no-data-collected"])
            self.coverage.start()

    def pytest_collection_modifyitems(self, items):
        if self.tests is not None:
            rank = {test: i for i, test in enumerate(self.tests)}
            items[:] = [item for item in items if item.nodeid in rank]
            items.sort(key=lambda item: rank[item.nodeid])

    def pytest_collectreport(self, report):
        if report.failed:
            self.write(report.nodeid, "failed", 0.0)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.outcomes, begin = set(), sum(os.times()[:4])
        if self.coverage:
            self.coverage.switch_context(item.nodeid)
        result = yield
        [*other] = self.outcomes - {"passed"} or {"passed"}
        # Of the processor, in this process and in those that it started.
        seconds = sum(os.times()[:4]) - begin
        self.write(item.nodeid, "failed" if "failed" in other else other[0], seconds)
        return result

    def pytest_runtest_logreport(self, report):
        self.outcomes.add(report.outcome)

    def write(self, test, outcome, seconds):
        """Write a line: lines of the package are the bits of a number for each file."""
        lines = {}
        if self.coverage:
            self.coverage.switch_context("between tests")
            data = self.coverage.get_data()
            data.set_query_context(test)
            for file in data.measured_files():
                if numbers := data.lines(file):
                    name = str(pathlib.Path(file).relative_to(self.tree))
                    lines[name] = f"{sum(1 << number for number in numbers):x}"
        row = {"test": test, "outcome": outcome, "seconds": round(seconds, 3)}
        print(json.dumps(row | {"lines": lines}), file=self.output, flush=True)


def run_pytest(tree, arguments, *, tests=None, lines=False, limit=LIMIT):
    """Run pytest in a process of its own, in a copy of the repository.

    Returns:
        The list of what the tests did, and how the process ended: `"done"`, `"time"`
        if it took too long, or `"crash"`.
    """
    output, begin = tree.parent / "tests.jsonl", time.monotonic()
    output.write_text("")
    if not (child := os.fork()):
        code = 1
        try:
            code = in_child(tree, arguments, output, tests, lines)
        finally:
            os._exit(code)
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        time.sleep(0.02)
        if time.monotonic() - begin > limit:
            break
    try:
        # With what the tests have left running.
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if not ended[0]:
        os.waitpid(child, 0)
        end = "time"
    else:
        # 1 says that tests failed.
        end = "done" if os.waitstatus_to_exitcode(ended[1]) in (0, 1) else "crash"
    return read(output), end


def in_child(tree, arguments, output, tests, lines):
    """Run pytest in this process; return its exit code."""
    os.setsid()
    os.chdir(tree)
    # A changed file of the same size and second has no other compiled file.
    sys.dont_write_bytecode = not lines
    os.environ["PYTHONDONTWRITEBYTECODE"] = "" if lines else "1"
    # Nothing of the working tree is imported.
    os.environ["PYTHONPATH"] = str(tree)
    sys.path[:] = [str(tree), *(p for p in sys.path if p not in ("", str(ROOT)))]
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]
    with (tree.parent / "pytest.log").open("w") as log, output.open("a") as file:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        options = ["-p", "no:cacheprovider", f"--rootdir={tree}"]
        options += [f"--basetemp={tree.parent / 'tmp'}", "-p", "no:anyio"]
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        plugin = Recorder(tree, file, tests, lines)
        return int(pytest.main([*options, *arguments], plugins=[plugin]))


def first_failure(tree, tests):
    """Return the first of these tests that fails, None if all pass."""
    rows, end = run_pytest(tree, ["-x", *tests], tests=tests)
    failed = [row["test"] for row in rows if row["outcome"] == "failed"]
    return failed[0] if failed else {"done": None}.get(end, end)


class Runner:
    """Try changes, and keep the results in a file of JSON lines.

    Args:
        work: Path of the folder that `map` made.
        results: Path of the file of results.
    """

    def __init__(self, work, results):
        self.map, self.path, self.trusted = LineMap(work), results, {}
        self.tree = self.map.tree
        # A run that was killed leaves its change.
        shutil.copytree(work / PACKAGE, self.tree / PACKAGE, dirs_exist_ok=True)
        self.rows = {key(row): row for row in read(results)}

    def passes(self, tests):
        """Return whether tests pass on the package as it is."""
        name = " ".join(tests)
        if name not in self.trusted:
            self.trusted[name] = first_failure(self.tree, tests) is None
        return self.trusted[name]

    def try_mutant(self, mutant):
        """Return what noticed a change, None if nothing did."""
        file, tests = self.tree / mutant.path, self.map.select(mutant)
        source = file.read_text()
        while tests:
            file.write_text(mutant.apply(source))
            try:
                failed = first_failure(self.tree, tests)
            finally:
                file.write_text(source)
            # A test that fails without the change too says nothing of the change.
            if failed is None or self.passes([failed] if failed in tests else tests):
                return failed
            tests = [test for test in tests if test != failed]
            if failed in ("crash", "time"):
                tests = tests[: len(tests) // 2]
        return None

    def run(self, mutants, *, again=False):
        for mutant in mutants:
            old = self.rows.get(mutant.key)
            survived = old and not old["killed_by"] and "equivalent" not in old
            if old and not (again and survived):
                continue
            begin = time.monotonic()
            killed_by = self.try_mutant(mutant)
            seconds = round(time.monotonic() - begin, 1)
            names = mutant._fields[:6]
            row = {name: getattr(mutant, name) for name in names}
            row |= {"killed_by": killed_by, "seconds": seconds}
            if survived:
                # Its test was written because of it.
                row["test_added"] = killed_by is not None
            self.rows[mutant.key] = row
            lines = [json.dumps(row) + "\n" for row in self.rows.values()]
            self.path.write_text("".join(lines))
            print(told(row), flush=True)


def key(row):
    return tuple(row[name] for name in ("path", "line", "column", "before", "after"))


def read(path):
    """Return the rows of a file of results."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def told(row):
    """Return a line on a change."""
    place = f"{row['path']}:{row['line']}"
    change = f"{row['before']!r} -> {row['after']!r}"
    end = row["killed_by"] or "SURVIVED"
    end += f" with {row['backend']}" if "backend" in row else ""
    return f"{row['seconds']:>6.1f} s  {place}  {row['kind']}: {change}  {end}"


def table(rows):
    """Return the lines of a table of what was noticed by part, and its share."""
    counted = [row for row in rows if "equivalent" not in row]
    parts = collections.defaultdict(list)
    for row in counted:
        parts[part(row["path"])].append(bool(row["killed_by"]))
    lines = [f"{'part':<20}{'changes':>8}{'noticed':>8}"]
    for name, noticed in sorted(parts.items()):
        lines.append(f"{name:<20}{len(noticed):>8}{sum(noticed):>8}")
    killed = sum(map(sum, parts.values()))
    share = killed / len(counted) if counted else 0.0
    lines.append(f"{'all':<20}{len(counted):>8}{killed:>8}  {100 * share:.1f}%")
    groups = {
        "Noticed since a test was added": [r for r in counted if r.get("test_added")],
        "Not noticed": [row for row in counted if not row["killed_by"]],
        "No difference": [row for row in rows if "equivalent" in row],
    }
    for title, group in groups.items():
        lines += [f"\n{title}: {len(group)}", *map(told, group)]
        lines += [row["equivalent"] for row in group if "equivalent" in row]
    return lines, share


def measure(work, paths):
    """Run tests, and note which lines they run and how long they take."""
    tree, made = work / "tree", work / "map"
    if not tree.exists():
        ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")
        shutil.copytree(ROOT, tree, ignore=ignored)
        shutil.copytree(tree / PACKAGE, work / PACKAGE)
    made.mkdir(exist_ok=True)
    for path in paths:
        shutil.copy2(ROOT / path, tree / path)
    every = (str(test.relative_to(tree)) for test in tree.glob("tests/**/test_*.py"))
    for path in paths or sorted(every):
        done = made / f"{path.replace('/', '+')}.jsonl"
        if not paths and (done.exists() or path.startswith(NOT_USED)):
            continue
        rows, end = run_pytest(tree, [path], lines=True, limit=MAP_LIMIT)
        done.write_text("".join(json.dumps(row) + "\n" for row in rows))
        failed = sum(row["outcome"] == "failed" for row in rows)
        print(f"{path}: {len(rows)} tests, {failed} failed, {end}", flush=True)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, default=WORK, help="its folder")
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS)
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("map", help="note which test runs which line")
    made.add_argument("paths", nargs="*", help="files of tests to copy and add")
    ran = commands.add_parser("run", help="try changes")
    ran.add_argument("--count", type=int, default=240, help="how many")
    ran.add_argument("--seed", type=int, default=0)
    ran.add_argument("--under", default="", help="only in files that begin so")
    ran.add_argument("--again", action="store_true", help="also what was not noticed")
    commands.add_parser("table", help="what was noticed; ends with 1 below the goal")
    args = parser.parse_args(argv)
    if args.command == "table":
        lines, share = table(read(args.results))
        print(*lines, sep="\n")
        return int(share < GOAL)
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MPLBACKEND", "Agg")
    args.work.mkdir(exist_ok=True)
    lock = (args.work / "lock").open("w")
    # Another run in this folder would change the same files.
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for name in PRELOADED.split():
        if importlib.util.find_spec(name.split(".")[0]):
            importlib.import_module(name)
    # The garbage collection of a child does not look at what the parent imported.
    gc.freeze()
    if args.command == "map":
        measure(args.work, args.paths)
        return 0
    runner = Runner(args.work, args.results)
    mutants = all_mutants(runner.tree, args.under)
    runner.run(sample(mutants, args.count, args.seed), again=args.again)
    return 0


if __name__ == "__main__":
    sys.exit(main())
