"""Time from the start of Python to the help of `kcomponents`, and to its import.

Each row is the shortest time of ten whole processes; the processes of all rows take
turns. The first row is Python alone. No row imports a backend. Exits with 1 if a time
is beyond its bound.

    python benchmarks/startup.py
"""

import argparse
import subprocess
import sys
import time

# Row → arguments of Python, and the most seconds.
ROWS = {
    "Python alone": (["-c", "pass"], None),
    "import kcomponents": (["-c", "import kcomponents"], 0.3),
    "kcomponents --help": (["-m", "kcomponents", "--help"], 0.3),
    "kcomponents search run --help": (
        ["-m", "kcomponents", "search", "run", "--help"],
        0.3,
    ),
}


def seconds(arguments):
    """Return the time of one process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main(argv=None):
    """Print a row for each process; return 1 if one is too slow."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=10)
    repeats = parser.parse_args(argv).repeats
    least = {name: [] for name in ROWS}
    for _ in range(repeats):
        for name, (arguments, _) in ROWS.items():
            least[name].append(seconds(arguments))
    print(f"{'process':<32}{'seconds':>9}{'bound':>8}")
    status = 0
    for name, (_, bound) in ROWS.items():
        took = min(least[name])
        missed = bound is not None and took > bound
        status = status or int(missed)
        limit = "" if bound is None else f"{bound:.1f}"
        print(f"{name:<32}{took:>9.3f}{limit:>8}{'  MISSED' * missed}")
    return status


if __name__ == "__main__":
    sys.exit(main())
