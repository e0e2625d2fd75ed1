"""Results: settings, space and trials of a search, as plain values."""

import csv
import io
import time

from kcomponents._text import one_line
from kcomponents.tuning._space_walk import activation_of, regularizer_of

STATES = {"WAITING": "waiting", "RUNNING": "running", "COMPLETE": "completed"}
KNOWN = (
    "of",
    "message",
    "score",
    "seconds",
    "peak_memory",
    "parameters",
    "seed",
    "started",
    "versions",
)


def results_of(store, space):
    """Return the settings, the space and all trials of a search as plain values."""
    facts, frozen = store.facts, store.trials()
    settings = facts.get("settings", {})
    trials = [_trial(trial) for trial in frozen]
    left = sum(trial["state"] in ("waiting", "running") for trial in trials)
    started = [trial["started"] for trial in trials if trial["started"]]
    ended = [trial["ended"] for trial in trials if trial["ended"]]
    begin = min(started, default=None)
    end = max(ended, default=begin) if not left else time.time()
    return {
        "name": store.name,
        "objective": facts.get("objective"),
        "max_trials": settings.get("max_trials"),
        "epochs": facts.get("epochs"),
        "seed": settings.get("seed"),
        "sampler": settings.get("sampler"),
        "pruner": settings.get("pruner"),
        "state": _state(facts, trials, left),
        "command": facts.get("command"),
        "store": store.shown,
        "versions": facts.get("versions", {}),
        "started": begin,
        "seconds": 0.0 if begin is None else max(0.0, end - begin),
        "seconds_left": _left(trials, left),
        "activation": activation_of(space),
        "regularizer": regularizer_of(space),
        "space": [_described(hp) for hp in space.space],
        "trials": trials,
    }


def _state(facts, trials, left):
    if trials and not left:
        return "finished"
    return "stopped" if facts.get("stop") else "running"


def _left(trials, left):
    """Return an estimate of the seconds left, None before the first trial ends."""
    took = [t["seconds"] for t in trials if t["seconds"] and t["ended"]]
    if not took or not left:
        return 0.0 if trials and not left else None
    workers = {t["worker"] for t in trials if t["state"] == "running"}
    return sum(took) / len(took) * left / max(1, len(workers))


def _trial(frozen):
    known = frozen.user_attrs
    reason, state = known.get("reason"), STATES.get(frozen.state.name)
    if state is None:
        state = "pruned" if reason == "pruned" else "failed"
    ended = frozen.datetime_complete
    return {
        **{name: known.get(name) for name in KNOWN},
        "id": known["slot"],
        "kind": known["kind"],
        "state": state,
        "reason": reason,
        "message": known.get("message") or "",
        "values": known.get("values", {}),
        "best_epoch": _from_one(known.get("best_epoch")),
        "epochs": known.get("epochs") or len(frozen.intermediate_values),
        "curves": known.get("curves") or _running_curve(frozen),
        "worker": known.get("owner"),
        "attempts": known.get("attempts", 0),
        "reused": known.get("reused", False),
        "findings": [reason] if reason in ("dead_relu", "not_learning") else [],
        "ended": None if ended is None else ended.timestamp(),
    }


def _from_one(epoch):
    # The store counts epochs from 0, as Keras and keras-tuner do.
    return None if epoch is None else epoch + 1


def _running_curve(frozen):
    found = frozen.intermediate_values
    return {"objective": [found[step] for step in sorted(found)]} if found else {}


def _described(hp):
    """Return a hyperparameter as a dict of plain values."""
    config = hp.get_config()
    found = {"name": hp.name, "kind": type(hp).__name__}
    found["conditions"] = [
        {"name": c["config"]["name"], "values": list(c["config"]["values"])}
        for c in config.get("conditions", [])
    ]
    if "values" in config:
        return {**found, "values": list(config["values"])}
    if "min_value" in config:
        limits = {"min": config["min_value"], "max": config["max_value"]}
        return {**found, **limits, "sampling": hp.sampling, "step": hp.step}
    return {**found, "values": [config["value"]] if "value" in config else []}


# The trials of a search as a CSV table, for spreadsheets and pandas.

COLUMNS = (
    "id",
    "kind",
    "of",
    "state",
    "reason",
    "score",
    "best_epoch",
    "epochs",
    "seconds",
    "peak_memory",
    "parameters",
    "seed",
    "worker",
    "attempts",
    "reused",
    "started",
    "ended",
    "findings",
    "message",
)
# Spreadsheets run cells that start with these as formulas; some accept wide forms.
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def to_csv(results):
    """Return one CSV row per trial.

    Each hyperparameter has a column `hp.<name>`, empty where it is inactive. Epochs
    count from 1. Numbers keep all their digits. Text is on one line, and starts with
    a `'` where a spreadsheet would read it as a formula.

    Args:
        results: Dict of plain values, `Search.results`.

    Returns:
        String: the table with a header.
    """
    trials = results["trials"]
    known = [part["name"] for part in results["space"]]
    names = dict.fromkeys([*known, *(n for trial in trials for n in trial["values"])])
    file = io.StringIO()
    # The other files of a search have Unix line ends too.
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*COLUMNS, *(one_line(f"hp.{name}") for name in names)])
    for trial in trials:
        cells = [_cell(_column(trial, name)) for name in COLUMNS]
        writer.writerow([*cells, *(_value(trial["values"], name) for name in names)])
    return file.getvalue()


def _column(trial, name):
    given = trial[name]
    return "; ".join(given) if name == "findings" else given


def _value(values, name):
    if name not in values:
        return None
    # An empty cell would mean that it is inactive.
    return "none" if values[name] is None else _cell(values[name])


def _cell(given):
    if given is None or isinstance(given, bool | int | float):
        return given
    text = one_line(given)
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
