"""Run sound programs and programs with a fault under the doctor, and count its hits.

From the root of the repository:

    KERAS_BACKEND=jax python -m tests.doctor.bench run --half sound
    python -m tests.doctor.bench table

`equal --half sound` trains each sound program for an epoch with and without the doctor
and compares the weights.

With `--records FOLDER`, `run` keeps the record of each run, and `judge` diagnoses these
again, so that a change of a rule needs no training.

With `--every 1`, `--every 64` and `--every 0` and a file of results for each, it can be
seen which causes are found from all steps only, and which from steps at all.

`run` appends one line of JSON for each run, and goes on where it was stopped. Harm is
measured: a fault does harm to a program if the mean score of the faulty runs is below
that of the clean ones by a tenth of it, and by twice what the seeds make. With other
backends than JAX, `run` takes a quarter of the faults.
"""

import argparse
import collections
import hashlib
import json
import math
import pathlib
import sys
import time

import keras
import numpy as np
import scipy.stats

from kcomponents._recording import watch_plan
from kcomponents._recording.work_budget import SHARE
from kcomponents.callbacks import TrainingDoctor
from kcomponents.doctor import examine
from kcomponents.record import Record
from tests.doctor.bench.faults import FAULTS
from tests.doctor.bench.program import HALVES, load, run

RESULTS = pathlib.Path(__file__).parent / "results.jsonl"
CLEAN_SEEDS, FAULTY_SEEDS = (0, 1, 2), (0, 1)
# How many faults are put into each program: 600 runs in all.
FAULTS_OF_EACH = 3
# The share of the score, and of its spread over seeds, that a harmful fault costs.
LOSS_OF_SCORE, SPREADS = 0.1, 2.0
# The largest difference of a weight with and without the doctor.
EQUAL = 1e-6
KEY = "half", "program", "fault", "strength", "seed", "backend"


def draw(*names):
    """Return a number from 0 to 1 that depends on the names alone."""
    text = "/".join(map(str, names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def cases(half, programs, backend):
    """Return all runs of a half, as dicts of what makes a run."""
    found = []
    for name, kind in programs.items():
        program = kind()
        if backend not in program.backends:
            continue
        of_program = {"half": half, "program": name, "backend": backend}
        clean = {"fault": None, "strength": None}
        found += [of_program | clean | {"seed": seed} for seed in CLEAN_SEEDS]
        fitting = [fault for fault in FAULTS.values() if fault.fits(program)]
        fitting.sort(key=lambda fault: draw(name, fault.name))
        for fault in fitting[:FAULTS_OF_EACH]:
            if backend != "jax" and draw(name, fault.name, "quarter") >= 0.25:
                continue
            place = int(draw(name, fault.name, "strength") * len(fault.strengths))
            of_fault = {"fault": fault.name, "strength": fault.strengths[place]}
            found += [of_program | of_fault | {"seed": seed} for seed in FAULTY_SEEDS]
    return found


def record_path(folder, case):
    """Return where the record of a case is kept."""
    return folder / ("-".join(str(case[name]) for name in KEY) + ".jsonl")


def tried(case, program, records=None):
    """Run one case, and return it with what came of it."""
    path = None if records is None else record_path(records, case)
    fault, doctor = FAULTS.get(case["fault"]), TrainingDoctor(record_path=path)
    change = fault and fault.change(program, case["strength"])
    begin, score, error = time.process_time(), math.nan, None
    try:
        _, score = run(program, seed=case["seed"], change=change, callbacks=[doctor])
    except Exception as raised:
        lines = str(raised).strip().splitlines() or [""]
        error = f"{type(raised).__name__}: {lines[0][:200]}"
    return case | {
        "score": None if math.isnan(score) else round(score, 4),
        "error": error,
        **said(doctor.record),
        "seconds": round(time.process_time() - begin, 1),
    }


def said(record):
    """Return the diagnosis of a record, and what the doctor spent, as plain values."""
    diagnosis, work = examine(record), record.structure.get("work")
    return {
        "verdict": diagnosis.verdict,
        "labels": [finding.label for finding in diagnosis.findings],
        "sentence": diagnosis.sentence,
        "skipped": [note for note in diagnosis.notes if "was skipped" in note],
        "work": work,
    }


def judge_again(path, records):
    """Diagnose the records that are kept with the rules of now."""
    rows = read(path)
    for row in rows:
        kept = record_path(records, row)
        if kept.exists():
            row.update(said(Record.load(kept)))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(path):
    """Return the rows of a file of results."""
    return [json.loads(line) for line in path.open()] if path.exists() else []


def key(row):
    """Return what makes a run, as a tuple."""
    return tuple(row[name] for name in KEY)


def run_half(half, path, only=(), count=None, records=None):
    """Run the cases of a half that are not in the file yet."""
    programs, backend = load(half), keras.backend.backend()
    done = {key(row) for row in read(path)}
    left = [case for case in cases(half, programs, backend) if key(case) not in done]
    left = [case for case in left if not only or case["program"] in only]
    for number, case in enumerate(left[:count], 1):
        row = tried(case, programs[case["program"]](), records)
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(
            f"{number}/{len(left)} {row['program']} {row['fault'] or 'clean'} "
            f"{row['strength'] or ''} seed {row['seed']}: score {row['score']}, "
            f"{', '.join(row['labels']) or row['verdict']} ({row['seconds']} s)"
            f"{' ' + row['error'] if row['error'] else ''}",
            flush=True,
        )


def differences(half, only=()):
    """Yield each program, and the largest difference of weights that the doctor makes.

    One epoch: rounding, which any change of a compiled step changes, grows with steps.
    """

    def shorten(data, settings, random):
        settings.epochs = 1

    for name, program in load(half).items():
        backends = program.backends
        if keras.backend.backend() not in backends or only and name not in only:
            continue
        # Its pre-trained weights are kept, and training them draws random numbers.
        run(program(), change=shorten)
        plain, _ = run(program(), change=shorten)
        weights = plain.get_weights()
        watched, _ = run(program(), change=shorten, callbacks=[TrainingDoctor()])
        pairs = zip(weights, watched.get_weights(), strict=True)
        yield name, max(float(np.max(np.abs(a - b), initial=0.0)) for a, b in pairs)


def compare(half, only=()):
    """Print the differences, and return whether all weights are equal."""
    largest = 0.0
    for name, difference in differences(half, only):
        print(f"{name:<28}{difference:.1e}", flush=True)
        largest = max(largest, difference)
    print(f"largest: {largest:.1e}, bound {EQUAL:.0e}")
    return largest <= EQUAL


def judged(rows):
    """Return for each program and fault its harm, and how often it was named."""
    clean, faulty = collections.defaultdict(list), collections.defaultdict(list)
    for row in rows:
        of_program = row["half"], row["program"], row["backend"]
        if row["fault"] is None:
            clean[of_program].append(row)
        else:
            faulty[*of_program, row["fault"], row["strength"]].append(row)
    found = []
    for (*of_program, fault, strength), group in faulty.items():
        base = [row["score"] for row in clean[tuple(of_program)]]
        if not base or None in base:
            continue
        if all(row["error"] and row["verdict"] == "not_watched" for row in group):
            # Keras refused the program before training began.
            continue
        # A run that ended with an exception has no score.
        scores = [row["score"] or 0.0 for row in group]
        drop = np.mean(base) - np.mean(scores)
        least = max(LOSS_OF_SCORE * abs(np.mean(base)), SPREADS * np.std(base))
        half, program, backend = of_program
        accepted, symptoms = FAULTS[fault].accepted, FAULTS[fault].symptoms
        labels = [set(row["labels"]) for row in group]
        found.append(
            {
                "half": half,
                "program": program,
                "backend": backend,
                "fault": fault,
                "strength": strength,
                "harmful": bool(drop > least),
                "clean": float(np.mean(base)),
                "score": float(np.mean(scores)),
                "named": sum(bool(found & accepted) for found in labels),
                "symptom": sum(
                    bool(found & symptoms) and not found & accepted for found in labels
                ),
                "silent": sum(not found for found in labels),
                "runs": len(group),
                "labels": sorted(set().union(*labels)),
            }
        )
    return found


def interval(count, of):
    """Return the Wilson interval of a share, with 95 % confidence."""
    if not of:
        return 0.0, 1.0
    found = scipy.stats.binomtest(count, of).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def share(count, of):
    """Return a share in words, with its interval."""
    if not of:
        return "-"
    low, high = interval(count, of)
    return f"{count} of {of} = {count / of:.2f} [{low:.2f}, {high:.2f}]"


def table(rows):
    """Return the table of each half: harmful faults named, sound programs accused."""
    lines, groups = [], judged(rows)
    for half in HALVES:
        of_half = [group for group in groups if group["half"] == half]
        clean = [row for row in rows if row["half"] == half and row["fault"] is None]
        if not clean:
            continue
        lines += [f"{half}:", ""]
        harmful = [group for group in of_half if group["harmful"]]
        harmless = [group for group in of_half if not group["harmful"]]
        runs = sum(group["runs"] for group in harmful)
        for word in ("named", "symptom", "silent"):
            count = sum(group[word] for group in harmful)
            lines.append(f"harmful faults, {word}: {share(count, runs)}")
        runs = sum(group["runs"] for group in harmless)
        passed = sum(group["silent"] for group in harmless)
        lines.append(f"faults without harm, passed over: {share(passed, runs)}")
        accused = sum(bool(row["labels"]) for row in clean)
        lines.append(f"sound runs, accused: {share(accused, len(clean))}")
        of_rows = [row.get("work") for row in rows if row["half"] == half]
        worked = [work for work in of_rows if work]
        kept = sum(
            work["looks"] <= work["loan"] + SHARE * work["trained"] for work in worked
        )
        lines.append(f"runs within the work budget: {kept} of {len(worked)}")
        failed = sum(row["error"] is not None for row in rows if row["half"] == half)
        lines += [f"runs that ended with an exception: {failed}", ""]
        lines += by(harmful, "fault") + by(harmful, "program")
        lines += [f"{'accused':<28}labels"]
        for row in clean:
            if row["labels"]:
                lines.append(f"{row['program']:<28}{', '.join(row['labels'])}")
        lines.append("")
    return "\n".join(lines)


def by(groups, name):
    """Return lines that count the harmful faults by their name or their program."""
    lines = [f"{name:<28}{'runs':>6}{'named':>7}{'symptom':>9}{'silent':>8}  other"]
    for value in sorted({group[name] for group in groups}):
        chosen = [group for group in groups if group[name] == value]
        numbers = [
            sum(group[word] for group in chosen)
            for word in ("runs", "named", "symptom", "silent")
        ]
        other = numbers[0] - sum(numbers[1:])
        runs, named, symptom, silent = numbers
        lines.append(f"{value:<28}{runs:>6}{named:>7}{symptom:>9}{silent:>8}{other:>7}")
    return [*lines, ""]


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("run", help="run what has not run yet")
    command.add_argument("--half", choices=HALVES, required=True)
    command.add_argument("--only", nargs="*", default=(), help="names of programs")
    command.add_argument("--count", type=int, help="stop after so many runs")
    command.add_argument("--results", type=pathlib.Path, default=RESULTS)
    command.add_argument("--records", type=pathlib.Path, help="folder for the records")
    every = "watch one of so many steps from the first one on, or none (0)"
    command.add_argument("--every", type=int, help=every)
    command = commands.add_parser("judge", help="diagnose the records that were kept")
    command.add_argument("--results", type=pathlib.Path, default=RESULTS)
    command.add_argument("--records", type=pathlib.Path, required=True)
    command = commands.add_parser("equal", help="compare weights with and without it")
    command.add_argument("--half", choices=HALVES, required=True)
    command.add_argument("--only", nargs="*", default=(), help="names of programs")
    command = commands.add_parser("table", help="print the table of the results")
    command.add_argument("--results", type=pathlib.Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.command == "run":
        if arguments.every is not None:
            watch_plan.SHORT = watch_plan.REPAID = watch_plan.WATCHING = 0
            watch_plan.PERIOD = arguments.every or 1
            if not arguments.every:
                # Nothing is compiled for it either before the end of each run.
                watch_plan.REPAID = 1e12
                watch_plan.WatchPlan.is_due = lambda plan: False
        if arguments.records is not None:
            arguments.records.mkdir(parents=True, exist_ok=True)
        run_half(
            arguments.half,
            arguments.results,
            arguments.only,
            arguments.count,
            arguments.records,
        )
    elif arguments.command == "equal":
        sys.exit(not compare(arguments.half, arguments.only))
    elif arguments.command == "judge":
        judge_again(arguments.results, arguments.records)
    else:
        print(table(read(arguments.results)))


if __name__ == "__main__":
    main()
