"""The tables of a search's page, as rows of texts."""

from kcomponents._text import clean, number, one_line, shorten
from kcomponents.tuning._results import wording as words

MOST_ROWS, MOST_FAMILIES, MOST_MESSAGE = 20, 24, 600


def leaderboard(results):
    """Return a dict for each of the best configurations, with values that differ."""
    best = results.gains[:MOST_ROWS]
    names = _names_that_differ([configuration for configuration, _ in best])
    return [
        {
            "name": configuration.name,
            "is_baseline": configuration.is_baseline,
            "values": pairs(configuration, names),
            "score": words.mean_score(configuration),
            "seeds": configuration.seeds,
            "gain": _gain(gain),
            **_cost(configuration),
        }
        for configuration, gain in best
    ]


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

    def is_constant(name):
        values = (found.values.get(name, missing) for found in configurations)
        return len({repr(value) for value in values}) == 1

    return {name for name in names if not is_constant(name)}


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
    tables = []
    for title, name in results.roles.items():
        groups = results.families(name)
        if any(group[0].scores for group in groups.values()):
            # They are ranked, families without a score at the end.
            shown = list(groups.items())[:MOST_FAMILIES]
            rows = [_family(results, *item) for item in shown]
            tables.append((title, rows, len(groups) - len(rows)))
    return tables


def _family(results, family, group):
    trials = [trial for configuration in group for trial in configuration.trials]
    row = {"family": words.value(family, 60), "trials": len(trials)}
    best, first = group[0], results.ranking[0]
    if not best.scores:
        return {**row, "name": None, "why": _outcomes(trials)}
    behind = None if best is first else _gain(results.difference(best, first))
    score = words.mean_score(best)
    return {
        **row,
        "name": best.name,
        "score": score,
        "seeds": best.seeds,
        "behind": behind,
    }


def _outcomes(trials):
    counts: dict[str, int] = {}
    for trial in trials:
        counts[trial["state"]] = counts.get(trial["state"], 0) + 1
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def failures(results):
    """Return a row for each reason why trials failed or were pruned."""
    rows = []
    for (state, reason), trials in results.endings.items():
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
        for part in results.space
    ]


def _range(part):
    if "min" not in part:
        return ", ".join(map(words.value, part["values"]))
    text = f"{words.value(part['min'])} to {words.value(part['max'])}"
    if part.get("step") not in (None, 1):
        text += f", step {words.value(part['step'])}"
    sampling = part.get("sampling") or "linear"
    return text if sampling == "linear" else f"{text}, {one_line(sampling)}"
