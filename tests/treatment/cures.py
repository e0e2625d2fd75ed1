"""Treat programs with a fault, and count how many are cured.

From the root of the repository:

    KERAS_BACKEND=jax python -m tests.treatment.cures run --half sound --results FILE
    python -m tests.treatment.cures table --results FILE

The programs and faults are those of `tests.doctor.bench`; the clean program is the
repair, and its score the measure. A fault does harm if it costs a tenth of the score.
It is cured if the program with the changes that `treat` proposes, trained with another
seed, gets 80 % of the way back. `treat` sees the faulty program alone. `--clean` treats
the programs without a fault. `run` appends a line of JSON for each case, and goes on
where it was stopped. Programs whose training is not a single `fit` are left out.
"""

import argparse
import copy
import json
import pathlib
import time

import keras
import numpy as np

from kcomponents.treatment import treat
from kcomponents.treatment._runs import Run
from tests.doctor.bench.__main__ import cases
from tests.doctor.bench.faults import FAULTS
from tests.doctor.bench.program import HALVES, Data, load

HARM, BACK = 0.1, 0.8
FRESH_SEED = 100
KEY = "half", "program", "fault", "strength", "backend"


class _Fit:
    """Stands in for a model, and keeps the arguments of its `fit`."""

    def fit(self, x=None, y=None, **arguments):
        self.arguments = {"x": x, "y": y, **arguments}
        return keras.callbacks.History()


class _Unscaled:
    """A model that was trained on scaled targets, and predicts them as they were."""

    def __init__(self, model, program):
        self._model, self._program = model, program

    def __getattr__(self, name):
        return getattr(self._model, name)

    def predict(self, x, **arguments):
        y = self._model.predict(self._program.prepare(x), **arguments)
        if np.ndim(self._program.scale) == 0 and self._program.scale == 1.0:
            return y
        return y * self._program.scale + self._program.offset

    def __call__(self, x, **arguments):
        return self._model(self._program.prepare(x), **arguments)


def faulty(program, fault, strength, seed):
    """Return the settings, a function that builds the model, `fit`'s arguments, rows.

    Returns None if the program's training is not a single `fit`.
    """
    data, settings = program.data(seed), copy.deepcopy(program.settings)
    if fault is not None:
        random = np.random.default_rng(seed)
        FAULTS[fault].apply(program, data, settings, strength, random)
    parts = (data.train, data.validation, data.test)
    data = Data(*(program.scaled(part, settings) for part in parts))
    model = _Fit()
    try:
        program.train(model, data, settings, [])
        arguments = model.arguments
    except Exception:
        return None
    del arguments["callbacks"], arguments["verbose"]
    return settings, lambda: program.build(settings), arguments, data.test


def score(program, run, rows):
    """Return the score of a trained run."""
    if run.error is not None:
        return 0.0
    found = program.score(_Unscaled(run.program.model, run.program), rows)
    return float(np.nan_to_num(found))


def trained(build, arguments, changes, seed):
    """Return a run with changes, trained to its end."""
    run = Run(build, arguments, changes, seed)
    run.train(run.epochs, keras.callbacks.Callback())
    return run


def judge(program, case):
    """Return what `treat` does to a program, or None if it cannot be treated."""
    entry = {name: case[name] for name in KEY}
    made = faulty(program, case["fault"], case["strength"], 0)
    if made is None:
        return None
    settings, build, arguments, rows = made
    keras.config.set_dtype_policy(settings.dtype)
    start = time.perf_counter()
    try:
        run = trained(build, arguments, (), FRESH_SEED)
        once = time.perf_counter() - start
        entry["faulty"] = score(program, run, rows)
        start = time.perf_counter()
        treatment = treat(build, **arguments, verbose=False)
        entry |= {
            "seconds": time.perf_counter() - start,
            "once": once,
            "trainings": treatment.trainings,
            "labels": [f.label for f in treatment.diagnosis.findings],
            "changes": [str(change) for change in treatment.changes],
            "trials": [str(trial) for trial in treatment.trials],
        }
        if treatment.changes:
            run = trained(build, arguments, treatment.changes, FRESH_SEED)
        entry["treated"] = score(program, run, rows)
    finally:
        keras.config.set_dtype_policy("float32")
    if case["fault"] is not None:
        _, build, arguments, rows = faulty(program, None, None, 0)
        run = trained(build, arguments, (), FRESH_SEED)
        entry["clean"] = score(program, run, rows)
    return entry


def run_all(options):
    """Treat each case that is not in the file of results yet."""
    programs, backend = load(options.half), keras.backend.backend()
    path = pathlib.Path(options.results)
    done = set()
    if path.exists():
        lines = map(json.loads, path.read_text().splitlines())
        done = {tuple(line[name] for name in KEY) for line in lines}
    wanted = [
        case
        for case in cases(options.half, programs, backend)
        if case["seed"] == 0 and (case["fault"] is None) == options.clean
        if not options.only or case["program"] in options.only
    ]
    for case in wanted[options.start :: options.step]:
        key = tuple(case[name] for name in KEY)
        if key in done:
            continue
        keras.backend.clear_session()
        try:
            entry = judge(programs[case["program"]](), case)
        except Exception as error:
            entry = {name: case[name] for name in KEY} | {"error": repr(error)[:300]}
        entry = entry or {name: case[name] for name in KEY} | {"error": "no single fit"}
        with path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        print(json.dumps({k: v for k, v in entry.items() if k != "trials"}), flush=True)


def table(options):
    """Print how many faults were cured."""
    lines = [
        json.loads(line)
        for line in pathlib.Path(options.results).read_text().splitlines()
    ]
    known = [line for line in lines if "error" not in line]
    print(f"{len(lines)} cases, {len(lines) - len(known)} not treated")
    harmed = [
        line
        for line in known
        if "clean" in line and line["clean"] - line["faulty"] > HARM * line["clean"]
    ]
    cured = [
        line
        for line in harmed
        if line["treated"] - line["faulty"] >= BACK * (line["clean"] - line["faulty"])
    ]
    claimed = [line for line in known if line["changes"]]
    better = [line for line in claimed if line["treated"] > line["faulty"]]
    print(f"harmed {len(harmed)}, cured {len(cured)}")
    print(f"said to help {len(claimed)}, better with a fresh seed {len(better)}")
    if known:
        costs = [line["trainings"] for line in known]
        print(f"trainings: median {np.median(costs):.1f}, most {max(costs):.1f}")
    for line in harmed:
        mark = "cured" if line in cured else "     "
        print(
            f"{mark} {line['program']} {line['fault']} {line['strength']}: "
            f"{line['clean']:.2f} {line['faulty']:.2f} {line['treated']:.2f} "
            f"{line['labels']} {line['changes']}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["run", "table"])
    parser.add_argument("--half", choices=HALVES, default=HALVES[0])
    parser.add_argument("--results", required=True)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    options = parser.parse_args()
    (run_all if options.command == "run" else table)(options)


if __name__ == "__main__":
    main()
