"""Time a search against keras-tuner's, on the same space, trials and epochs.

Every run is a fresh process, and both sides take turns, ours first in every other pair;
medians count. The data are handwritten digits, 8 x 8 pixels, 1437 to train on and 360
held back; the net is 64-128-128-10. Both are small on purpose: in short trials what a
search adds to the training counts most, and the longer trials are, the nearer all
ratios come to 1.

- a: reuse alone: random sampling, no pruning, this process alone. What counts is the
  CPU time of the whole process, interpreter and imports included, for each trial, with
  one thread for both. A ratio is keras-tuner's over ours. With fewer trials imports
  weigh more, so that the bound may be missed; the second row is without them.
- b: the wall time, from the start of the process, until the best score of RandomSearch
  is reached, to the end of the trial that reaches it, over that of RandomSearch; with
  pruning, an activation to choose too, and two workers of one thread each, where
  RandomSearch has the machine to itself. What is not reached within as many trials
  counts as the whole time, and is said.
- c: the time from the end of a trial to the beginning of the next, which trains
  nothing, with 12 numbers to choose and 30 trials done, over what keras-tuner's
  Bayesian oracle takes to suggest alone. Ours holds all that is written to the disk.
- d: memory of the process after trial 200 over that after trial 20, one epoch each.

Exits with 1 if a ratio is beyond its bound; with --quick, which only shows that all of
it runs, never.

    KERAS_BACKEND=jax python benchmarks/search_speed.py --parts a b --seeds 5
"""

import argparse
import contextlib
import importlib.metadata
import importlib.util
import io
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np

RECIPES = pathlib.Path(__file__).parents[1] / "recipes"
OURS, THEIRS = "ours", "keras-tuner"
# Bounds by backend: in a the least, in b the most.
LEAST_CPU = {"jax": 5.0, "tensorflow": 1.4, "torch": 1.05}
MOST_WALL = {"jax": 1 / 8, "tensorflow": 1 / 3, "torch": 1 / 2}
MOST_MEMORY = 1.05
DIMENSIONS = 12
KINDS = ["relu", "tanh", "elu", "gelu", "selu", "sigmoid"]
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "NPROC",
    ),
    "1",
)


def digits():
    """Return small digits, to train on and held back, as pairs."""
    sys.path.insert(0, str(RECIPES))
    from lib.data import images

    (x, y), _ = images("digits")
    # The middle, three by three pixels made one.
    x = x.reshape(-1, 28, 28)[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean((2, 4))
    x = x.reshape(-1, 64)
    return (x[:1437], y[:1437]), (x[1437:1797], y[1437:1797])


def build(hp):
    """Return the compiled net, of which only numbers are searched."""
    return net(hp, "relu")


def build_kinds(hp):
    """Return the compiled net, of which the activation is searched too."""
    return net(hp, hp.Choice("activation", KINDS))


def net(hp, kind):
    """Return the compiled net with an activation."""
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    penalty = hp.Float("l2", 1e-6, 1e-2, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(2):
        l2 = keras.regularizers.L2(penalty)
        model.add(keras.layers.Dense(128, kind, kernel_regularizer=l2))
        model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def build_numbers(hp):
    """Return a net that nothing of is searched but many numbers."""
    for number in range(DIMENSIONS):
        hp.Float(f"x{number}", 0.0, 1.0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def distance(values):
    """Return a score of the numbers."""
    return sum((value - 0.3) ** 2 for value in values.values())


# What runs in a process of its own: each returns what is known of its run.


def searched(search, told):
    """Run a search on the digits; return the seconds of CPU that it alone took."""
    (x, y), held = digits()
    begin = time.process_time()
    search.search(
        x, y, validation_data=held, epochs=told["epochs"], batch_size=32, verbose=0
    )
    return time.process_time() - begin


def search_ours(told, kind=None, hypermodel=build, **settings):
    """Run our search in this process; return it, and its seconds of CPU."""
    from kcomponents import tuning

    search = (kind or tuning.Search)(
        hypermodel,
        "val_accuracy",
        max_trials=told["trials"],
        repeats=0,
        finalists=0,
        seed=told["seed"],
        directory=told["folder"],
        **settings,
    )
    return search, searched(search, told)


REUSE = {"sampler": "random", "pruner": "none", "baseline": False}


def reuse_ours(told):
    """Run random trials with our search."""
    search, alone = search_ours(told, **REUSE)
    trials = search.results["trials"]
    epochs = sum(trial["epochs"] for trial in trials)
    return {"trials": len(trials), "epochs": epochs, "alone": alone}


def random_search(told, hypermodel=build):
    """Run random trials with keras-tuner."""
    import keras_tuner

    tuner = keras_tuner.RandomSearch(
        hypermodel,
        "val_accuracy",
        max_trials=told["trials"],
        seed=told["seed"],
        directory=told["folder"],
        project_name="theirs",
    )
    alone = searched(tuner, told)
    trials = tuner.oracle.trials.values()
    done = [trial for trial in trials if trial.status == "COMPLETED"]
    if len(done) < told["trials"]:
        raise SystemExit(f"{told['trials'] - len(done)} trials of keras-tuner failed.")
    best = max(trial.score for trial in done)
    epochs = len(done) * told["epochs"]
    return {"trials": len(done), "epochs": epochs, "alone": alone, "best": best}


def best_theirs(told):
    """Run random trials with keras-tuner, activations among them."""
    return random_search(told, build_kinds)


def best_ours(told):
    """Run our search with two workers, and return when which score was reached."""
    search, _ = search_ours(told, hypermodel=build_kinds, workers=2)
    found = search.results["trials"]
    known = [(t["ended"], t["score"]) for t in found if t["score"] is not None]
    return {"trials": len(found), "reached": sorted(known)}


def suggest_ours(told):
    """Return the seconds between trials that train nothing."""
    from kcomponents import tuning

    begun, ended = [], []

    class Instant(tuning.Search):
        def run_trial(self, trial, *args, **kwargs):
            begun.append(time.perf_counter())
            score = distance(trial.hyperparameters.values)
            ended.append(time.perf_counter())
            return score

    Instant(
        build_numbers,
        "val_loss",
        max_trials=told["history"] + told["trials"],
        sampler=told["sampler"],
        pruner="none",
        repeats=0,
        finalists=0,
        seed=told["seed"],
        directory=told["folder"],
    ).search(np.zeros((1, 1)), np.zeros((1, 1)), verbose=0)
    between = [b - e for b, e in zip(begun[1:], ended, strict=False)]
    return {"seconds": statistics.median(between[told["history"] - 1 :])}


def suggest_theirs(told):
    """Return the seconds that keras-tuner's Bayesian oracle takes to suggest."""
    import keras_tuner

    took = []

    class Timed(keras_tuner.oracles.BayesianOptimizationOracle):
        def populate_space(self, trial_id):
            begin = time.perf_counter()
            found = super().populate_space(trial_id)
            took.append(time.perf_counter() - begin)
            return found

    first, count = told["history"], told["history"] + told["trials"]
    objective = keras_tuner.Objective("score", "min")
    # By chance, which takes no time: only what comes after is timed.
    oracle = Timed(objective, count, num_initial_points=first, seed=told["seed"])
    build_numbers(oracle.hyperparameters)
    keras_tuner.Tuner(oracle, build_numbers, directory=told["folder"])
    for _ in range(count):
        trial = oracle.create_trial("tuner0")
        score = distance(trial.hyperparameters.values)
        oracle.update_trial(trial.trial_id, {"score": score})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return {"seconds": statistics.median(took[told["history"] :])}


def resident():
    """Return the memory of this process, in MiB."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def memory(told):
    """Return the memory after each trial of a search that reads it."""
    from kcomponents import tuning

    seen = []

    class Watched(tuning.Search):
        def run_trial(self, *args, **kwargs):
            results = super().run_trial(*args, **kwargs)
            seen.append(resident())
            return results

    hypermodel = build_kinds if told["kinds"] else build
    search_ours(told, Watched, hypermodel, **REUSE)
    return {"early": seen[told["early"] - 1], "late": seen[-1]}


CHILDREN = {
    made.__name__: made
    for made in (
        best_ours,
        best_theirs,
        memory,
        random_search,
        reuse_ours,
        suggest_ours,
        suggest_theirs,
    )
}


def child(name, told):
    """Run one side in this process, and print what is known of it as the last line."""
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as at:
        found = CHILDREN[name]({**told, "folder": at})
    print(json.dumps(found))


# What starts these processes, and makes a table of what they say.


def progress(message):
    """Say where the run is, apart from the table."""
    print(message, file=sys.stderr, flush=True)


def run(name, environment, **told):
    """Run one side in a fresh process; return what it tells, CPU and wall time."""
    command = [sys.executable, __file__, "--child", name, json.dumps(told)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    answer = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True
    )
    end, after = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    if answer.returncode:
        raise SystemExit(f"{name} ended with an error:\n{answer.stderr[-3000:]}")
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    found = json.loads(answer.stdout.splitlines()[-1])
    progress(f"{name}: {end - start:.1f} s, {used:.1f} s of CPU")
    return {**found, "cpu": used, "start": start, "wall": end - start}


def pairs(args, sides, environment=None):
    """Yield pairs of runs, side → what it tells, each side first in turn."""
    for number in range(args.pairs):
        order = sorted(sides, reverse=bool(number % 2))
        told = {"trials": args.trials, "epochs": args.epochs, "seed": number}
        yield {side: run(sides[side], environment or {}, **told) for side in order}


def row(what, ratio, bound=None, least=True):
    """Return a line of the table."""
    return {"what": what, "ratio": ratio, "bound": bound, "least": least}


def part_a(args):
    """Yield the rows of reuse alone."""
    sides = {OURS: "reuse_ours", THEIRS: "random_search"}
    found = list(pairs(args, sides, ONE_THREAD))
    bound = LEAST_CPU[keras.backend.backend()]
    names = {
        "cpu": ("CPU of the process", bound),
        "alone": ("CPU without imports", None),
        "wall": ("wall", None),
    }
    for name, (what, least) in names.items():
        each = [(p[THEIRS][name], p[OURS][name]) for p in found]
        ratio = statistics.median(theirs / ours for theirs, ours in each)
        theirs, ours = (statistics.median(side) for side in zip(*each, strict=True))
        told = f"{theirs / args.trials:.3g} theirs, {ours / args.trials:.3g} ours"
        progress(f"{what}, seconds a trial: {told}")
        yield row(f"a  {what} (theirs / ours)", ratio, least)
    epochs = [statistics.median(p[side]["epochs"] for p in found) for side in sides]
    progress(f"epochs run: {epochs[0]} ours, {epochs[1]} theirs")


def reached(ours, best):
    """Return after how many seconds a score was reached, None if it was not."""
    ends = [end for end, score in ours["reached"] if score >= best]
    return min(ends) - ours["start"] if ends else None


def part_b(args):
    """Yield the row of the time to as good a score."""
    each, missed = [], 0
    args = argparse.Namespace(**{**vars(args), "pairs": args.seeds})
    for pair in pairs(args, {OURS: "best_ours", THEIRS: "best_theirs"}):
        took = reached(pair[OURS], pair[THEIRS]["best"])
        missed += took is None
        took = pair[OURS]["wall"] if took is None else took
        each.append((pair[THEIRS]["wall"], took))
        progress(f"best of theirs {pair[THEIRS]['best']:.4f}: ours after {took:.1f} s")
    ratio = statistics.median(took / whole for whole, took in each)
    told = "b  wall until their best (ours / theirs)"
    told += f", {missed} of {args.seeds} not reached" if missed else ""
    yield row(told, ratio, MOST_WALL[keras.backend.backend()], False)


def part_c(args):
    """Yield the rows of the time to suggest."""
    told = {"history": 3 if args.quick else 30, "trials": 2 if args.quick else 5}
    theirs = run("suggest_theirs", {}, seed=0, **told)["seconds"]
    # Gaussian processes are computed with PyTorch.
    samplers = ["tpe"] + ["gp"] * (importlib.util.find_spec("torch") is not None)
    for sampler in samplers:
        ours = run("suggest_ours", {}, seed=0, sampler=sampler, **told)["seconds"]
        bound = 1.0 if sampler == "tpe" else None
        progress(f"seconds to suggest: {theirs:.3g} theirs, {ours:.3g} ours")
        yield row(f"c  suggest, {sampler} (theirs / ours)", theirs / ours, bound)


def part_d(args):
    """Yield the rows of memory."""
    early, late = (2, 4) if args.quick else (20, 200)
    for kinds in (False, True):
        told = {"trials": late, "epochs": 1, "seed": 0, "early": early, "kinds": kinds}
        found = run("memory", {}, **told)
        ratio = found["late"] / found["early"]
        what = "6 activations" if kinds else "numbers only"
        progress(f"memory: {found['late']:.0f} MiB after {found['early']:.0f} MiB")
        name = f"d  memory after trial {late} / after trial {early}, {what}"
        yield row(name, ratio, None if kinds else MOST_MEMORY, False)


PARTS = {"a": part_a, "b": part_b, "c": part_c, "d": part_d}


def is_bad(found):
    """Tell whether a ratio is beyond its bound."""
    ratio, bound = found["ratio"], found["bound"]
    if bound is None:
        return False
    return ratio < bound if found["least"] else ratio > bound


def table(rows):
    """Return the rows as a table for people."""
    lines = [f"{'ratio':>6}{'bound':>8}"]
    for found in rows:
        sign = "≥" if found["least"] else "≤"
        bound = "" if found["bound"] is None else f"{sign} {found['bound']:.3g}"
        mark = "MISSED" if is_bad(found) else ""
        lines.append(f"{found['ratio']:>6.2f}{bound:>8}  {mark:<8}{found['what']}")
    return "\n".join(lines)


def header():
    """Return what is compared, or say what keras-tuner cannot do without."""
    backend = keras.backend.backend()
    needed = ["tensorboard"] if backend == "tensorflow" else ["six"]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        rule = f"keras-tuner on {backend} needs {' and '.join(missing)} without saying"
        raise SystemExit(f"{rule}: pip install {' '.join(missing)}")
    version = importlib.metadata.version("keras-tuner")
    return (
        f"Keras {keras.version()} on {backend}, {os.cpu_count()} cores\n"
        f"keras-tuner {version}, which also needed: pip install {' '.join(needed)}\n"
    )


def parsed(argv):
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--trials", type=int, default=60, help="of each run of a and b (60)")
    add("--epochs", type=int, default=10, help="of each trial of a and b (10)")
    add("--pairs", type=int, default=3, help="of runs of a (3)")
    add("--seeds", type=int, default=5, help="of b (5)")
    add("--quick", action="store_true", help="tiny, to see that it runs")
    add("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.quick:
        args.trials, args.epochs, args.pairs, args.seeds = 2, 1, 1, 1
    return args


def main(argv=None):
    """Print the table; return 1 if a ratio is beyond its bound."""
    args = parsed(argv)
    if args.child:
        child(args.child[0], json.loads(args.child[1]))
        return 0
    print(header(), flush=True)
    rows = [found for part in args.parts for found in PARTS[part](args)]
    print(table(rows))
    return int(not args.quick and any(is_bad(found) for found in rows))


if __name__ == "__main__":
    sys.exit(main())
