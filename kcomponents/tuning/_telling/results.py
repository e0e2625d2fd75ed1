"""Results: settings, space and trials of a search, as plain values."""

import time

from kcomponents.tuning._spaces.roles import activation_of, regularizer_of

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
