"""Kill trainings at every kind of boundary, and compare them with ones left alone.

A training is killed with SIGKILL before, within or after a write, a rename or a hook,
or at a random time. The program is started again, perhaps killed again, until it ends.
Then weights, optimizer, random state, history, callbacks and files must be equal, to
the bit, to those of a training that was never killed.

    KERAS_BACKEND=jax python -m tests.kills.training --kills 200 --seed 0

With `--results FILE` each kill is a line of JSON there, and a second start skips the
trainings that are in the file.
"""

import argparse
import collections
import itertools
import json
import os
import pathlib
import pickle
import random
import re
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings

import keras

from tests.kills import outcome, programs
from tests.kills.faults import Faults, Kill

# Longer than any of these trainings takes: the process hangs.
TIME_LIMIT = 300
# Of so many kills, one is at a random time.
RANDOM_TIMES = 7


class Child:
    """A process that runs one program; it has imported what this process has.

    Args:
        variant: Name of the variant.
        folder: Path of the folder of the training.
        kill: `Kill`, or `None`.
        resumed: Whether to use `Resume`. Defaults to `True`.
    """

    def __init__(self, variant, folder, kill=None, resumed=True):
        self._result = folder.with_suffix(".result")
        self._errors = folder.with_suffix(".errors")
        self._begun, begun = os.pipe()
        self._start = time.monotonic()
        self._process = os.fork()
        if not self._process:
            os.close(self._begun)
            self._run(variant, folder, kill, resumed, begun)
        os.close(begun)

    def _run(self, variant, folder, kill, resumed, begun):
        status = 1
        try:
            with open(self._errors, "wb") as errors:
                os.dup2(errors.fileno(), 2)
            temporary = folder.with_suffix(".tmp")
            temporary.mkdir(exist_ok=True)
            tempfile.tempdir = os.fspath(temporary)
            faults = Faults(folder, kill)
            faults.install()
            found = programs.train(
                programs.VARIANTS[variant],
                folder,
                faults,
                lambda: os.write(begun, b"b"),
                resumed,
            )
            self._result.write_bytes(pickle.dumps((found, faults.counts)))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def wait(self, seconds=TIME_LIMIT):
        """Wait for the end; return -9 after a kill, else the exit status or None."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            process, status = os.waitpid(self._process, os.WNOHANG)
            if process:
                os.close(self._begun)
                self.seconds = time.monotonic() - self._start
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        return None

    def kill(self):
        """Kill the process if it has not ended."""
        os.kill(self._process, signal.SIGKILL)
        return self.wait()

    def wait_for_step(self, seconds):
        """Wait until the first step of training is done, at most so many seconds."""
        select.select([self._begun], [], [], seconds)

    def result(self):
        """Return what was observed of the training, and the counts of boundaries."""
        return pickle.loads(self._result.read_bytes())

    def errors(self):
        """Return the last lines that the process wrote to stderr."""
        return "\n".join(self._errors.read_text(errors="replace").splitlines()[-8:])


class Reference:
    """A training that was never killed, and one without `Resume`.

    Args:
        variant: Name of the variant.
        folder: Path of a folder for its files.
    """

    def __init__(self, variant, folder):
        self.variant = variant
        plain, whole = folder / "plain", folder / "whole"
        found, _, _ = self._run(plain, resumed=False)
        self.result, self.counts, self.seconds = self._run(whole, resumed=True)
        self.kinds = sorted(self.counts)
        found["files"].update(
            {name: None for name in self.result["files"] if name.startswith("run/")}
        )
        self.changed_by_resume = outcome.unequal(self.result, found)

    def _run(self, place, resumed):
        child = Child(self.variant, place, resumed=resumed)
        if child.wait() != 0:
            raise SystemExit(f"{self.variant} fails without a kill: {child.errors()}")
        found, counts = child.result()
        found["files"] = outcome.files_of(place)
        return found, counts, child.seconds


class Training:
    """A training that is killed some times and then comes to its end.

    Args:
        reference: `Reference`.
        folder: Path of the folder of the training.
        number: Integer, of the training.
        seed: Integer, which decides with `number` where it is killed.
    """

    def __init__(self, reference, folder, number, seed):
        self._reference, self._folder, self._number = reference, folder, number
        self._rng = random.Random(f"{seed} {number}")
        # Each training of a variant begins with another kind of boundary.
        order = random.Random(f"{seed} {reference.variant}")
        self._kinds = order.sample(reference.kinds, len(reference.kinds))
        self._first = self._kinds[number // len(programs.VARIANTS) % len(self._kinds)]

    def run(self):
        """Return a row for each kill."""
        rows, count = [], self._rng.choice([1, 1, 2, 3])
        for index in range(count):
            if self._rng.randrange(RANDOM_TIMES):
                row, status = self._kill_at_boundary(index)
            else:
                row, status = self._kill_at_time()
            if row is not None:
                rows.append(row)
            verdict = self._verdict(status)
            if verdict is not None:
                break
        else:
            child = Child(self._reference.variant, self._folder)
            verdict = self._verdict(child.wait(), child)
        shared = {
            "training": self._number,
            "backend": keras.backend.backend(),
            "variant": self._reference.variant,
        }
        rows = rows or [{"kind": "none", "number": 0, "moment": "none"}]
        return [{**shared, **row, **verdict} for row in rows]

    def _kill_at_boundary(self, index):
        kind = self._rng.choice(self._kinds) if index else self._first
        moments = ["before", "after", *(["half"] if kind.startswith("write") else [])]
        kill = Kill(
            kind,
            self._rng.randint(1, self._reference.counts[kind]),
            self._rng.choice(moments),
        )
        child = Child(self._reference.variant, self._folder, kill)
        status = child.wait()
        self._child = child
        return (kill._asdict() if status == -9 else None), status

    def _kill_at_time(self):
        child = self._child = Child(self._reference.variant, self._folder)
        if self._rng.random() < 0.9:
            child.wait_for_step(TIME_LIMIT)
        seconds = self._rng.uniform(0, self._reference.seconds / 2)
        status = child.wait(seconds)
        if status is None:
            status = child.kill()
        row = {"kind": "time", "number": round(seconds, 3), "moment": "any"}
        return (row if status == -9 else None), status

    def _verdict(self, status, child=None):
        """Return the outcome, or None if the program must be started again."""
        child, lost = child or self._child, programs.check_folder(self._folder)
        if status is None:
            child.kill()
            lost.append(f"a process hangs for {TIME_LIMIT} s")
        elif status not in (0, -9):
            lost.append(f"a process fails: {child.errors()}")
        if lost:
            return {"outcome": "LOST", "fields": [], "message": "; ".join(lost)}
        if status == -9:
            return None
        found, _ = child.result()
        found["files"] = outcome.files_of(self._folder)
        fields = outcome.unequal(found, self._reference.result)
        word = "UNEQUAL" if fields else "EQUAL"
        return {"outcome": word, "fields": fields[:200], "message": ""}


def rows_in(path):
    """Return the rows of a file of results."""
    if path is None or not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in lines]


def run(kills, seed, names, results=None, show=print):
    """Kill trainings so many times, and return a row for each kill.

    Args:
        kills: Integer, how many kills.
        seed: Integer, which decides where.
        names: Names of variants.
        results: Path of a file of rows to go on with, or `None`.
        show: Function that takes a line of progress. Defaults to `print`.
    """
    found = rows_in(results)
    done, references = {row["training"] for row in found}, {}
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        for number in itertools.count():
            if sum(row["kind"] != "none" for row in found) >= kills:
                break
            if number in done:
                continue
            name = names[number % len(names)]
            place = pathlib.Path(folder, str(number))
            place.mkdir()
            if name not in references:
                references[name] = Reference(name, place)
                show(described(references[name]))
            training = Training(references[name], place / "killed", number, seed)
            rows = training.run()
            shutil.rmtree(place)
            found += rows
            if results is not None:
                with open(results, "a") as file:
                    file.writelines(json.dumps(row) + "\n" for row in rows)
            if rows[0]["outcome"] != "EQUAL":
                show("\n".join(map(line_about, rows)))
    return found, references


def described(reference):
    """Return a line about a reference."""
    changed = reference.changed_by_resume
    return (
        f"{keras.backend.backend()}, {reference.variant}: {len(reference.kinds)} kinds "
        f"of boundaries, {sum(reference.counts.values())} in all, "
        f"{reference.seconds:.1f} s; "
        + (f"Resume changes {', '.join(changed[:20])}" if changed else "")
    )


def line_about(row):
    """Return a line about a kill after which the training was not equal."""
    where = f"{row['moment']} {row['kind']!r} {row['number']}"
    parts = {re.sub(r"[\[.(].*", "", field) for field in row["fields"]}
    what = row["message"] or ", ".join(sorted(parts))
    return f"  {row['training']} {row['variant']}, {where}: {row['outcome']}: {what}"


def summary(rows):
    """Return a table of outcomes by variant, and the fields that differ."""
    kills = [row for row in rows if row["kind"] != "none"]
    words = ("EQUAL", "UNEQUAL", "LOST")
    lines = [
        f"{'variant':14}{'kills':>7}{'trainings':>11}"
        + "".join(f"{word:>9}" for word in words)
    ]
    for name in [*dict.fromkeys(row["variant"] for row in kills), "all"]:
        own = [row for row in kills if name in ("all", row["variant"])]
        counts = collections.Counter(row["outcome"] for row in own)
        trainings = len({row["training"] for row in own})
        lines.append(
            f"{name:14}{len(own):>7}{trainings:>11}"
            + "".join(f"{counts[word]:>9}" for word in words)
        )
    fields = collections.Counter()
    for row in rows:
        fields.update({re.sub(r"\d+", "*", field) for field in row["fields"]})
    lines += [f"{count:>5} x {field}" for field, count in fields.most_common(60)]
    messages = {row["message"].splitlines()[-1] for row in rows if row["message"]}
    return "\n".join([*lines, *sorted(messages)])


def main(argv=None):
    """Kill trainings as the command line says; return 1 if one did not end as it must.

    Args:
        argv: Arguments of the command line. Defaults to those of this process.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--kills", type=int, default=200, help="how many (%(default)s)")
    add("--seed", type=int, default=0, help="of where is killed (%(default)s)")
    add("--results", type=pathlib.Path, help="a file of JSON lines, one per kill")
    add("--variants", nargs="*", default=list(programs.VARIANTS), help="all of them")
    arguments = parser.parse_args(argv)
    warnings.filterwarnings("ignore", "os.fork")
    # A state that is not written, is damaged or is taken for another program's.
    for words in ("Could not write", "is damaged", "program has changed"):
        warnings.filterwarnings("error", f".*{words}", RuntimeWarning)
    # Imports what a training needs, which each process would do again.
    keras.utils.set_random_seed(0)
    if keras.backend.backend() == "jax":
        import jax

        cache = os.environ.get("JAX_COMPILATION_CACHE_DIR") or os.path.join(
            tempfile.gettempdir(), f"kills-compiled-{os.getuid()}"
        )
        jax.config.update("jax_compilation_cache_dir", cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    begin = time.monotonic()
    rows, references = run(
        arguments.kills, arguments.seed, arguments.variants, arguments.results
    )
    print(summary(rows), f"\n{time.monotonic() - begin:.0f} s")
    wrong = any(row["outcome"] != "EQUAL" for row in rows)
    return int(wrong or any(one.changed_by_resume for one in references.values()))


if __name__ == "__main__":
    raise SystemExit(main())
