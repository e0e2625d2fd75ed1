"""Count the files a reader of kcomponents opens: all of them, and task by task.

The first table describes the package: files (without `__init__`), lines per file, and
the share of docstrings. A one-importer module is a private module of fewer than 60
lines that exactly one other module imports. The second table runs nine small tasks,
such as one `fit` with `TrainingDoctor`, and counts the files whose functions are
called, in any thread, and the pairs of files where one calls the other directly.
Everything is imported before; code at the top level of a module does not count.

    KERAS_BACKEND=jax python benchmarks/structure.py
    KERAS_BACKEND=jax python benchmarks/structure.py --goals --json structure.json
    KERAS_BACKEND=jax python benchmarks/structure.py --package ../other/kcomponents

With `--goals`, it exits with 1 if a task enters more files than its goal.
"""

import argparse
import ast
import collections
import contextlib
import importlib
import inspect
import json
import logging
import math
import os
import pathlib
import pkgutil
import statistics
import sys
import tempfile
import threading

# A file with one importer should have at least `SHORT` lines, any file at most `LONG`.
SHORT, LONG = 60, 500

# Task → the most files it should enter.
GOALS = {
    "fit with TrainingDoctor": 40,
    "EarlyStopping: improvement": 14,
    "EarlyStopping: resume": 14,
    "fit with GradientNormLogger": 21,
    "search: start": 28,
    "search: one trial": 34,
    "search: report": 17,
    "clipped optimizer: one step": 6,
    "one rule, record to remedy": 10,
}


# The package as text


def module_name(path, package):
    """Return the dotted name of a file of the package."""
    parts = [package.name, *path.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree, modules):
    """Return which of some modules a file imports, at any depth."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            # `from package import module` imports the module, not only the package.
            names |= {name if name in modules else node.module for name in whole}
    return names & modules


def filled(lines):
    """Return the number of lines that are not blank."""
    return sum(bool(line.strip()) for line in lines)


def docstring_lines(text):
    """Return the number of non-blank lines in the docstrings of a file."""
    count, lines = 0, text.splitlines()
    documented = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            count += filled(lines[node.body[0].lineno - 1 : node.body[0].end_lineno])
    return count


def package_numbers(package):
    """Return the numbers of a package as a dict.

    Args:
        package: Path of the package's folder.
    """
    texts = {path: path.read_text("utf-8") for path in sorted(package.rglob("*.py"))}
    names = {path: module_name(path, package) for path in texts}
    importers = collections.Counter()
    for path, text in texts.items():
        importers.update(imported(ast.parse(text), {*names.values()}) - {names[path]})
    lines = {
        path: len(text.splitlines())
        for path, text in texts.items()
        if path.stem != "__init__"
    }
    private = [path for path in lines if "._" in names[path]]
    single = [p for p in private if importers[names[p]] == 1 and lines[p] < SHORT]
    ordered = sorted(lines.values())
    documented = sum(map(docstring_lines, texts.values()))
    written = sum(filled(text.splitlines()) for text in texts.values())
    return {
        "files": len(lines),
        "lines": sum(ordered),
        "lines_median": statistics.median(ordered),
        "lines_percentile_90": ordered[math.ceil(0.9 * len(ordered)) - 1],
        "files_over_500_lines": [
            str(path.relative_to(package)) for path in lines if lines[path] > LONG
        ],
        "private_modules": len(private),
        "one_importer_modules": len(single),
        "docstring_share": documented / written,
    }


# The files that a task enters


class Trace:
    """The files of a package whose functions are called, and their callers.

    Args:
        package: Path of the package's folder.

    Attributes:
        files: Set of paths, from the package's folder.
        pairs: Set of pairs of such paths, caller and callee, where the call is direct.
    """

    def __init__(self, package):
        self.folder = os.path.join(os.path.realpath(package), "")
        self.files, self.pairs = set(), set()
        self._paths = {}

    def __enter__(self):
        threading.setprofile(self._profile)  # threads that start from now on
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)
        threading.setprofile(None)

    def _profile(self, frame, event, arg):
        # Bodies of modules and classes have no local variables of this kind.
        if event != "call" or not frame.f_code.co_flags & inspect.CO_NEWLOCALS:
            return
        callee = self._path(frame)
        if callee is None:
            return
        self.files.add(callee)
        caller = self._path(frame.f_back)
        if caller not in (None, callee):
            self.pairs.add((caller, callee))

    def _path(self, frame):
        """Return the path of a frame's file in the package, else `None`."""
        file = frame.f_code.co_filename if frame else ""
        if file not in self._paths:
            path = os.path.realpath(file)
            inside = path.startswith(self.folder)
            self._paths[file] = path[len(self.folder) :] if inside else None
        return self._paths[file]


def import_everything(package):
    """Import all modules of a package that can be imported here."""
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            # Modules for another backend, or for an optional package.
            print(f"Not imported: {module.name} ({error})", file=sys.stderr)


class Tasks:
    """The tasks; each method returns a dict from a task's name to its trace.

    Args:
        trace: Function that returns a new `Trace`.
        folder: Path of an empty folder.
    """

    def __init__(self, trace, folder):
        import numpy as np

        self.trace, self.folder = trace, folder
        self.x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
        self.y = (self.x[:, 0] > 0).astype("float32")

    def model(self, optimizer="adam"):
        """Return a small compiled MLP with the same weights each time."""
        import keras

        keras.utils.set_random_seed(0)
        hidden = [keras.layers.Dense(8, "relu") for _ in range(2)]
        output = keras.layers.Dense(1, "sigmoid")
        model = keras.Sequential([keras.Input((4,)), *hidden, output])
        model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, model, *callbacks, **options):
        """Train a model in silence."""
        options = {"verbose": 0, "batch_size": 8, **options}
        model.fit(self.x, self.y, callbacks=list(callbacks), **options)

    def doctor(self):
        """Train a model that learns, and read the diagnosis."""
        import keras

        from kcomponents.callbacks import TrainingDoctor

        model = self.model(keras.optimizers.Adam(0.02))
        with self.trace() as trace:
            doctor = TrainingDoctor()
            self.fit(model, doctor, epochs=25)
            str(doctor.diagnosis)
        return {"fit with TrainingDoctor": trace}

    def early_stopping(self):
        """Train for one epoch, which is the best so far, and resume from its file."""
        from kcomponents.callbacks import EarlyStopping

        options = {"restore_best_weights": True}
        options["state_path"] = os.path.join(self.folder, "stopping.npz")
        model = self.model()
        with self.trace() as improvement:
            self.fit(model, EarlyStopping("loss", **options))
        model = self.model()
        with self.trace() as resume:
            self.fit(model, EarlyStopping("loss", **options), initial_epoch=1, epochs=2)
        return {
            "EarlyStopping: improvement": improvement,
            "EarlyStopping: resume": resume,
        }

    def gradient_norms(self):
        """Train with one monitor."""
        from kcomponents.callbacks import GradientNormLogger

        model, logger = self.model(), GradientNormLogger()
        with self.trace() as trace:
            self.fit(model, logger)
        return {"fit with GradientNormLogger": trace}

    def search(self):
        """Run a search of two trials: up to the first fit, the second fit, the page."""
        import keras
        import keras_tuner

        from kcomponents.tuning import Search

        traces = {name: self.trace() for name in ("start", "one trial", "report")}
        tasks, fits = self, []

        class HyperModel(keras_tuner.HyperModel):
            def build(self, hp):
                rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
                return tasks.model(keras.optimizers.Adam(rate))

            def fit(self, *args, **options):
                start.close()
                fits.append(None)
                # The first is the baseline, which the doctor does not end early.
                second = traces["one trial"] if len(fits) == 2 else None
                with second or contextlib.nullcontext():
                    return super().fit(*args, **options)

        start = contextlib.ExitStack()
        with start:
            start.enter_context(traces["start"])
            options = {"max_trials": 2, "repeats": 0, "finalists": 0, "seed": 0}
            search = Search(HyperModel(), directory=self.folder, **options)
            search.search(self.x, self.y, validation_split=0.5, verbose=0)
        with traces["report"]:
            search.report()
        return {f"search: {name}": trace for name, trace in traces.items()}

    def clipping(self):
        """Apply one gradient, eagerly."""
        import keras

        from kcomponents.optimizers import clipped

        # Before it took the names of Keras, `global_clipnorm` was `global_norm`.
        known = inspect.signature(clipped).parameters
        name = "global_clipnorm" if "global_clipnorm" in known else "global_norm"
        optimizer = clipped(keras.optimizers.SGD(0.1), **{name: 1.0})
        weight = keras.Variable([1.0, 1.0])
        optimizer.build([weight])
        gradient = keras.ops.array([3.0, 4.0])
        with self.trace() as trace:
            optimizer.apply([gradient], [weight])
        return {"clipped optimizer: one step": trace}

    def rule(self):
        """Record a run whose units are dead, load it, and print the remedy."""
        from kcomponents.callbacks import TrainingDoctor
        from kcomponents.doctor import examine
        from kcomponents.record import Record

        path = os.path.join(self.folder, "record.jsonl")
        model = self.model()
        model.layers[0].bias.assign([-100.0] * 8)
        self.fit(model, TrainingDoctor(record_path=path), epochs=4)
        with self.trace() as trace:
            printed = str(examine(Record.load(path), rules=["dead_relu"]))
        assert "dead_relu" in printed, printed
        return {"one rule, record to remedy": trace}


# Task's method → the names of what it measures, to run only those asked for.
METHODS = {
    "doctor": ["fit with TrainingDoctor"],
    "early_stopping": ["EarlyStopping: improvement", "EarlyStopping: resume"],
    "gradient_norms": ["fit with GradientNormLogger"],
    "search": ["search: start", "search: one trial", "search: report"],
    "clipping": ["clipped optimizer: one step"],
    "rule": ["one rule, record to remedy"],
}


def task_traces(package, only=""):
    """Yield the names of tasks, and their traces.

    Args:
        package: Path of the package's folder, which must be the one that is imported.
        only: String, part of the names of the tasks to run. Defaults to all.
    """
    logging.getLogger("kcomponents").setLevel(logging.ERROR)
    for method, names in METHODS.items():
        if any(only.lower() in name.lower() for name in names):
            with tempfile.TemporaryDirectory() as folder:
                tasks = Tasks(lambda: Trace(package), folder)
                yield from getattr(tasks, method)().items()


def print_numbers(numbers):
    """Print the table of the package."""
    single, private = numbers["one_importer_modules"], numbers["private_modules"]
    share = f" ({single / private:.0%})" if private else ""
    rows = {
        "files, without __init__": numbers["files"],
        "lines": numbers["lines"],
        "lines per file, median": f"{numbers['lines_median']:g}",
        "lines per file, 90th percentile": numbers["lines_percentile_90"],
        f"files of more than {LONG} lines": len(numbers["files_over_500_lines"]),
        "one-importer modules": f"{single} of {private} private modules{share}",
        "docstrings": f"{numbers['docstring_share']:.1%} of non-blank lines",
    }
    for name, value in rows.items():
        print(f"{name:<34}{value}")
    for name in numbers["files_over_500_lines"]:
        print(f"    {name}")


def main(argv=None):
    """Print both tables; return 1 if a goal is asked for and missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--package", metavar="DIR", help="the package's folder (default: as installed)")
    add("--only", default="", help='run tasks with this in their names, as "search"')
    add("--goals", action="store_true", help="print the goals; exit with 1 if missed")
    add("--json", metavar="FILE", help="also write all numbers, files and pairs there")
    args = parser.parse_args(argv)
    if args.package:
        sys.path.insert(0, str(pathlib.Path(args.package).resolve().parent))
    import kcomponents

    folder = pathlib.Path(kcomponents.__file__).parent
    if args.package and not folder.samefile(args.package):
        parser.error(f"--package must be a folder named kcomponents, not {folder}")
    numbers = package_numbers(folder)
    print_numbers(numbers)
    import_everything(kcomponents)
    tasks, missed = {}, []
    head = f"{'task':<34}{'files':>6}{'pairs':>6}"
    print(f"\n{head}{'goal':>6}" if args.goals else f"\n{head}")
    for name, trace in task_traces(folder, args.only):
        count, goal = len(trace.files), GOALS[name]
        row = f"{name:<34}{count:>6}{len(trace.pairs):>6}"
        if args.goals:
            row += f"{goal:>6}{'  MISSED' if count > goal else ''}"
            missed += [name] * (count > goal)
        print(row, flush=True)
        found = {"files": sorted(trace.files), "pairs": sorted(trace.pairs)}
        tasks[name] = {"count": count, "goal": goal, **found}
    if args.json:
        text = json.dumps({"package": numbers, "tasks": tasks}, indent=1)
        pathlib.Path(args.json).write_text(text + "\n", encoding="utf-8")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
