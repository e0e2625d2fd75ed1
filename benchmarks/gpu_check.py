"""Check the package on a GPU, in one command and within minutes, and print one table.

    python benchmarks/gpu_check.py                    # on a machine with a GPU
    python benchmarks/gpu_check.py --device cpu       # the same path with small sizes
    python benchmarks/gpu_check.py --backends jax --parts results trainings

For JAX and PyTorch, and for TensorFlow where it sees a GPU, it checks that components
compute what they compute on a CPU, in three precisions (`results`); that monitors, the
doctor and other callbacks leave a training as it is (`trainings`); that workers of a
search share a GPU, or have one each (`searches`); and what all that costs in time and
memory (`costs`). Nothing is downloaded. Each part of a backend is a process of its own
with a limit in time, so that all ends within `--minutes`. First come the parts whose
time does not matter, side by side, then the costs, one backend after the other.

A check that fails or raises becomes a row that says so, and the rest goes on; a process
that crashes is started again for the checks that are left. The exit code is 1 if a row
failed. `--json FILE` writes a line for each row, with the traceback of a failure, and
`--markdown FILE` the page docs/gpu.md.

A machine without a network needs Keras, this package and what they import as wheels,
beside the JAX and PyTorch that it has. `--wheels` downloads them in the versions that
are installed here, for another Python and platform than this one if need be, and says
how large they are together; then `pip` installs them there from the folder:

    python benchmarks/gpu_check.py --wheels wheels --python 3.12
    python -m pip install --no-index --find-links wheels kcomponents keras keras-tuner \
        optuna cloudpickle filelock jinja2 psutil rich six wrapt
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import importlib
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

from gpu_checks import device, wheels
from gpu_checks.rows import Row, attempt, failure, page, progress, table

HERE = pathlib.Path(__file__).parent
PARTS = ["results", "trainings", "searches", "costs"]
EXACT = ("results", "trainings")
COSTS = "costs"
# The share of the time that is for the costs; those of a trial are small.
SHARES = {"gpu": 0.5, "cpu": 0.3}
# Seconds to end processes and to write the table.
RESERVE = 10
# Begins the lines of a process that are for this one.
MARK = "gpu_check: "


def say(**message):
    """Tell the process that started this one."""
    print(MARK + json.dumps(message), flush=True)


def run_here(part, where, done):
    """Run the checks of a part in this process, but for those that are done."""
    if part in EXACT:
        device.compute_exactly()
    if where == "gpu" and not device.accelerator():
        say(absent=f"{os.environ['KERAS_BACKEND']} sees no GPU")
        return
    checks = importlib.import_module(f"gpu_checks.{part}").checks(where == "cpu")
    say(plan=list(checks), versions=device.versions())
    for name, check in checks.items():
        if name not in done:
            say(begin=name)
            begin = time.monotonic()
            rows = [dataclasses.asdict(row) for row in attempt(name, check)]
            say(done=name, rows=rows, seconds=round(time.monotonic() - begin, 1))


def end(process):
    """End a process with those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def messages(command, environment, seconds, errors):
    """Run a process for at most some seconds; yield what it says to this one."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=errors,
        encoding="utf-8",
        start_new_session=True,
    )
    timer = threading.Timer(seconds, end, [process])
    timer.start()
    with process:
        try:
            for line in process.stdout:
                if line.startswith(MARK):
                    yield json.loads(line.removeprefix(MARK))
        finally:
            timer.cancel()
            end(process)


class Part:
    """A part of the checks of one backend, run in processes of its own.

    Args:
        backend: String, the name of the backend.
        name: String, the name of the part.
        where: `"gpu"` or `"cpu"`.
        folder: Path of a folder for what is compiled.
        command: List of strings, the command of a process. Defaults to `None`, this
            script.
    """

    def __init__(self, backend, name, where, folder, command=None):
        self.backend, self.name, self.where = backend, name, where
        self.command = command or [sys.executable, str(HERE / "gpu_check.py")]
        self.rows, self.versions, self.absent = [], {}, None
        self._plan, self._done, self._begun = None, [], None
        self._flags = True
        self._paths = os.pathsep.join(
            [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
        )
        self._cache = {
            "JAX_COMPILATION_CACHE_DIR": str(folder),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }

    def run(self, seconds):
        """Run the checks within some seconds; return the rows."""
        deadline = time.monotonic() + seconds
        while not self._is_complete():
            left = deadline - time.monotonic()
            if left <= 0:
                self._end_with("no time was left", self._left())
                break
            with tempfile.TemporaryFile("w+", errors="replace") as errors:
                before = len(self._done)
                self._listen(left, errors)
                if self._is_complete():
                    break
                errors.seek(0)
                text = errors.read()
            if time.monotonic() >= deadline:
                begun = [self._begun] if self._begun else self._left()
                self._end_with(f"not done after {seconds:.0f} s", begun)
            elif self._plan is None and self._flags and "Unknown flag" in text:
                self._flags = False
            elif self._begun:
                self._end_with("the process crashed", [self._begun], text)
            elif self._plan is None or before == len(self._done):
                self._end_with("the process ended early", self._left(), text)
        return self.rows

    def _listen(self, seconds, errors):
        """Run one process for the checks that are left."""
        exact = self.name in EXACT
        own = device.environment(self.backend, self.where, exact, self._flags)
        own["PYTHONPATH"] = self._paths
        if exact:
            own |= self._cache
        done = json.dumps(self._done)
        command = [*self.command, "--part", self.name, "--device", self.where]
        for told in messages([*command, "--done", done], own, seconds, errors):
            self._plan = told.get("plan", self._plan)
            self.versions = told.get("versions", self.versions)
            self.absent = told.get("absent", self.absent)
            self._begun = told.get("begin")
            if "done" in told:
                rows = [Row(**row) for row in told["rows"]]
                self._add(told["done"], rows, f"{told['seconds']:.1f} s")

    def _add(self, check, rows, took):
        """Take the rows of a check, and show them."""
        self._done.append(check)
        self.rows += rows
        for row in rows:
            sign = "ok" if row.ok else "x "
            text = f"{self.backend:<11}{sign} {row.name}: {row.result} [{row.bound}]"
            progress(f"{text}, {took}")

    def _end_with(self, why, checks, text=""):
        """Make a row of each check that has no result."""
        for check in checks:
            self._add(check, [failure(check, why, text[-3000:])], "-")
        self._begun = None

    def _left(self):
        if self._plan is None:
            # What its checks are is not known.
            return [self.name]
        return [check for check in self._plan if check not in self._done]

    def _is_complete(self):
        if self.absent:
            return True
        return bool(self._done) and (self._plan is None or not self._left())


class Run:
    """Runs parts of several backends within some minutes.

    Args:
        backends: List of strings.
        parts: List of strings.
        where: `"gpu"` or `"cpu"`.
        minutes: Float.
        folder: Path of a folder for what is compiled.
    """

    def __init__(self, backends, parts, where, minutes, folder):
        self.seconds, self.where = 60 * minutes - RESERVE, where
        self.parts = {
            backend: [Part(backend, name, where, folder) for name in parts]
            for backend in backends
        }

    def run(self):
        """Run all parts: those that are not timed side by side, then the costs."""
        end = time.monotonic() + self.seconds
        parts = [part for parts in self.parts.values() for part in parts]
        alone = [part for part in parts if part.name == COSTS]
        together = [part for part in parts if part.name != COSTS]
        if together:
            share = SHARES[self.where] if alone else 0.0
            seconds = (1 - share) * self.seconds
            with concurrent.futures.ThreadPoolExecutor(len(together)) as pool:
                list(pool.map(lambda part: part.run(seconds), together))
        for number, part in enumerate(alone):
            left = max(0.0, end - time.monotonic())
            if not any(other.absent for other in self.parts[part.backend]):
                part.run(left / (len(alone) - number))

    def results(self):
        """Return rows by backend, the versions of each, and what was not run."""
        rows, heading, notes = {}, [], []
        for backend, parts in self.parts.items():
            absent = next((part.absent for part in parts if part.absent), None)
            if absent is None:
                rows[backend] = [row for part in parts for row in part.rows]
                found = next((part.versions for part in parts if part.versions), {})
                heading.append(
                    ", ".join(f"{k} {v}" for k, v in found.items()) or backend
                )
            elif backend == "tensorflow":
                notes.append(f"TensorFlow was not run: {absent}.")
            else:
                why = f"{absent}; `--device cpu` needs none"
                rows[backend] = [failure(f"The device of {backend}", why)]
        return rows, heading, notes


def without_missing(backends):
    """Return the backends that are installed; TensorFlow need not be."""
    known = [b for b in backends if importlib.util.find_spec(b)]
    missing = [b for b in backends if b not in known and b != "tensorflow"]
    rows = {b: [failure(f"The device of {b}", "it is not installed")] for b in missing}
    notes = ["TensorFlow was not run: it is not installed."]
    return known, rows, notes if "tensorflow" in set(backends) - set(known) else []


def write(args, rows, content):
    """Write the files that were asked for."""
    if args.json:
        with args.json.open("w", encoding="utf-8") as file:
            for backend, found in rows.items():
                for row in found:
                    told = {"backend": backend, **dataclasses.asdict(row)}
                    file.write(json.dumps(told) + "\n")
    if args.markdown:
        args.markdown.write_text(content, encoding="utf-8")


def arguments(argv):
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--backends", nargs="+", choices=device.BACKENDS, help="all that see a GPU")
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="all")
    add("--device", choices=["gpu", "cpu"], default="gpu", help="cpu for a trial")
    add("--minutes", type=float, default=8.0, help="the limit of all (%(default)s)")
    add("--json", type=pathlib.Path, metavar="FILE", help="write a line for each row")
    add("--markdown", type=pathlib.Path, metavar="FILE", help="write the page")
    add("--wheels", metavar="FOLDER", help="download wheels, and check nothing")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    add("--python", default=here, help="of the wheels (%(default)s)")
    add("--platforms", nargs="+", default=wheels.PLATFORMS, help="of the wheels")
    add("--part", choices=PARTS, help=argparse.SUPPRESS)
    add("--done", type=json.loads, default=[], help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv=None):
    """Run the checks and print the table; return 1 if a row failed."""
    args = arguments(argv)
    if args.part:
        run_here(args.part, args.device, args.done)
        return 0
    if args.wheels:
        return wheels.main(args.wheels, args.python, args.platforms)
    # TensorFlow computes on CPUs only where it is asked for by name.
    usual = device.BACKENDS[: 2 if args.device == "cpu" else None]
    known, rows, notes = without_missing(args.backends or usual)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(known, args.parts, args.device, args.minutes, folder)
        run.run()
    found, heading, others = run.results()
    rows |= found
    content = table(rows, list(rows))
    print("\n".join([*heading, *notes, *others, "", content]), flush=True)
    write(args, rows, page(heading, [*notes, *others], content, args.device == "cpu"))
    failed = [row for each in rows.values() for row in each if not row.ok]
    for row in failed:
        progress(f"\n{row.name}: {row.result}\n{row.detail}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
