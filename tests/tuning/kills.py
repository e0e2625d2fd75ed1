"""Kills of a search: its workers, and the program that starts it.

Most processes kill themselves at a write, a rename, a lock or a lease, as
`tests.tuning.kill_points` lists them; the others are killed at random times. In the
end, everything is compared with a search in which nobody was killed.
"""

import collections
import contextlib
import hashlib
import json
import os
import random
import subprocess
import sys
import time

import keras
import psutil

from kcomponents.tuning._storage.project import JOURNAL, open_store, problems
from kcomponents.tuning._storage.weights import read_weights
from tests.tuning import kill_points
from tests.tuning.found import Found

NAME = "untitled_project"
STARTER, RESULTS = "starter.json", "results.jsonl"
# Seconds that a search without kills may take, and one may need to end after the last.
LONG = 900
# This part of the kills is at random times, after these seconds, least and most.
TIMED, PAUSE = 0.25, (0.2, 2.0)
# After this many starts in a row of a search that is complete, its end has no more kill
# points.
IDLE_STARTS = 4
# What differs from run to run.
VARIES = {
    *("owner", "beat", "lost", "attempts", "started", "seconds", "versions"),
    *("peak_memory", "slot", "reused"),
}
GIVEN_UP = "times in a row without finishing a trial"


def start_command(folder, trials, url=None, workers=2):
    """Return the command that starts or resumes a search."""
    command = [sys.executable, "-m", "tests.tuning.chaos", "--start", str(folder)]
    options = {"trials": trials, "workers": workers, "store": url or "journal"}
    return command + [f"--{name}={value}" for name, value in options.items()]


def wait_for(is_done, seconds):
    """Return as soon as a function returns a true value, or raise an error."""
    end = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > end:
            raise TimeoutError(f"Not done in {seconds} s: {is_done}.")
        time.sleep(0.2)


def _plan(folder, **facts):
    """Write the plan that the processes of a search read."""
    os.makedirs(os.path.join(folder, "search"), exist_ok=True)
    with open(os.path.join(folder, kill_points.PLAN), "w") as file:
        json.dump(facts, file)


def _start(folder, trials, url):
    """Start a search in a folder that has a plan."""
    paths = os.pathsep.join(sys.path)
    own = {"PYTHONPATH": paths, kill_points.VARIABLE: folder}
    # Kills may damage compiled programs that other tests would read.
    own["JAX_COMPILATION_CACHE_DIR"] = os.path.join(os.path.dirname(folder), "compiled")
    with open(os.path.join(folder, "starter.log"), "ab") as log:
        return subprocess.Popen(
            start_command(os.path.join(folder, "search"), trials, url),
            stdout=log,
            stderr=log,
            env={**os.environ, **own},
        )


def _last_lines(folder):
    with open(os.path.join(folder, "starter.log"), errors="replace") as log:
        return log.read()[-3000:]


# The search without kills.


def reference(folder, trials):
    """Run a search that nobody kills, unless it is in the folder already.

    Returns:
        A pair: what the search left, and the numbers of its kill points by role.
    """
    path = os.path.join(folder, "reference.json")
    if not os.path.exists(path):
        _plan(folder, seed=0, kills=0, points=None)
        process = _start(folder, trials, None)
        if process.wait(LONG):
            raise RuntimeError(
                f"The search without kills failed:\n{_last_lines(folder)}"
            )
        content = {"left": left_by(folder), "points": _counts(folder)}
        with open(path + ".new", "w") as file:
            json.dump(content, file)
        os.replace(path + ".new", path)
    with open(path) as file:
        content = json.load(file)
    return content["left"], content["points"]


def _counts(folder):
    """Return the largest number of each kind of kill point in a process, by role."""
    largest = {"starter": collections.Counter(), "worker": collections.Counter()}
    for name in sorted(os.listdir(folder)):
        if name.startswith(kill_points.COUNTS):
            with open(os.path.join(folder, name)) as file:
                largest[name.split("-")[1]] |= collections.Counter(json.load(file))
    return largest


def left_by(folder, url=None):
    """Return what a search left: its trials, weights, and the names of its files."""
    project = os.path.join(folder, "search", NAME)
    store = open_store(url or project, NAME)
    trials = {}
    for trial in store.trials():
        facts = trial.user_attrs
        known = {name: facts[name] for name in sorted(facts.keys() - VARIES)}
        reports = {str(k): v for k, v in trial.intermediate_values.items()}
        outcome = {"state": trial.state.name, "values": trial.values}
        row = {**known, "reports": reports, "outcome": outcome}
        path = os.path.join(project, f"trial_{facts['slot']}", "weights.npz")
        row["weights"] = _digest(read_weights(path)) if os.path.exists(path) else None
        trials[facts["slot"]] = row
    best = keras.saving.load_model(os.path.join(project, "best.keras"))
    files = [
        os.path.relpath(os.path.join(parent, name), project)
        for parent, folders, names in os.walk(project)
        for name in [*names, *folders]
        # A database takes its place in some searches.
        if not name.startswith(JOURNAL)
    ]
    content = {"trials": trials, "best": _digest(best.get_weights())}
    # As JSON, so that it equals what was stored.
    return json.loads(json.dumps({**content, "files": sorted(files)}))


def _digest(arrays):
    content = b"".join(repr(a.shape).encode() + a.tobytes() for a in arrays)
    return hashlib.sha256(content).hexdigest()


def differences(wanted, found):
    """Return a line for each difference between what two searches left."""
    lines = []
    for slot in sorted(wanted["trials"].keys() | found["trials"].keys()):
        first, second = wanted["trials"].get(slot), found["trials"].get(slot)
        if first is None or second is None:
            lines.append(f"Trial {slot} is {'lost' if second is None else 'new'}.")
            continue
        for name in sorted(first.keys() | second.keys()):
            if first.get(name) != second.get(name):
                shown = f"{first.get(name)} became {second.get(name)}"
                lines.append(f"{name} of trial {slot}: {shown}")
    if wanted["best"] != found["best"]:
        lines.append("best.keras has other weights.")
    names = set(wanted["files"]) ^ set(found["files"])
    return lines + [f"Only one of the searches left {name}." for name in sorted(names)]


# The search with kills.


class Chaos:
    """A search on two workers whose processes are killed.

    Run it again with the same folder to resume it.

    Args:
        folder: Path of a folder.
        trials: Integer, number of trials.
        url: String, URL of a database, or `None` for a journal.
        seed: Integer, seed of the kills.
        kills: Integer, number of kills.
    """

    def __init__(self, folder, trials, url=None, seed=0, kills=10):
        self.reference_folder = os.path.join(str(folder), "reference")
        self.folder = os.path.join(str(folder), "killed")
        self.trials, self.url, self.seed, self.wanted = trials, url, seed, kills
        self.place = url or os.path.join(self.folder, "search", NAME)
        self.found = Found("database" if url else "journal", wanted=trials)
        self.random = random.Random(seed)
        self._starter, self._left, self._reader = None, {}, None
        self._next_timed_kill = 0.0

    def run(self):
        """Kill, wait for the end of the search, compare, and return a `Found`."""
        begin = time.monotonic()
        self.wanted_left, points = reference(self.reference_folder, self.trials)
        _plan(self.folder, seed=self.seed, kills=self.wanted, points=points)
        self._end_earlier_starter()
        try:
            self._supervise()
        finally:
            self._end()
        self.found.seconds = time.monotonic() - begin
        return self._compared(points)

    def kills(self):
        """Return the kills until now."""
        return kill_points.kills_in(self.folder)

    def _supervise(self):
        idle, last = 0, time.monotonic()
        before = len(self.kills())
        self._begin()
        while True:
            time.sleep(0.1)
            self._watch_recoveries()
            count = len(self.kills())
            if count > before:
                idle, before, last = 0, count, time.monotonic()
            code = self._starter.poll()
            if code is None:
                self._kill_at_random_time()
            elif code == 0 and (count >= self.wanted or idle == IDLE_STARTS):
                return
            else:
                idle += code == 0
                self._check_ending(code)
                self._begin()
            if time.monotonic() - last > LONG:
                raise TimeoutError(f"No kill and no end in {LONG} s.")

    def _begin(self):
        self._starter = _start(self.folder, self.trials, self.url)
        process = psutil.Process(self._starter.pid)
        with open(os.path.join(self.folder, STARTER), "w") as file:
            json.dump([process.pid, process.create_time()], file)

    def _end_earlier_starter(self):
        """Kill the search of an earlier run of these tests, which was killed itself."""
        path = os.path.join(self.folder, STARTER)
        with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
            with open(path) as file:
                number, created = json.load(file)
            process = psutil.Process(number)
            if process.create_time() == created:
                process.kill()

    def _check_ending(self, code):
        """Raise if a search ended in another way than it may."""
        if code in (0, -9):
            return
        if GIVEN_UP not in _last_lines(self.folder):
            raise RuntimeError(f"The search failed:\n{_last_lines(self.folder)}")
        # Enough kills without a trial look like a fault of the program.
        self.found.given_up += 1

    def _kill_at_random_time(self):
        """Kill a process, now and then."""
        kills = self.kills()
        timed = sum(kill["boundary"] == "at a random time" for kill in kills)
        if time.monotonic() < self._next_timed_kill or len(kills) >= self.wanted:
            return
        self._next_timed_kill = time.monotonic() + self.random.uniform(*PAUSE)
        if timed >= TIMED * (len(kills) + 1):
            return
        # Rather a worker that has a trial than one that is about to start.
        held = {each.pid: self._held(each.pid) for each in self.workers()}
        busy = [number for number, trials in held.items() if trials]
        is_starter = self.random.random() < kill_points.OF_STARTERS or not busy
        victim = self._starter.pid if is_starter else self.random.choice(busy)
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(victim).kill()
            slots = [trial.user_attrs["slot"] for trial in held.get(victim, ())]
            kill_points.note_kill(
                os.path.join(self.folder, kill_points.KILLS),
                seed=self.seed,
                role="starter" if is_starter else "worker",
                process=victim,
                boundary="at a random time",
                number=timed + 1,
                moment="any",
                trial=slots[0] if slots else None,
            )

    def workers(self):
        """Return the processes of workers that are alive."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = process.cmdline()
                in_folder = any(self.folder in part for part in command)
                if kill_points.WORKER in command and in_folder:
                    found.append(process)
        return found

    def _held(self, process):
        """Return the trials that a process is running."""
        owner = f":{process}:"
        trials = [t for t in self._trials() if t.state.name == "RUNNING"]
        return [t for t in trials if owner in str(t.user_attrs.get("owner"))]

    def _watch_recoveries(self):
        """Measure how long the trial of a killed worker waits for another one."""
        killed = {kill["process"]: kill["time"] for kill in self.kills()}
        for trial in self._trials():
            owner = str(trial.user_attrs.get("owner"))
            process = owner.split(":")[-2] if owner.count(":") > 1 else ""
            begin, before = self._left.get(trial.number, (None, None))
            if process.isdigit() and int(process) in killed:
                self._left[trial.number] = killed[int(process)], owner
            elif begin is not None and owner not in ("None", before):
                self.found.recoveries.append(time.time() - begin)
                del self._left[trial.number]

    def _trials(self):
        """Return the trials, none before there is a store."""
        if self._reader is None:
            # Opened once, and then only read again.
            with contextlib.suppress(ValueError):
                self._reader = open_store(self.place, NAME)
        return [] if self._reader is None else self._reader.trials()

    def _compared(self, points):
        """Return what was found, and write one line for each kill."""
        project = os.path.join(self.folder, "search", NAME)
        store, found = open_store(self.place, NAME), self.found
        every = store.storage.get_all_trials(store.study)
        ended = [t.user_attrs["slot"] for t in every if t.state.is_finished()]
        left = left_by(self.folder, self.url)
        found.wanted = len(self.wanted_left["trials"])
        found.ended, found.twice = len(set(ended)), len(ended) - len(set(ended))
        found.attempts = max(t.user_attrs.get("attempts", 0) for t in store.trials())
        found.wrong += problems(store, project) + differences(self.wanted_left, left)
        kills = self.kills()
        for kill in kills:
            setattr(found, f"{kill['role']}s", getattr(found, f"{kill['role']}s") + 1)
            found.within += kill["trial"] is not None
        covered = {(k["role"], k["boundary"], k["moment"]) for k in kills}
        every = {
            (role, *point)
            for role in points
            for point in kill_points.points_of(points[role])
        }
        found.points = f"{len(covered & every)} of {len(every)}"
        self._write_results(kills, left)
        return found

    def _write_results(self, kills, left):
        path = os.path.join(os.path.dirname(self.folder), RESULTS)
        with open(path, "w") as file:
            for number, kill in enumerate(kills):
                slot = kill["trial"]
                wanted = self.wanted_left["trials"]
                pairs = [(wanted[slot], left["trials"].get(slot))] if slot else []
                is_equal = all(first == second for first, second in pairs)
                whole = "nothing lost or changed" if not self.found.wrong else "damage"
                outcome = ("equal" if is_equal else "changed") if slot else whole
                file.write(json.dumps({"kill": number, **kill, "outcome": outcome}))
                file.write("\n")

    def _end(self):
        processes = [*self.workers()]
        if self._starter is not None:
            processes.append(self._starter)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._starter is not None:
            self._starter.wait()
