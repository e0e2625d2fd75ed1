"""Curves of the thresholds: how many faults are found, and how many runs accused.

From the root of the repository, after `run --half sound --records FOLDER`:

    python -m tests.doctor.bench.curves --records FOLDER --page docs/thresholds.md

Each threshold is multiplied by factors, and the records that were kept are diagnosed
again. Nothing is trained.
"""

import argparse
import contextlib
import importlib
import pathlib

from kcomponents.doctor import examine
from kcomponents.record import Record
from tests.doctor.bench.__main__ import RESULTS, judged, read, record_path

FACTORS = 0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0
# Module of `kcomponents.doctor`, and the rules and thresholds in it.
THRESHOLDS = {
    "_skill": {
        "CHANCE": "not_learning",
        "BEHIND": "underfitting, slow_learning",
        "BEHIND_OF_REACHABLE": "underfitting, slow_learning",
        "BEHIND_REPEATING": "underfitting",
        "LOST_OF_TRAINING": "train_inference_gap",
    },
    "_case": {
        "COLLAPSED": "collapsed_output",
        "LOST": "train_inference_gap",
        "BAD_START": "unnormalized_input",
    },
    "_thresholds": {
        "LARGE_INPUT": "unnormalized_input",
        "TINY_INPUT": "unnormalized_input",
        "UNLIKE_COLUMNS": "unnormalized_input",
        "LARGE_TARGET": "unnormalized_target",
        "CLASS_DISTANCE": "data_split_problem",
    },
    "rules.splits": {
        "BETWEEN_BATCHES": "sorted_batches",
        "SCALE_RATIO": "data_split_problem",
        "RATIO_WITH_GAP": "data_split_problem",
        "FEW_MISSING": "missing_classes",
        "MANY_MISSING": "missing_classes",
        "SEEN_LATER": "future_leak",
        "LEAKAGE": "data_split_problem",
    },
    "rules.labels": {
        "CONTRADICTIONS": "contradictory_labels",
        "NOTHING": "uninformative_labels",
        "NO_SIGNAL": "uninformative_labels",
        "GAIN_OF_PAIRS": "uninformative_labels",
        "NEVER": "uninformative_labels",
        "HARDLY": "uninformative_labels",
        "AT_FIRST": "uninformative_labels",
        "SURE": "wrong_labels",
        "MORE": "wrong_labels",
        "SWAPPED": "swapped_targets",
        "MUCH_PADDING": "mask_missing",
        "GIVEN_UP": "class_imbalance",
    },
    "rules.inputs": {"ALIKE": "constant_input"},
    "rules.learning_rate": {
        "LARGE_UPDATE": "learning_rate_too_high",
        "SURE_UPDATE": "learning_rate_too_high",
        "LARGE_MOVE": "learning_rate_too_high",
        "SMOOTHLY": "learning_rate_too_high",
        "SMALL_CHANGE": "learning_rate_too_low",
        "SMALL_UPDATE": "learning_rate_too_low",
        "HARDLY_MOVED": "learning_rate_too_low",
        "MOVED_LITTLE": "learning_rate_too_low",
    },
    "rules.progress": {
        "LARGE_NOISE": "over_regularized",
        "STANDS_STILL": "constant_loss",
        "FEW_STEPS": "slow_learning",
    },
    "rules.generalization": {
        "SURE_GAP": "overfitting",
        "GAP_WITH_RISE": "overfitting",
        "RISE": "overfitting",
    },
}
INTRODUCTION = """# Thresholds

What a finding needs is read from curves: the faults and sound programs of the open
half of the bench in `tests/doctor/bench`, diagnosed again with each threshold
multiplied by a factor. A cell is the share of harmful faults whose cause is named, and
the number of sound runs that are accused, of {sound}. Made by

    KERAS_BACKEND=jax python -m tests.doctor.bench run --half sound --records records
    python -m tests.doctor.bench.curves --records records --page docs/thresholds.md

A row without a change says that no program of this half is near the threshold. Most of
these have programs in `tests/doctor/programs`, and each has a test at its value.

"""


@contextlib.contextmanager
def changed(module, name, factor):
    """Multiply a threshold while in this context."""
    value = getattr(module, name)
    setattr(module, name, value * factor)
    try:
        yield
    finally:
        setattr(module, name, value)


def counts(rows, records):
    """Return the share of harmful faults that are named, and the runs accused."""
    said = [
        row | {"labels": [finding.label for finding in examine(record).findings]}
        for row, record in zip(rows, records, strict=True)
    ]
    harmful = [group for group in judged(said) if group["harmful"]]
    runs = sum(group["runs"] for group in harmful)
    named = sum(group["named"] for group in harmful)
    accused = sum(bool(row["labels"]) for row in said if row["fault"] is None)
    return named / max(runs, 1), accused


def page(rows, records):
    """Return the page with a table of all thresholds."""
    heads = [f"x {factor:g}" for factor in FACTORS]
    sound = sum(row["fault"] is None for row in rows)
    lines = [
        INTRODUCTION.format(sound=sound),
        f"| threshold | rule | value | {' | '.join(heads)} |\n",
        f"| --- | --- | --- |{' --- |' * len(FACTORS)}\n",
    ]
    for place, thresholds in THRESHOLDS.items():
        module = importlib.import_module(f"kcomponents.doctor.{place}")
        for name, rule in thresholds.items():
            cells = []
            for factor in FACTORS:
                with changed(module, name, factor):
                    share, accused = counts(rows, records)
                cells.append(f"{share:.2f}, {accused}")
            value = f"{getattr(module, name):g}"
            lines.append(f"| `{name}` | {rule} | {value} | {' | '.join(cells)} |\n")
            print(lines[-1], end="", flush=True)
    return "".join(lines)


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS)
    parser.add_argument("--records", type=pathlib.Path, required=True)
    parser.add_argument("--page", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    kept = [
        (row, record_path(arguments.records, row))
        for row in read(arguments.results)
        if row["half"] == "sound"
    ]
    kept = [(row, path) for row, path in kept if path.exists()]
    rows = [row for row, _ in kept]
    text = page(rows, [Record.load(path) for _, path in kept])
    arguments.page.write_text(text)


if __name__ == "__main__":
    main()
