"""Attack a search through its journal: hostile strings in every field of every row.

`python -m tests.fuzz.journals --cases 300 --seed 0` draws so many of all cases, and
prints how each command ended; `--cases 0` tries them all. Each case has a folder of its
own with a search, and beside it one of someone else, in which nothing may change. The
exit status is 1 if anything outside the project changed, or a command ended otherwise
than with a result or an error that says what is wrong.
"""

import argparse
import collections
import contextlib
import copy
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback

from kcomponents.__main__ import main as command
from kcomponents.tuning._results.csv_table import to_csv
from kcomponents.tuning._storage.project import open_store, results_in
from tests.fuzz.tampering import places
from tests.tuning import small

PROJECT, VICTIM = pathlib.Path("runs", "search"), pathlib.Path("victim")
JOURNAL = PROJECT / "journal.log"
ACTIONS = "status", "verify", "page", "table", "resume"
# Seconds that a command may take.
LONGEST = 30
UNSAFE = {*map(chr, range(9)), *map(chr, range(11, 32)), *map(chr, range(127, 160))}
UNSAFE |= {"\u202e"}
SETTINGS = {"keep_models": 1, "repeats": 0, "project_name": "search"}
# A trial whose row was changed seems to run: its lease must end soon.
SETTINGS |= {"objective": "val_loss", "lease_seconds": 0.5}


def hostile_strings(sandbox):
    """Return strings that lead out of the project, or that break what reads them."""
    return [
        "3/../../../victim",
        "9/../../../victim",
        "../../victim",
        "..",
        str(sandbox / VICTIM),
        "/dev/null",
        "0\0",
        "x" * 5000,
        "9" * 5000,
        "a\x1b[2J\x1b]0;title\x07\x9b31m\r\n\u202eb",
        "-rf",
        "; touch victim/a #",
        "C:\\victim\\..",
        "CON",
        "\ud800",
        "",
        "nan",
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
    ]


def make_search():
    """Run a small search in the working folder, with a folder of someone else."""
    VICTIM.mkdir()
    for name in ("a.txt", "weights.npz", "journal.log"):
        (VICTIM / name).write_text("theirs")
    search = small.search_of("runs", **SETTINGS)
    small.run(search, epochs=1)
    # Of a trial that no row has: only through a folder that exists leads a path out.
    (PROJECT / "trial_9").mkdir()


def resume():
    """Resume the search with one more trial."""
    small.run(small.search_of("runs", **{**SETTINGS, "max_trials": 4}), epochs=1)


def changed(value, path, new):
    """Return a copy of nested values with another one at a path."""
    value = copy.deepcopy(value)
    *parents, last = path
    holder = value
    for key in parents:
        holder = holder[key]
    holder[last] = new
    return value


def cases(sandbox):
    """Return every case as a name and the text of the journal."""
    rows = [json.loads(line) for line in JOURNAL.read_text().splitlines()]
    found = []
    for number, row in enumerate(rows):
        for path in places(row)[1:]:
            for text in hostile_strings(sandbox):
                name = f"row {number} {'/'.join(map(str, path))} = {ascii(text)[:40]}"
                replaced = [*rows]
                replaced[number] = changed(row, path, text)
                found.append((name, replaced))
    store = open_store(str(PROJECT))
    trial = store.trials()[0]
    row = {"op_code": 4, "worker_id": "stranger", "study_id": 0, "state": 1}
    row |= {"value": None, "values": [9e9], "datetime_start": "2026-01-01T00:00:00"}
    row |= {"datetime_complete": "2026-01-01T00:00:00", "params": {}}
    row |= {"user_attrs": {**trial.user_attrs, "slot": "7", "score": 9e9}}
    row |= {"distributions": {}, "system_attrs": {}, "intermediate_values": {"1": 1.0}}
    for path in [*places(row)[1:], ("user_attrs", "of")]:
        for text in hostile_strings(sandbox):
            name = f"new row {'/'.join(map(str, path))} = {ascii(text)[:40]}"
            found.append((name, [*rows, changed(row, path, text)]))
    return found


def listing(sandbox):
    """Return each path outside of the project with its time, mode and content."""
    project, found = sandbox / PROJECT, {}
    for folder, names, files in os.walk(sandbox):
        names[:] = [n for n in names if pathlib.Path(folder, n) != project]
        for name in [*names, *files]:
            path = pathlib.Path(folder, name)
            state = path.lstat()
            # A folder's time changes with the entries that it holds; they are listed.
            content = "" if path.is_dir() else path.read_bytes()
            digest = hashlib.sha256(content or b"").hexdigest()
            found[str(path)] = state.st_mtime_ns, state.st_mode, digest
    return found


def attempt(action):
    """Return how an action ended: `"result"`, `"refused"`, or what went wrong."""
    out, err = io.StringIO(), io.StringIO()
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(LONGEST)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            outcome = _attempt(action)
    except _TooLong:
        return f"took more than {LONGEST} s"
    except BaseException as error:
        return "".join(traceback.format_exception(error))[-1500:]
    finally:
        signal.alarm(0)
    shown = out.getvalue() + err.getvalue()
    if UNSAFE & set(shown):
        return f"printed {ascii(shown)[:500]}"
    return outcome


class _TooLong(BaseException):
    pass


def _stop(number, frame):
    raise _TooLong


def _attempt(action):
    try:
        if action == "resume":
            resume()
        elif action == "table":
            to_csv(results_in(open_store(str(PROJECT)))).encode()
        else:
            what = {"page": ["report", str(PROJECT), "-o", "runs/search/page.html"]}
            arguments = what.get(action, [action, str(PROJECT)])
            return "refused" if command(["search", *arguments]) == 2 else "result"
    except ValueError as error:
        if "Received: " not in str(error) or len(str(error)) > 7000:
            raise
        return "refused"
    return "result"


def run_case(sandbox, template, rows, actions=ACTIONS):
    """Try a case in a new copy of the search; return how each action ended."""
    project, ends = sandbox / PROJECT, {}
    shutil.rmtree(project)
    shutil.copytree(template, project)
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    (sandbox / JOURNAL).write_text(text)
    for action in actions:
        before = listing(sandbox)
        ends[action] = attempt(action)
        if (after := listing(sandbox)) != before:
            different = {path for path, _ in before.items() ^ after.items()}
            ends[action] = f"changed {sorted(different)}"
    return ends


@contextlib.contextmanager
def prepared(parent=None):
    """Return a context in a new folder with a search: the folder and a copy of it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kcomponents-fuzz-", dir=parent))
    sandbox, template = folder.resolve() / "sandbox", folder.resolve() / "template"
    sandbox.mkdir()
    try:
        with contextlib.chdir(sandbox):
            make_search()
            shutil.copytree(PROJECT, template)
            yield sandbox, template
    finally:
        shutil.rmtree(folder)


def main():
    """Run the attack from the command line; return the exit status."""
    parser = argparse.ArgumentParser("tests.fuzz.journals")
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-resume", action="store_true")
    arguments = parser.parse_args()
    actions = ACTIONS[:-1] if arguments.without_resume else ACTIONS
    counts, failed = collections.Counter(), []
    with prepared() as (sandbox, template):
        every = cases(sandbox)
        random.Random(arguments.seed).shuffle(every)
        drawn = every[: arguments.cases] if arguments.cases else every
        began = time.monotonic()
        for name, rows in drawn:
            for action, end in run_case(sandbox, template, rows, actions).items():
                good = end in ("result", "refused")
                counts[action, end if good else "FAILED"] += 1
                if not good:
                    failed.append((name, action, end))
                    print(f"{name}: {action}\n{ascii(end)}", flush=True)
        seconds = time.monotonic() - began
    print(f"{len(drawn)} of {len(every)} cases, seed {arguments.seed}, {seconds:.0f} s")
    print(f"{'command':10}{'result':>8}{'refused':>9}{'FAILED':>8}")
    for action in actions:
        numbers = [counts[action, end] for end in ("result", "refused", "FAILED")]
        print(f"{action:10}{numbers[0]:8}{numbers[1]:9}{numbers[2]:8}")
    print("Nothing outside of the project changed." if not failed else "FAILED")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
