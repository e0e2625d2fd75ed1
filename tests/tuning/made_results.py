"""Made-up results of searches, to make pages, tables and files of."""

import math
import random

HOSTILE = [
    "<script>alert(1)</script>",
    "\"quoted\" & 'so'",
    "x_20^2$\\alpha$",
    "=cmd|' /C calc'!A0",
    "\u202eturned\x1b[31m",
    "[red]markup[/red]",
    "l" * 90,
    "語" * 40,
]
FAMILIES = {
    "relu": 0.955,
    "leaky_relu": 0.96,
    "prelu": 0.966,
    "elu": 0.958,
    "gelu": 0.962,
    "swish": 0.961,
    "maxout": 0.964,
    "tanh": 0.94,
    "sigmoid": 0.85,
}
REGULARIZERS = {"none": 0.0, "l1": -0.01, "l2": 0.004, "l1_l2": -0.004}
FAILURES = [
    ("nan", "The loss is NaN since epoch 2."),
    ("out_of_memory", "RESOURCE_EXHAUSTED: out of memory, tried to allocate 9.1 GiB"),
    ("crash", "Traceback (most recent call last):\n  ...\nValueError: units=0"),
]


def space(families=FAMILIES, kinds=REGULARIZERS):
    """Return a space with activation, regularizer, numbers and a condition."""
    log = {"kind": "Float", "sampling": "log", "step": None, "conditions": []}
    choice = {"kind": "Choice", "conditions": []}
    strength = {"min": 1e-6, "max": 1e-2}
    strong = [{"name": "regularizer", "values": [k for k in kinds if k != "none"]}]
    return [
        {"name": "activation", "values": list(families), **choice},
        {"name": "regularizer", "values": list(kinds), **choice},
        {"name": "strength", **log, **strength, "conditions": strong},
        {"name": "units", "values": [32, 64, 128], **choice},
        {"name": "learning_rate", **log, "min": 1e-4, "max": 1e-1},
        {"name": "layers", "kind": "Int", "min": 1, "max": 4, "step": 1}
        | {"sampling": "linear", "conditions": []},
        {"name": "batch_norm", "kind": "Boolean", "conditions": []}
        | {"values": [True, False]},
        {"name": "loss", "kind": "Fixed", "values": ["mse"], "conditions": []},
    ]


def drawn(chance, families, kinds):
    """Return values of one trial."""
    kind = chance.choice(list(kinds))
    return {
        "activation": chance.choice(list(families)),
        "regularizer": kind,
        **({} if kind == "none" else {"strength": 10 ** chance.uniform(-6, -2)}),
        "units": chance.choice([32, 64, 128]),
        "learning_rate": 10 ** chance.uniform(-4, -1),
        "layers": chance.randint(1, 4),
        "batch_norm": chance.random() < 0.5,
        "loss": "mse",
    }


def height(values, families, kinds):
    """Return the accuracy that a trial comes to, but for chance."""
    rate = -0.02 * abs(math.log10(values["learning_rate"]) + 2.5)
    levels = families[values["activation"]] + kinds[values["regularizer"]]
    return levels + rate + 0.006 * math.log2(values["units"] / 32)


def trial(name, values, final, chance, *, kind="search", of=None, seed=0, epochs=20):
    """Return a trial that was trained to the end and came to an accuracy."""
    top = min(final + chance.gauss(0, 0.003), 0.999)
    accuracy = [top - (top - 0.1) * math.exp(-0.4 * (e + 1)) for e in range(epochs)]
    accuracy = [a + chance.gauss(0, 0.002) for a in accuracy]
    score = max(accuracy)
    return {
        "id": str(name),
        "kind": kind,
        "of": of,
        "state": "completed",
        "reason": None,
        "message": "",
        "values": values,
        "score": score,
        "best_epoch": accuracy.index(score) + 1,
        "epochs": epochs,
        "curves": {"loss": [-math.log(a) for a in accuracy], "val_accuracy": accuracy},
        "seconds": epochs * (0.1 + values.get("units", 0) / 500),
        "peak_memory": 6e8 + 1e6 * values.get("units", 0),
        "parameters": 10 + 200 * values.get("units", 1),
        "seed": seed,
        "worker": "host:123",
        "attempts": 1,
        "reused": False,
        "findings": [],
        "started": 1790000000.0 + 10 * len(str(name)),
        "ended": 1790000010.0,
    }


def cut(trial, epochs, state, reason, message="", findings=()):
    """Return a trial as if it had ended early."""
    curves = {name: values[:epochs] for name, values in trial["curves"].items()}
    best = max(curves["val_accuracy"], default=None)
    if reason in ("nan", "diverged"):
        curves["loss"] = [*curves["loss"][:-1], math.nan]
    return trial | {
        "state": state,
        "reason": reason,
        "message": message,
        "epochs": epochs,
        "curves": curves,
        "score": None if state in ("failed", "waiting") else best,
        "best_epoch": None if best is None else 1,
        "findings": list(findings),
        "ended": None if state in ("running", "waiting") else trial["ended"],
    }


def around(trials, **changed):
    """Return the results that hold some trials."""
    return {
        "name": "digits",
        "objective": {"name": "val_accuracy", "direction": "max"},
        "max_trials": 30,
        "epochs": 20,
        "seed": 0,
        "sampler": "tpe",
        "pruner": "asha",
        "state": "finished",
        "command": "python -m kcomponents search run recipe.py --max-trials 30",
        "store": "runs/digits/journal.log",
        "versions": {"keras": "3.15.1", "optuna": "5.0.0"},
        "started": 1790000000.0,
        "seconds": 125.0,
        "seconds_left": None,
        "activation": "activation",
        "regularizer": "regularizer",
        "space": space(),
        "trials": trials,
    } | changed


def finished(count=60, families=FAMILIES, kinds=REGULARIZERS, seeds=3):
    """Return a search that ended, its best trials and the baseline repeated."""
    chance = random.Random(5)
    first = drawn(chance, families, kinds) | {
        "activation": next(iter(families)),
        "learning_rate": 1e-3,
    }
    trials = [trial(0, first, 0.948, chance, kind="baseline", seed=7)]
    for number in range(1, count):
        values = drawn(chance, families, kinds)
        made = trial(number, values, height(values, families, kinds), chance, seed=7)
        trials.append(_ended(made, number, chance))
    done = [t for t in trials[1:] if t["state"] == "completed"]
    best = sorted(done, key=lambda t: -t["score"])[:3]
    for of in [trials[0], *best]:
        final = 0.948 if of is trials[0] else height(of["values"], families, kinds)
        for seed in range(8, 7 + seeds):
            known = {"kind": "repeat", "of": of["id"], "seed": seed}
            again = trial(len(trials), of["values"], final, chance, **known)
            trials.append(again)
    return around(trials, max_trials=count, space=space(families, kinds))


def _ended(made, number, chance):
    if number % 10 == 9:
        reason, message = FAILURES[number // 10 % 3]
        return cut(made, 2, "failed", reason, message)
    if made["score"] < 0.945 and chance.random() < 0.7:
        dead = number % 4 == 0
        kept = chance.choice([2, 4, 8])
        reason = "dead_relu" if dead else "pruned"
        return cut(made, kept, "pruned", reason, findings=["dead_relu"] * dead)
    return made


def running():
    """Return a search in its midst."""
    results = finished(14, seeds=1)
    last = results["trials"][-1]
    results["trials"][-1] = cut(last, 5, "running", None)
    results["trials"].append(cut(last | {"id": "99"}, 0, "waiting", None))
    return results | {"state": "running", "max_trials": 30, "seconds_left": 140.0}


def empty(**changed):
    """Return a search of which nothing is known yet."""
    start = {"state": "running", "command": None, "seconds": 0.0}
    return around([], **start) | changed


def not_begun():
    """Return a search that was made, and has not been run yet."""
    unknown = "objective", "max_trials", "epochs", "seed", "sampler", "pruner"
    return empty(started=None, versions={}, **dict.fromkeys(unknown))


def hostile():
    """Return a search whose names and values are as bad as names can be."""
    families = dict.fromkeys(HOSTILE, 0.95)
    kinds = {"none": 0.0} | dict.fromkeys(HOSTILE[:5], 0.001)
    results = finished(40, families, kinds)
    name = HOSTILE[0]
    for found in results["trials"]:
        found["values"][name] = HOSTILE[int(found["id"]) % len(HOSTILE)]
        found["message"] = found["message"] and name + "\n" + HOSTILE[6] * 20
        found["worker"] = name
    part = {"name": name, "kind": "Choice", "values": HOSTILE}
    conditions = [{"name": HOSTILE[4], "values": HOSTILE}]
    results["space"].append(part | {"conditions": conditions})
    changed = dict.fromkeys(("name", "command", "store", "sampler"), " ".join(HOSTILE))
    return results | changed | {"versions": {name: name}}


def plain(count=25):
    """Return a search of numbers alone, without baseline, of a loss."""
    chance = random.Random(3)
    trials = []
    for number in range(count):
        rate = 10 ** chance.uniform(-4, -1)
        values = {"units": chance.randint(8, 256), "rate": rate, "bias": True}
        made = trial(number, values, 0.9 + 0.0002 * values["units"], chance)
        made["curves"]["val_loss"] = made["curves"].pop("loss")
        made["score"] = min(made["curves"]["val_loss"])
        trials.append(made)
    numbers = {"conditions": [], "step": None}
    parts = [
        {"name": "units", "kind": "Int", "min": 8, "max": 256, "sampling": "linear"},
        {"name": "rate", "kind": "Float", "min": 1e-4, "max": 0.1, "sampling": "log"},
        {"name": "bias", "kind": "Boolean", "values": [True, False]},
    ]
    return around(
        trials,
        objective={"name": "val_loss", "direction": "min"},
        activation=None,
        regularizer=None,
        space=[part | numbers for part in parts],
        pruner=None,
        state="stopped",
    )
