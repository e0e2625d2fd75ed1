"""Key figures, costs, settings and notes on a search's page."""

import datetime
import statistics

from kcomponents._files import Path
from kcomponents._pages.page import page
from kcomponents._text import number
from kcomponents.tuning._results import panels as panels
from kcomponents.tuning._results import statistics as of
from kcomponents.tuning._results import tables
from kcomponents.tuning._results import wording as words
from kcomponents.tuning._results.statistics import (
    endings,
    epochs_saved,
    findings,
    is_repeated,
    ranking,
    winner,
)
from kcomponents.tuning._results.wording import objective, verdict, with_defaults

# With this many 95% intervals, a wrong one is likely.
MANY = 5


def figures(results):
    """Return the key figures as pairs of a name and a text."""
    best, found = of.winner(results), []
    if best:
        found.append((f"best {words.objective(results)}", words.mean_score(best)))
        over = of.gain(results, best)
        if over:
            unsure = "" if over.is_significant else f" ({words.unsure(over)})"
            found.append((f"gain over the baseline{unsure}", words.gain(over)))
    done, planned = words.trials_done(results)
    found.append(("trials done", f"{done:,} of {planned:,}"))
    again = [t for t in results["trials"] if t["kind"] in ("full", "repeat")]
    if again:
        ended = sum(trial["state"] in of.ENDED for trial in again)
        found.append(("repeats and full runs", f"{ended} of {len(again)}"))
    counts = _counts(results)
    found += [(state, f"{counts[state]:,}") for state in counts if counts[state]]
    time = "time so far" if results["state"] == "running" else "time"
    found.append((time, words.duration(results["seconds"])))
    if results["state"] == "running" and results["seconds_left"] is not None:
        found.append(("time left", words.duration(results["seconds_left"])))
    return found


def _counts(results):
    states = [trial["state"] for trial in results["trials"]]
    kinds = "running", "waiting", "pruned", "failed"
    return {kind: states.count(kind) for kind in kinds}


def cost(results):
    """Return epochs saved, time, memory and sizes as pairs of a name and a text."""
    return [*_epochs(results), *_time_and_memory(results["trials"])]


def _epochs(results):
    saved, planned = epochs_saved(results)
    found = []
    if planned:
        share = f"{sum(saved.values()):,} of {planned:,}"
        part = sum(saved.values()) / planned
        found.append(("epochs saved", f"{share} ({part:.0%})"))
        ways = {"pruned": "by pruning", "completed": "by stopping early"}
        ways["failed"] = "by failures"
        found += [(way, f"{saved[k]:,}") for k, way in ways.items() if saved[k]]
    return found


def _time_and_memory(trials):
    found = []
    times = [t["seconds"] for t in trials if t["seconds"] is not None]
    if times:
        found.append(("total training time", words.duration(sum(times))))
        median = words.duration(statistics.median(times))
        found.append(
            (
                "median time of a trial",
                f"{median}, at most {words.duration(max(times))}",
            )
        )
    memory = [t["peak_memory"] for t in trials if t["peak_memory"] is not None]
    if memory:
        found.append(("peak memory", words.size(max(memory))))
    sizes = [t["parameters"] for t in trials if t["parameters"] is not None]
    if sizes:
        ends = dict.fromkeys((number(min(sizes)), number(max(sizes))))
        found.append(("parameters", " to ".join(ends)))
    workers = {t["worker"] for t in trials if t["worker"]}
    if len(workers) > 1:
        found.append(("workers", f"{len(workers):,}"))
    return found


def found_by_doctor(results):
    """Return the issues that the doctor found, and in how many trials."""
    return [
        (words.reason(label), words.counted(count, "trial"))
        for label, count in findings(results).items()
    ]


def settings(results):
    """Return the settings of the search as pairs of a name and a value."""
    objective = results["objective"]
    goal = "highest" if objective["direction"] == "max" else "lowest"
    start = results["started"]
    when = None
    if start is not None:
        moment = datetime.datetime.fromtimestamp(start, datetime.UTC)
        when = f"{moment:%Y-%m-%d %H:%M} UTC"
    found = {
        "name": results["name"],
        "objective": f"{objective['name']}, {goal} is best",
        "max_trials": results["max_trials"],
        "epochs": results["epochs"] or None,
        "seed": results["seed"],
        "sampler": results["sampler"],
        "pruner": results["pruner"],
        "state": results["state"],
        "started": when,
        "store": results["store"],
    }
    return [(name, value) for name, value in found.items() if value is not None]


def notes(results, why_no_importance):
    """Yield sentences on the limits of the results."""
    best, base = of.winner(results), of.baseline(results)
    if best is not None:
        yield from _on_seeds(best, base)
        yield from _on_choice(results)
    if results["state"] == "stopped":
        done, planned = words.trials_done(results)
        yield f"The search was stopped after {done:,} of {planned:,} trials."
    if any(state == "pruned" for state, _ in endings(results)):
        yield (
            "Pruned trials are not in the ranking, the medians or the map: their "
            "scores come from shorter runs."
        )
    if best is not None and why_no_importance:
        yield f"The importance of hyperparameters is not shown. {why_no_importance}"


def _on_seeds(best, base):
    if base is None:
        yield "There is no baseline with a score, so there are no gains."
    elif base.seeds < 2:
        yield "The baseline has only 1 seed, so its spread is unknown."
    if best.seeds < 2:
        yield (
            "The best configuration has only 1 seed. Repeat it and the baseline with "
            "other seeds to see whether it is better or just lucky."
        )
    elif best.seeds < 5:
        yield (
            f"The best configuration has {best.seeds} seeds. More seeds give a "
            "narrower interval."
        )


def _on_choice(results):
    name = words.objective(results)
    yield (
        f"The search optimized {name}, so the best score is slightly optimistic. "
        "Measure the final model on a test set that the search never saw."
    )
    known = [gain for _, gain in of.gains(results) if gain and gain.interval]
    if len(known) >= MANY:
        yield (
            f"Each of the {len(known)} intervals is right in 95 of 100 cases; all of "
            "them are right at once less often."
        )


# The web page of a search: the best trials, their gains, failures and costs.


def to_html(results: dict, path: Path | None = None) -> str:
    """Return the results of a search as one self-contained page, without scripts.

    The same results give the same page. Requires the extra `tuning`:
    `pip install kcomponents[tuning]`.

    Args:
        results: Dict of plain values, `Search.results`.
        path: Path of the HTML file to write. Defaults to `None`, no file.

    Returns:
        String: the HTML of the page.

    Raises:
        FileNotFoundError: If the folder of `path` does not exist.
        ImportError: If a library is not installed.
    """
    results = with_defaults(results)
    importance, why_not = panels.importance_panels(results)
    return page(
        "kcomponents.tuning:search.html",
        path,
        name=results["name"],
        objective=objective(results),
        verdict=verdict(results),
        figures=figures(results),
        importance=importance,
        notes=list(notes(results, why_not)),
        **_pictures(results),
        **_tables(results),
    )


def _pictures(results):
    return {
        "gains": panels.gain_panels(results),
        "spread": panels.distribution_panels(results),
        "map": panels.interaction_map(results),
        "curves": panels.learning_curves(results),
    }


def _tables(results):
    ranked, best = ranking(results), winner(results)
    board = tables.leaderboard(results)
    return {
        "winner_values": tables.pairs(best) if best else [],
        "board": board,
        "has_gains": any(row["gain"] for row in board),
        "ranked": len(ranked),
        "repeated": is_repeated(ranked),
        "families": tables.families(results),
        "failures": tables.failures(results),
        "found": found_by_doctor(results),
        "cost": cost(results),
        "space": tables.space_rows(results),
        "settings": settings(results),
        "command": results["command"],
        "versions": results["versions"],
    }
