"""The tables of a search's page, as rows of texts."""

from kcomponents._text import clean, number, one_line, shorten
from kcomponents.tuning._results import statistics as of
from kcomponents.tuning._results import wording as words
from kcomponents.tuning._results.statistics import endings

MOST_ROWS, MOST_FAMILIES, MOST_MESSAGE = 20, 24, 600


def leaderboard(results):
    """Return a dict for each of the best configurations, with values that differ."""
    best = of.gains(results)[:MOST_ROWS]
    differ = _names_that_differ([configuration for configuration, _ in best])
    return [
        {
            "name": _name(configuration),
            "is_baseline": configuration.is_baseline,
            "values": pairs(configuration, differ),
            "score": words.mean_score(configuration),
            "seeds": configuration.seeds,
            "gain": _gain(gain),
            **_cost(configuration),
        }
        for configuration, gain in best
    ]


def _name(configuration):
    if configuration.is_baseline:
        return "baseline"
    return f"trial {configuration.trial}"


def pairs(configuration, names=None):
    """Return names and values of a configuration, in the trial's order."""
    return [
        (name, words.value(value, 60))
        for name, value in configuration.values.items()
        if names is None or name in names
    ]


def _names_that_differ(configurations):
    names = {name for found in configurations for name in found.values}
    if len(configurations) < 2:
        return names
    missing = object()

    def given(name):
        values = (found.values.get(name, missing) for found in configurations)
        return {repr(value) for value in values}

    return {name for name in names if len(given(name)) > 1}


def _gain(gain):
    if gain is None:
        return None
    sure = gain.is_significant
    return {
        "mean": words.gain(gain),
        "interval": words.interval(gain) if gain.interval else "",
        "grade": ("good" if gain.mean > 0 else "bad") if sure else "",
        "unsure": "" if sure else words.unsure(gain),
    }


def _cost(configuration):
    done = [t for t in configuration.trials if t["state"] == "completed"]
    epochs = sorted({trial["epochs"] for trial in done})
    sizes = [trial["parameters"] for trial in done if trial["parameters"] is not None]
    times = [trial["seconds"] for trial in done if trial["seconds"] is not None]
    ends = epochs[:: len(epochs) - 1] if len(epochs) > 1 else epochs
    return {
        "epochs": " to ".join(map(str, ends)),
        "parameters": number(sizes[0]) if sizes else "",
        "time": words.duration(sum(times) / len(times)) if times else "",
    }


def families(results):
    """Return a title, rows and a count of omitted rows for each role."""
    roles = {"Activation": results["activation"], "Regularizer": results["regularizer"]}
    ranked, tables = of.ranking(results), []
    for title, name in roles.items():
        best = of.best_of_families(results, name) if name else {}
        if any(best.values()):
            # They are ranked, families without a score at the end.
            kept = list(best.items())[:MOST_FAMILIES]
            rows = [_family(results, ranked[0], name, *item) for item in kept]
            tables.append((title, rows, len(best) - len(rows)))
    return tables


def _family(results, first, name, family, best):
    tried = [
        trial
        for trial in results["trials"]
        if name in trial["values"] and of.in_words(trial["values"][name]) == family
    ]
    row = {"family": words.value(family, 60), "trials": len(tried)}
    if best is None:
        return row | {"name": None, "why": _outcomes(tried)}
    behind = None
    if best.trial != first.trial:
        behind = _gain(of.difference(results, best, first))
    score = words.mean_score(best)
    return (
        row
        | {"name": _name(best), "score": score, "seeds": best.seeds}
        | {"behind": behind}
    )


def _outcomes(trials):
    counts: dict[str, int] = {}
    for trial in trials:
        counts[trial["state"]] = counts.get(trial["state"], 0) + 1
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def failures(results):
    """Return a row for each reason why trials failed or were pruned."""
    rows = []
    for (state, reason), trials in endings(results).items():
        text = next((t["message"] for t in trials if t["message"]), "")
        ids = ", ".join(one_line(trial["id"]) for trial in trials[:8])
        rows.append(
            {
                "reason": words.reason(reason),
                "state": state,
                "count": len(trials),
                "trials": ids + ", …" * (len(trials) > 8),
                "message": shorten(clean(text), MOST_MESSAGE),
            }
        )
    return rows


def space_rows(results):
    """Return a row for each hyperparameter: its name, kind, values and conditions."""
    return [
        {
            "name": part["name"],
            "kind": part["kind"],
            "values": _range(part),
            "when": [
                (parent["name"], ", ".join(map(words.value, parent["values"])))
                for parent in part.get("conditions") or ()
            ],
        }
        for part in results["space"]
    ]


def _range(part):
    if "min" not in part:
        return ", ".join(map(words.value, part["values"]))
    text = f"{words.value(part['min'])} to {words.value(part['max'])}"
    if part.get("step") not in (None, 1):
        text += f", step {words.value(part['step'])}"
    sampling = part.get("sampling") or "linear"
    return text if sampling == "linear" else f"{text}, {one_line(sampling)}"
