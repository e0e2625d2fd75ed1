"""A disk that is full for a while: a small one, as the folder of a search."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time

from kcomponents.tuning._results.results import STATES
from kcomponents.tuning._storage.project import open_store, problems
from tests.tuning.kills import NAME, start_command, wait_for

TRIALS, LONG = 8, 300


@contextlib.contextmanager
def small_disk():
    """Return a context with a folder that is a disk of a megabyte."""
    with tempfile.TemporaryDirectory(prefix="full-disk-") as folder:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True
        )
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)


def fill(path):
    """Write a file until the disk is full."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 512)


def main():
    """Fill the disk of a search, alone and with workers; return 1 if it was harmed."""
    return max(_run(workers) for workers in (0, 2))


def _run(workers):
    print(f"\nworkers: {workers or 'none, the process itself'}")
    with small_disk() as folder:
        command = start_command(folder, TRIALS, workers=workers)
        first = _started(command)
        place = os.path.join(folder, NAME)
        wait_for(lambda: _ended(place), 120)
        fill(f"{folder}/filler")
        begin = time.monotonic()
        said = first.communicate(timeout=LONG)[0]
        print(f"full: it ended with {first.returncode} in", end="")
        print(f" {time.monotonic() - begin:.0f} s and said\n{said[-700:]}")
        print(f"full: {_ended(place)} trials, {problems(open_store(place), place)}")
        failed = first.returncode != 0 and "No space left" in said
        os.remove(f"{folder}/filler")
        second = _started(command)
        said = second.communicate(timeout=LONG)[0]
        print(f"room: it ended with {second.returncode} {said[-700:]}")
        store = open_store(place)
        states = [STATES.get(t.state.name, "failed") for t in store.trials()]
        wrong = problems(store, place)
        print(f"room: {states}, {wrong}", flush=True)
        well = second.returncode == 0 and states == ["completed"] * TRIALS
        return int(not (failed and well and not wrong))


def _started(command):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def _ended(place):
    """Return how many trials have ended."""
    if not os.path.exists(os.path.join(place, "journal.log")):
        return 0
    with contextlib.suppress(ValueError):
        return sum(trial.state.is_finished() for trial in open_store(place).trials())
    return 0
