"""Run all benchmarks on all backends, and write docs/benchmarks.md of what they print.

    python benchmarks/run_all.py                                 # all: some hours
    python benchmarks/run_all.py --backends jax --only lstm_step # one of them
    python benchmarks/run_all.py --page                          # the page again

Each runs in a process of its own, one after the other, on a machine that should do
nothing else. What it printed, how it ended, when and on what is kept in
docs/benchmarks, a file each, so that one can be run again alone. Why a bound is missed
stands in docs/benchmarks/limits.toml. Exits with 1 if a bound was missed, or if a
missed row of the page has no such sentence.
"""

import argparse
import ast
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).parents[1]
KEPT, PAGE = ROOT / "docs" / "benchmarks", ROOT / "docs" / "benchmarks.md"
BACKENDS = ["tensorflow", "jax", "torch"]
# What each is about, and its arguments, where its own are for longer runs; a name may
# have a part that is run by itself.
RUNS = {
    "layer_speed": ("Layers and clipping beside plain Keras", []),
    "lstm_step": ("The step of an LSTM with clipped gradients", []),
    "probe_overhead": (
        "Monitors and the doctor beside none",
        ["--pairs", "10", "--repeats", "3"],
    ),
    "probe_overhead-fits": (
        "Whole fits with the doctor beside none",
        ["--fits", "10", "--pairs", "6"],
    ),
    # Of the models with the shortest steps: of all, it would take hours.
    "probe_overhead-minute": (
        "Whole fits of a minute with the doctor beside none",
        ["--fits", "60", "--only", "MLP"],
    ),
    "probe_overhead-memory": (
        "Memory of training with all monitors beside none",
        ["--memory", "--pairs", "3"],
    ),
    "early_stopping_cost": ("Early stopping beside that of Keras", []),
    "mc_predict": ("Monte Carlo prediction beside a loop of predictions", []),
    "prune_gain": ("A pruned net beside what it was", []),
    "soak": ("Memory in a long-lived process", []),
    "search_speed": (
        "The search beside keras-tuner",
        ["--parts", "a", "c", "d", "--pairs", "1"],
    ),
    "startup": ("The time until help appears", []),
    "search_speed-best": (
        "The time until as good a score is found",
        ["--parts", "b", "--seeds", "1"],
    ),
}
BEGIN = """# Benchmarks

What the parts cost beside plain Keras, or beside the peer: ratios, each measured in
pairs in one run, so that the machine's drift falls on both sides. Below 1 is faster or
smaller, unless a row says otherwise. A bound is the one that the benchmark holds itself
to: beyond it, it says so and exits with 1. `tox -e benchmarks` runs all of them and
writes this page; the command above a table runs that one. No run is on a GPU, which
has [a page of its own](gpu.md).
"""


def machine():
    """Return what the figures depend on, in words."""
    processor = platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores, {processor}, {platform.system()}"


def script(name):
    """Return the path of a benchmark."""
    return f"benchmarks/{name.partition('-')[0]}.py"


def ran(name, backend):
    """Run a benchmark; return what is kept of it."""
    command = [sys.executable, script(name), *RUNS[name][1]]
    own = {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    begin = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **own},
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    return {
        "name": name,
        "backend": backend,
        "arguments": RUNS[name][1],
        "printed": done.stdout.rstrip(),
        "exit": done.returncode,
        "minutes": round((time.perf_counter() - begin) / 60, 1),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": {
            package: importlib.metadata.version(package)
            for package in ("kcomponents", "keras", backend)
        },
    }


def keep(found):
    """Keep what a run gave, whole or not at all."""
    KEPT.mkdir(exist_ok=True)
    path = KEPT / f"{found['name']}-{found['backend']}.json"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    os.replace(unfinished, path)


def about(name):
    """Return what a benchmark says of itself, without its commands."""
    if "-" in name:
        return []
    module = ast.parse((ROOT / script(name)).read_text("utf-8"))
    paragraphs = ast.get_docstring(module).split("\n\n")
    return [told for told in paragraphs if not told.startswith("    ")]


def missed_rows(found):
    """Return the rows of a run whose bound does not hold or is not shown to hold."""
    rows = found["printed"].splitlines()
    return [row for row in rows if "MISSED" in row or "not shown" in row]


def limits_of(found):
    """Return sentences on the missed rows of a run, and the rows that have none."""
    known = tomllib.loads((KEPT / "limits.toml").read_text(encoding="utf-8"))["limits"]
    sentences, unexplained = [], []
    for row in missed_rows(found):
        of_row = [
            limit["sentence"].strip()
            for limit in known
            if limit["benchmark"] == found["name"]
            and limit["row"] in row
            and limit.get("backend", found["backend"]) == found["backend"]
        ]
        sentences += of_row
        unexplained += [] if of_row else [row]
    return list(dict.fromkeys(sentences)), unexplained


def unexplained_rows():
    """Return the missed rows of all kept runs that no sentence explains."""
    kept = [json.loads(path.read_text("utf-8")) for path in sorted(KEPT.glob("*.json"))]
    return [
        f"{found['name']} on {found['backend']}: {row}"
        for found in kept
        for row in limits_of(found)[1]
    ]


def section(name):
    """Return what the page says of one benchmark."""
    parts = [f"## {RUNS[name][0]}", *about(name)]
    for backend in BACKENDS:
        path = KEPT / f"{name}-{backend}.json"
        if not path.is_file():
            parts.append(f"On {backend}: not run.")
            continue
        found = json.loads(path.read_text(encoding="utf-8"))
        shown = " ".join([script(name), *found["arguments"]])
        versions = ", ".join(f"{k} {v}" for k, v in found["versions"].items())
        missed = "" if found["exit"] == 0 else " **A bound was missed.**"
        parts.append(f"`KERAS_BACKEND={backend} python {shown}`")
        parts.append(f"```text\n{found['printed']}\n```")
        told = f"{found['date']}, {found['machine']}, {versions}"
        parts.append(f"{told}; {found['minutes']:.0f} minutes.{missed}")
        if sentences := limits_of(found)[0]:
            parts.append("\n".join(f"- {sentence}" for sentence in sentences))
    return "\n\n".join(parts)


def page():
    """Return the page of all that is kept."""
    return "\n\n".join([BEGIN.rstrip(), *map(section, RUNS)]) + "\n"


def main(argv=None):
    """Run what is asked for, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    add("--only", nargs="+", choices=RUNS, default=list(RUNS), metavar="NAME")
    add("--page", action="store_true", help="run nothing, write the page again")
    args = parser.parse_args(argv)
    asked = [(name, backend) for name in args.only for backend in args.backends]
    missed = []
    for number, run in enumerate([] if args.page else asked, 1):
        print(f"[{number}/{len(asked)}] {' on '.join(run)}", file=sys.stderr)
        keep(found := ran(*run))
        print(found["printed"], flush=True)
        missed += [" on ".join(run)] if found["exit"] else []
    PAGE.write_text(page(), encoding="utf-8")
    if missed:
        print(f"Bounds missed: {', '.join(missed)}", file=sys.stderr)
    unexplained = unexplained_rows()
    for row in unexplained:
        print(f"docs/benchmarks/limits.toml must explain: {row}", file=sys.stderr)
    return int(bool(missed or unexplained))


if __name__ == "__main__":
    sys.exit(main())
