"""Run faulty and healthy programs under the doctor and count its hits.

Half of the programs are held out; the rules were not tuned on them: `--half held_out`.
From the root of the repository: `python -m tests.doctor.table`.
"""

import argparse
import json
import logging
import pathlib
import time

import keras

from kcomponents.callbacks import TrainingDoctor
from kcomponents.doctor import LABELS
from tests.doctor.programs import PROGRAMS, held_out, load
from tests.doctor.published import autotrainer, umlaut

TOOLS = "ours", "umlaut", "autotrainer"
HALVES = {"development": (False,), "held_out": (True,), "all": (False, True)}


def examine(program):
    """Run one program and return the labels of each tool, as plain values."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    doctor, begin = TrainingDoctor(), time.perf_counter()
    program.run([doctor])
    seconds = time.perf_counter() - begin
    found = doctor.diagnosis
    return {
        "program": program.name,
        "half": "held_out" if held_out(program.name) else "development",
        "accepted": sorted(program.accepted),
        "verdict": found.verdict,
        "ours": [finding.label for finding in found.findings],
        "umlaut": sorted(umlaut(doctor.record)),
        "autotrainer": sorted(autotrainer(doctor.record)),
        "seconds": round(seconds, 2),
        "notes": list(found.notes),
    }


def is_right(row, tool):
    """Return whether a tool gave an accepted label, or none to a healthy program."""
    found = set(row[tool])
    return bool(found & set(row["accepted"])) if row["accepted"] else not found


def summary(rows):
    """Return a table of recall and false alarms, by half and tool."""
    lines = [f"{'':<14}{'':<14}{'accepted label':>16}{'false alarms':>16}"]
    for half in ("development", "held_out"):
        of_half = [row for row in rows if row["half"] == half]
        sick = [row for row in of_half if row["accepted"]]
        well = [row for row in of_half if not row["accepted"]]
        for tool in TOOLS if of_half else ():
            right = sum(is_right(row, tool) for row in sick)
            wrong = sum(not is_right(row, tool) for row in well)
            lines.append(
                f"{half:<14}{tool:<14}{_share(right, len(sick)):>16}"
                f"{_share(wrong, len(well)):>16}"
            )
    return "\n".join(lines)


def _share(count, of):
    return f"{count} of {of} ({count / of:.0%})" if of else "-"


def by_label(rows):
    """Return a table of hits by accepted label."""
    lines = [f"{'accepted label':<34}{'programs':>9}{'named':>7}{'any right':>10}"]
    for label in LABELS:
        wanted = [row for row in rows if label in row["accepted"]]
        named = sum(label in row["ours"] for row in wanted)
        right = sum(is_right(row, "ours") for row in wanted)
        lines.append(f"{label:<34}{len(wanted):>9}{named:>7}{right:>10}")
    return "\n".join(lines)


def differences(files):
    """Return the programs whose results differ between backends, one file each."""
    said = {}
    for path in files:
        for line in path.read_text().splitlines():
            row = json.loads(line)
            said.setdefault(row["program"], {})[path.stem] = row
    lines, same = [], 0
    for name, rows in sorted(said.items()):
        right = {is_right(row, "ours") for row in rows.values()}
        first = {tuple(row["ours"][:1]) for row in rows.values()}
        same += len(first) == 1
        if len(right) > 1 or len(first) > 1:
            told = "; ".join(f"{key}: {row['ours']}" for key, row in rows.items())
            lines.append(f"{'!' if len(right) > 1 else ' '} {name}: {told}")
    lines.append(f"{same} of {len(said)} programs: the same first finding, or none.")
    return "\n".join(lines)


def main(argv=None):
    """Run the programs, print a line for each and the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names (default: all)")
    parser.add_argument("--half", choices=list(HALVES), default="all")
    parser.add_argument(
        "--output", type=pathlib.Path, help="file for a JSON line per program"
    )
    parser.add_argument(
        "--differences",
        nargs="+",
        type=pathlib.Path,
        metavar="FILE",
        help="instead, compare files that --output wrote on several backends",
    )
    args = parser.parse_args(argv)
    if args.differences:
        print(differences(args.differences))
        return
    load()
    # The findings are in the table, so the log is not needed.
    logging.getLogger("kcomponents").setLevel(logging.ERROR)
    chosen = [
        program
        for name, program in sorted(PROGRAMS.items())
        if held_out(name) in HALVES[args.half]
        and (not args.names or any(part in name for part in args.names))
    ]
    rows = []
    for number, program in enumerate(chosen, 1):
        row = examine(program)
        rows.append(row)
        sign = " " if is_right(row, "ours") else "x"
        said = ", ".join(row["ours"]) or "-"
        print(
            f"{number:>4}/{len(chosen)} {sign} {row['program']:<40} {said}", flush=True
        )
    if args.output:
        args.output.write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(
        f"\nBackend: {keras.backend.backend()}\n\n{summary(rows)}\n\n{by_label(rows)}"
    )


if __name__ == "__main__":
    main()
