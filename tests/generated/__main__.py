"""Train many random programs with and without our callbacks, and compare them.

From the root of the repository: `python -m tests.generated --models 300 --seed 0`. With
`--output FILE` each program is a line of JSON, and programs of the file are not run
again.
"""

import argparse
import json
import pathlib
import sys
import time
import traceback

from tests.generated.comparison import differences
from tests.generated.programs import BACKEND, draw


def main(argv=None):
    """Run the programs; return 1 if one of them differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=100, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    parser.add_argument("--output", type=pathlib.Path, help="file of JSON lines")
    args = parser.parse_args(argv)
    done, failed = read(args.output), 0
    for seed in range(args.seed, args.seed + args.models):
        if (row := done.get(seed)) is None:
            row = run(draw(seed))
            if args.output:
                with args.output.open("a") as file:
                    file.write(json.dumps(row) + "\n")
        failed += bool(row["differences"])
        sign = "x" if row["differences"] else " "
        print(f"{sign} {seed:>5} {row['seconds']:>6.1f} s", flush=True)
        for line in row["differences"][:6]:
            print(f"        {line[:200]}", flush=True)
    print(f"{BACKEND}: {args.models} programs, {failed} of them differ")
    return int(failed > 0)


def read(path):
    """Return the rows of a file by seed."""
    if path is None or not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["case"]["seed"]: row for row in rows}


def run(case):
    """Return the settings, differences and seconds of a program."""
    start = time.monotonic()
    try:
        found = differences(case)
    except Exception:
        found = ["the comparison failed", *traceback.format_exc().splitlines()[-6:]]
    seconds = round(time.monotonic() - start, 2)
    return {"case": case, "differences": found, "seconds": seconds}


if __name__ == "__main__":
    sys.exit(main())
