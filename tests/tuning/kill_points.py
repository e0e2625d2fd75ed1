"""Places where a process of a search kills itself, in the module of its model.

The program that starts a search imports this module, and so does each worker, to read
`build`. With a folder in `KILL_POINTS`, each of them then picks a place that no process
was killed at yet, and kills itself there. Only tests set this variable.
"""

import atexit
import collections
import fcntl
import itertools
import json
import os
import random
import shutil
import sys
import time

import keras
import numpy as np

from kcomponents.tuning._storage.lease import Lease, Reaper
from kcomponents.tuning._storage.store import Store
from tests.kills.faults import Faults, Kill
from tests.tuning import small

VARIABLE = "KILL_POINTS"
WORKER = "kcomponents.tuning._workers.process"
PLAN, KILLS, COUNTS = "plan.json", "kills.jsonl", "counts"
# A kill of the program that starts the search delays it more than a kill of a worker.
OF_STARTERS = 0.2
# Such that an array is sent to the workers in a file.
COLUMNS = 2048


# The model.


def build(hp):
    """Return a small model with a searched activation and learning rate."""
    kind = hp.Choice("activation", ["relu", "tanh"])
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    hidden = keras.layers.Dense(4, kind)
    model = keras.Sequential([keras.Input((COLUMNS,)), hidden, keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def data():
    """Return inputs and targets for training and for validation."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * small.ROWS, COLUMNS))
    y = (x[:, 0] > 0).astype("int32")
    rows = small.ROWS
    return (x[:rows], y[:rows]), (x[rows:], y[rows:])


# Kill points.


class KillPoints(Faults):
    """Counts the places of this process, and writes a line before it is killed.

    Args:
        folder: Path of the folder with the plan and the list of kills.
        role: `"starter"` or `"worker"`.
        kill: `Kill`, or `None` to only count.
        seed: Integer, which is written with the kill.
        pick: Function without arguments that returns another kill, or `None`.
    """

    def __init__(self, folder, role, kill, seed, pick):
        super().__init__(os.path.join(folder, "search"), kill)
        self.log = os.path.join(folder, KILLS)
        self.facts = {"seed": seed, "role": role}
        self.trial, self.pick = None, pick

    def cross(self, kind, action=None, half=None):
        """Do an action, and kill this process before, within or after it if due."""
        if self.kill is not None and self.kill[:2] == (kind, self.counts[kind] + 1):
            note_kill(
                self.log,
                **self.facts,
                process=os.getpid(),
                boundary=kind,
                number=self.kill.number,
                moment=self.kill.moment,
                trial=self.trial,
            )
        return super().cross(kind, action, half)

    def install(self):
        """Replace the functions at whose calls this process may be killed."""
        super().install()
        self._wrap(Store, "_call", _of_store)
        self._wrap(Reaper, "reclaim", lambda *args: "lease reclaimed")
        self._wrap(Lease, "_send_heartbeat", lambda *args: "lease heartbeat")
        self._wrap(shutil, "rmtree", lambda path, **_: self._of_file("rmtree", path))
        self._wrap(os, "open", self._of_open)
        self._wrap(fcntl, "flock", self._of_lock)
        begin = Lease.__enter__

        def enter(lease):
            if self.trial is not None and self.kill is not None:
                # The first trial of this process has ended without its kill.
                self._pick_again()
            self.trial = lease.trial.user_attrs["slot"]
            return begin(lease)

        Lease.__enter__ = enter

    def _pick_again(self):
        kill = self.pick()
        if kill is not None:
            kill = kill._replace(number=self.counts[kill.kind] + 1)
        self.kill = kill

    def _wrap(self, owner, name, kind_of):
        function = getattr(owner, name)

        def call(*args, **kwargs):
            kind = kind_of(*args, **kwargs)
            if kind is None:
                return function(*args, **kwargs)
            return self.cross(kind, lambda: function(*args, **kwargs))

        setattr(owner, name, call)

    def _of_open(self, path, flags, *args, **kwargs):
        return self._of_file("create", path) if flags & os.O_CREAT else None

    def _of_lock(self, file, operation):
        verb = "unlock" if operation & fcntl.LOCK_UN else "lock"
        return self._of_file(verb, file if isinstance(file, int) else file.fileno())

    def _of_file(self, verb, file):
        role = self._role(file)
        return None if role is None else f"{verb} {role}"


def _of_store(store, method, *args, **kwargs):
    """Return the kind of a call that writes to the store, else `None`."""
    if method.startswith("get_"):
        return None
    names = [getattr(arg, "name", arg) for arg in args[1:2]]
    return " ".join(["store", method, *(n for n in names if isinstance(n, str))])


def note_kill(path, **facts):
    """Append a line about a kill, in one write."""
    line = json.dumps({**facts, "time": time.time()}) + "\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


def kills_in(folder):
    """Return the lines about kills."""
    path = os.path.join(folder, KILLS)
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file]


def points_of(counts):
    """Return the kill points of a role, from how often a process meets each kind.

    Args:
        counts: Dict: kind → number.
    """
    points = []
    for kind in sorted(counts):
        moments = ["before", "after", *["half"] * kind.startswith("write")]
        points += [(kind, moment) for moment in moments]
    return points


def start(role):
    """Pick a kill point for this process if a test asks for one."""
    folder = os.environ.get(VARIABLE)
    if folder is None:
        return
    with open(os.path.join(folder, PLAN)) as file:
        plan = json.load(file)
    if keras.backend.backend() != "tensorflow":
        # Keras imports it to save a model if it is there, which takes long.
        sys.modules.setdefault("tensorflow", None)

    def pick():
        return _next_kill(folder, role, plan)

    faults = KillPoints(folder, role, pick(), plan["seed"], pick)
    faults.install()
    if plan["points"] is None:
        name = f"{COUNTS}-{role}-{os.getpid()}.json"
        atexit.register(_write_counts, os.path.join(folder, name), faults)


def _write_counts(path, faults):
    # The replaced functions stay, so that the file must be outside of the search.
    with open(path, "w") as file:
        json.dump(faults.counts, file)


def _next_kill(folder, role, plan):
    """Return the next kill of a role, `None` if there were enough."""
    if plan["points"] is None:
        return None
    done = kills_in(folder)
    counts = collections.Counter(kill["role"] for kill in done)
    limit = plan["kills"] * (OF_STARTERS if role == "starter" else 1)
    if len(done) >= plan["kills"] or counts[role] >= limit:
        return None
    number = _take_number(folder, role)
    points = points_of(plan["points"][role])
    random.Random(plan["seed"]).shuffle(points)
    turned = points[number % len(points) :] + points[: number % len(points)]
    covered = {(kill["boundary"], kill["moment"]) for kill in done}
    kind, moment = next((p for p in turned if p not in covered), turned[0])
    most = min(2, plan["points"][role][kind])
    chance = random.Random(f"{plan['seed']}/{role}/{number}")
    return Kill(kind, chance.randint(1, most), moment)


def _take_number(folder, role):
    """Return a number that no other process of the role has."""
    for number in itertools.count():
        try:
            path = os.path.join(folder, f"taken-{role}-{number}")
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            return number
        except FileExistsError:
            continue
    return None


if getattr(sys.modules["__main__"].__spec__, "name", None) == WORKER:
    start("worker")
