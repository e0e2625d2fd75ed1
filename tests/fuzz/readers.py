"""Attack every reader of files, with files that are damaged, made by hand, or no files.

    python -m tests.fuzz.readers --mutations 20000 --seed 0

Each file is read in a folder that is made for it, beside a folder of somebody else. A
reader must give the right value or refuse the file: by a ValueError with the file's
name, or an OSError if there is no file. All else is a failure: another exception, the
end of the process, more than ten seconds, much more memory than the file is large, or a
change to files that are not the reader's. The exit status is then 1.

Files that are cut off are tried too, at each byte or at some hundred of them. With
`--results FILE` each mutation is a line of JSON there, and a second start skips those.
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import random
import shutil
import signal
import stat
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable

import keras
import numpy as np

from kcomponents import doctor
from kcomponents._state_file import Generations, read_state, write_state
from kcomponents.callbacks import EarlyStopping, Resume
from kcomponents.callbacks._best_state import BestFile
from kcomponents.record import Record
from kcomponents.tuning._storage import weights as trial_weights
from kcomponents.tuning._storage.project import open_store, results_in
from tests.fuzz import mutations
from tests.fuzz.test_journal import journal
from tests.report import records

# Seconds; a reader needs a hundredth.
LONGEST = 10
# Bytes that a reader may need apart from its file, and for each byte of it.
MEMORY, MEMORY_PER_BYTE = 64 * 2**20, 60
# The most cuts of one file.
CUTS = 1500
STATE = {"epoch": 3, "values": [np.arange(3.0), np.ones(2, "int8")], "best": None}
KIND = "a test"


@dataclasses.dataclass
class Reader:
    """A reader of one kind of file.

    Args:
        name: Name of the file.
        make: Function that writes a good file to a path.
        read: Function that reads the file at a path and returns its value.
        checksums: Whether a file with changed bytes must be refused or be as before.
        share: Number of mutations, relative to that of other readers.
        writes: Whether reading may write beside the file.
    """

    name: str
    make: Callable
    read: Callable
    checksums: bool = False
    share: float = 1
    writes: bool = False


class _TooLong(BaseException):
    """A reader needed too much time; no reader catches it."""


class _Stop(BaseException):
    """Ends a training, as a kill does."""


# Readers


def _record(path):
    record = records.sick()[1]
    data = record.to_dict()
    del data["readings"][2:], data["logs"][3:]
    Record.from_dict(data).save(path)


def _read_record(path):
    record = Record.load(path)
    try:
        json.dumps(doctor.examine(record).to_dict())
    except ValueError as error:
        # The doctor knows the record, but not its file.
        if "Received: a record that raises" not in str(error):
            raise AssertionError(str(error)) from error
    return record.to_dict()


def _read_generations(path):
    """Read the last state and the previous one, which is good and must be found."""
    files = Generations(path, KIND)
    if path.is_symlink():
        # The previous one would be in another folder.
        return list(files.read())
    write_state(files.paths[1], KIND, STATE)
    states = list(files.read())
    np.testing.assert_equal(states[-1], STATE)
    return states[0]


def _model():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def _fit(*callbacks, first=0, stop_at=None):
    """Train for three epochs of two steps, or until a step of the second epoch."""
    x = np.arange(16, dtype="float32").reshape(8, 2)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if stop_at is not None and self.model.optimizer.iterations >= stop_at:
                raise _Stop

    model = _model()
    with contextlib.suppress(_Stop):
        model.fit(
            *(x, x[:, :1]),
            batch_size=4,
            epochs=3,
            initial_epoch=first,
            verbose=0,
            callbacks=[Stop(), *callbacks],
        )
    return model


def _stopper(**options):
    return EarlyStopping("loss", patience=5, restore_best_weights=True, **options)


def _resume_state(path):
    with tempfile.TemporaryDirectory() as folder:
        _fit(_stopper(), Resume(folder, save_freq=1), stop_at=3)
        shutil.copy(os.path.join(folder, "state.npz"), path)


def _resume(path):
    _fit(_stopper(), Resume(path.parent, save_freq=1))


def _stop_state(path):
    _fit(_stopper(state_path=path), stop_at=4)


def _read_stop_state(path):
    _fit(_stopper(state_path=path), first=2)


def _best(path):
    _fit(_stopper(best_path=path), stop_at=4)


def _read_best(path):
    """Restore the best state; its label is in the state file of early stopping."""
    label = read_state(GOOD["best.npz"], BestFile.KIND)["label"]
    model = _model()
    BestFile(path, label).restore(model)
    return model.get_weights()


def _weights(path):
    arrays = [np.ones((2, 3), "float32"), np.zeros(3, "float32")]
    write_state(path, trial_weights.KIND, arrays)


def _read_shapes(path):
    """Read the shapes beside the weights of a trial, of a model that is not built."""

    class Model:
        built = False
        build_from_config = staticmethod(lambda config: found.append(config))
        set_weights = staticmethod(lambda weights: None)

    found = []
    _weights(path.parent / trial_weights.WEIGHTS)
    project, slot = path.parent.parent, path.parent.name.removeprefix("trial_")
    trial_weights.BestWeights(None, project, 1, False).load(Model(), slot)
    return found


def _journal(path):
    with contextlib.chdir(path.parent):
        path.write_bytes(journal())


# Paths of the good files, by name.
GOOD: dict[str, pathlib.Path] = {}
READERS = {
    "record": Reader("run.jsonl", _record, _read_record, share=5),
    "state": Reader(
        "state.npz",
        lambda path: write_state(path, KIND, STATE),
        lambda path: read_state(path, KIND),
        checksums=True,
        share=5,
    ),
    "two states": Reader(
        "two.npz",
        lambda path: write_state(path, KIND, STATE),
        _read_generations,
        checksums=True,
        share=4,
        writes=True,
    ),
    "weights of a trial": Reader(
        "weights.npz",
        _weights,
        trial_weights.read_weights,
        checksums=True,
        share=3,
    ),
    "shapes of a trial": Reader(
        "build_config.json",
        lambda path: path.write_text('{"input_shape": [null, 2]}'),
        _read_shapes,
        writes=True,
        share=2,
    ),
    "best state": Reader("best.npz", _best, _read_best, checksums=True, share=3),
    "early stopping": Reader(
        "stopper.npz", _stop_state, _read_stop_state, writes=True, share=1.5
    ),
    "resume": Reader("resume.npz", _resume_state, _resume, writes=True, share=1),
    "journal": Reader(
        "journal.log",
        _journal,
        lambda path: results_in(open_store(str(path))),
        share=2,
        writes=True,
    ),
}
# `Resume` itself names its file.
NAMES = {"resume": "state.npz"}


def make_good_files(folder):
    """Write a good file of each kind to a folder."""
    for reader in READERS.values():
        reader.make(folder / reader.name)


def load_good_files(folder):
    """Return a dict of reader → content of its good file."""
    GOOD.update({reader.name: folder / reader.name for reader in READERS.values()})
    return {name: GOOD[reader.name].read_bytes() for name, reader in READERS.items()}


# One attack


class Attacker:
    """Reads mutations of one kind of file in a sandbox.

    Args:
        name: Name of the reader.
        contents: Dict of reader → content of a good file.
        sandbox: Path of an empty folder.
        seed: Integer.
    """

    def __init__(self, name, contents, sandbox, seed=0):
        self.name, self.seed, self.reader = name, seed, READERS[name]
        self.content = contents[name]
        self.others = [c for other, c in contents.items() if other != name]
        self.folder = sandbox / "trial_0"
        self.path = self.folder / NAMES.get(name, self.reader.name)
        self.sandbox = sandbox
        (sandbox / "victim").mkdir()
        (sandbox / "victim" / "file").write_text("kept\n")
        self.cuts = cuts_of(self.content)
        # The first training imports and compiles.
        kind, self.right = self._read(self.content, 20 * LONGEST)
        assert kind == "read", self.right

    def attack(self, index):
        """Return the outcome of a mutation as a dict; cuts have negative indices."""
        if index < 0:
            name, made = mutations.cut(self.content, self.cuts[index])
        else:
            source = random.Random(f"{self.seed} {self.name} {index}")
            name, made = mutations.mutation(source, self.content, self.others)
        _reset_peak()
        before, start = _peak(), time.monotonic()
        kind, detail = self._read(made)
        seconds, grown = time.monotonic() - start, _peak() - before
        size = len(made) if isinstance(made, bytes) else 0
        if kind != "failed" and grown > MEMORY + MEMORY_PER_BYTE * size:
            kind, detail = "failed", f"{grown:,} bytes of memory for {size:,}"
        if kind == "read":
            kind, detail = self._judge(name, made, detail)
        found = {"reader": self.name, "index": index, "mutation": name}
        return {
            **found,
            "outcome": kind,
            "detail": detail,
            "seconds": round(seconds, 3),
        }

    def _read(self, made, longest=None):
        """Return `"read"` and the value, `"refused"` or `"failed"` and the reason."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        if isinstance(made, bytes):
            self.path.write_bytes(made)
        else:
            made(self.path)
        before = _tree(self.sandbox)
        signal.signal(signal.SIGALRM, _too_long)
        signal.setitimer(signal.ITIMER_REAL, longest or LONGEST)
        try:
            outcome = "read", self.reader.read(self.path)
        except _TooLong:
            outcome = "failed", f"more than {LONGEST} seconds"
        except (ValueError, OSError) as error:
            outcome = self._judge_error(error, made)
        except Exception as error:
            outcome = "failed", _told(error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        changed = before.items() ^ _tree(self.sandbox).items()
        own = f"{self.folder.name}/" if self.reader.writes else "\0"
        foreign = sorted({path for path, _ in changed if not path.startswith(own)})
        return ("failed", f"changed {foreign}") if foreign else outcome

    def _judge_error(self, error, made):
        """Return `"refused"` if an error is a ValueError that names the file.

        If there is no file, it may be another error of the system.
        """
        paths = self.path.name, str(self.sandbox), os.path.realpath(self.path)
        names = any(path in str(error) for path in paths)
        of_disk = not isinstance(made, bytes)
        if names and (of_disk or isinstance(error, ValueError)):
            return "refused", type(error).__name__
        return "failed", _told(error)

    def _judge(self, name, made, value):
        """A value is right if the file has no checksums, or it is as before."""
        swapped = made in self.others
        if self.reader.checksums and (name.startswith(("bytes", "cut")) or swapped):
            try:
                np.testing.assert_equal(value, self.right)
            except AssertionError:
                return "failed", "another value"
        return "read", ""


def _too_long(*_):
    raise _TooLong


def _told(error):
    steps = traceback.extract_tb(error.__traceback__)[-1:]
    place = [f"{os.path.basename(step.filename)}:{step.lineno}" for step in steps]
    return f"{type(error).__name__} at {''.join(place)}: {str(error)[:300]}"


def _tree(folder):
    """Return a dict of path → what a change of the file would change."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = os.path.join(root, name)
            status = os.lstat(path)
            is_folder = stat.S_ISDIR(status.st_mode)
            facts = () if is_folder else (status.st_size, status.st_mtime_ns)
            found[os.path.relpath(path, folder)] = status.st_mode, status.st_ino, *facts
    return found


def _reset_peak():
    """Forget the most memory of this process so far, where the system can."""
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/clear_refs").write_text("5")


def _peak():
    """Return the most bytes of memory of this process; 0 if the system does not say."""
    try:
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(li.split()[1]) * 1024 for li in lines if li.startswith("VmHWM"))


# All attacks, in processes that may end


def in_child(work):
    """Yield the lines that `work(write)` writes in a process of its own.

    Raises:
        ProcessLookupError: If a signal ended the process.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        status = 1
        try:
            os.close(reading)
            logging.disable()
            warnings.simplefilter("ignore")
            with os.fdopen(writing, "w", buffering=1) as lines:
                work(lambda line: lines.write(f"{line}\n"))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as lines:
        yield from (line.rstrip("\n") for line in lines)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status > 0:
        raise SystemExit("A part of this program failed.")
    if status:
        raise ProcessLookupError(f"the process ended by signal {-status}")


def attack_reader(name, contents, indices, seed, report):
    """Attack a reader, and go on after a mutation that ends the process."""
    left = list(indices)

    def work(write):
        with tempfile.TemporaryDirectory() as folder:
            attacker = Attacker(name, contents, pathlib.Path(folder), seed)
            for index in tuple(left):
                write(json.dumps(attacker.attack(index)))

    while left:
        try:
            for line in in_child(work):
                outcome = json.loads(line)
                left.remove(outcome["index"])
                report(outcome)
        except ProcessLookupError as error:
            found = {"reader": name, "index": left.pop(0), "mutation": "unknown"}
            report({**found, "outcome": "failed", "detail": str(error)})


def indices_of(name, contents, count):
    """Return the indices of a reader's mutations: those of cuts, then the others."""
    shares = sum(reader.share for reader in READERS.values())
    mine = round(count * READERS[name].share / shares)
    return range(-len(cuts_of(contents[name])), mine)


def cuts_of(content):
    """Return the sizes that a file is cut to."""
    return range(0, len(content), 1 + len(content) // CUTS)


def table(outcomes):
    """Return a table of the outcomes of each reader."""
    kinds = ("read", "refused", "failed")
    counts = collections.Counter((o["reader"], o["outcome"]) for o in outcomes)
    rows = [("reader", "files", *kinds)]
    for name in dict.fromkeys(o["reader"] for o in outcomes):
        found = [counts[name, kind] for kind in kinds]
        rows.append((name, sum(found), *found))
    rows.append(("all", *(sum(row[n] for row in rows[1:]) for n in range(1, 5))))
    return "\n".join(f"{r[0]:20}" + "".join(f"{n:>9}" for n in r[1:]) for r in rows)


def main():
    """Attack all readers, print a table, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutations", type=int, default=20_000, help="of all readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--results", type=pathlib.Path, help="file of JSON lines")
    arguments = parser.parse_args()
    outcomes, start = [], time.monotonic()
    if arguments.results and arguments.results.exists():
        lines = arguments.results.read_text().splitlines()
        known = [json.loads(line) for line in lines]
        outcomes += [o for o in known if o["seed"] == arguments.seed]
    done = {(o["reader"], o["index"]) for o in outcomes}

    def report(outcome):
        outcome = {**outcome, "seed": arguments.seed}
        outcomes.append(outcome)
        if outcome["outcome"] == "failed":
            print(json.dumps(outcome), flush=True)
        if arguments.results:
            with open(arguments.results, "a") as file:
                file.write(json.dumps(outcome) + "\n")

    # JAX warns of each process that is made like this; none has computed anything.
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        list(in_child(lambda write: make_good_files(folder)))
        contents = load_good_files(folder)
        for name in arguments.readers:
            indices = indices_of(name, contents, arguments.mutations)
            left = [index for index in indices if (name, index) not in done]
            attack_reader(name, contents, left, arguments.seed, report)
    print(f"{table(outcomes)}\n{time.monotonic() - start:.0f} seconds")
    return int(any(outcome["outcome"] == "failed" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
