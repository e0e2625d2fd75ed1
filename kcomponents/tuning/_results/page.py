"""The web page of a search: best trials, gains, plots, failures, cost and settings."""

import datetime
import statistics

from kcomponents._files import Path
from kcomponents._pages.page import page
from kcomponents._text import number, quantity
from kcomponents.tuning._results import panels, tables
from kcomponents.tuning._results import wording as words
from kcomponents.tuning._results.results import SearchResults

# With this many 95% intervals, a wrong one is likely.
MANY = 5


def to_html(results: dict, path: Path | None = None) -> str:
    """Return the results of a search as one self-contained page, without scripts.

    The same results give the same page. Requires the extra `tuning`:
    `pip install "kcomponents[tuning]"`.

    Args:
        results: Dict of plain values, `Search.results`.
        path: Path of the HTML file to write. Defaults to `None`, no file.

    Returns:
        String: the HTML of the page.

    Raises:
        FileNotFoundError: If the folder of `path` does not exist.
        ImportError: If a library is not installed.
    """
    search = SearchResults(**results)
    return page(
        "kcomponents.tuning",
        "search.html",
        path,
        name=search.name,
        objective=words.metric(search),
        verdict=words.verdict(search),
        figures=_figures(search),
        notes=list(_notes(search)),
        **_plots(search),
        **_tables(search),
    )


def _plots(results):
    return {
        "gains": panels.gain_panels(results),
        "importance": panels.importance_panels(results),
        "spread": panels.distribution_panels(results),
        "map": panels.interaction_map(results),
        "curves": panels.learning_curves(results),
    }


def _tables(results):
    best, board = results.winner, tables.leaderboard(results)
    return {
        "winner_values": tables.pairs(best) if best else [],
        "board": board,
        "has_gains": any(row["gain"] for row in board),
        "has_intervals": any(row["gain"] and row["gain"]["interval"] for row in board),
        "ranked": len(results.ranking),
        "repeated": results.is_repeated,
        "families": tables.families(results),
        "failures": tables.failures(results),
        "found": _findings(results),
        "cost": _cost(results),
        "space": tables.space_rows(results),
        "settings": _settings(results),
        "command": results.command,
        "versions": results.versions,
    }


def _figures(results):
    """Return the key figures as pairs of a name and a text."""
    best, over, figures = results.winner, results.gain, []
    if best:
        figures.append((f"best {words.metric(results)}", words.mean_score(best)))
    if over:
        unsure = "" if over.is_significant else f" ({words.unsure(over)})"
        figures.append((f"gain over the baseline{unsure}", words.gain(over)))
    done, planned = results.trials_done
    figures.append(("trials done", f"{done:,} of {planned:,}"))
    ended, repeats = results.repeats_done
    if repeats:
        figures.append(("repeats and full runs", f"{ended} of {repeats}"))
    counts = {
        state: results.count(state)
        for state in ("running", "waiting", "pruned", "failed")
    }
    figures += [(state, f"{count:,}") for state, count in counts.items() if count]
    time = "time so far" if results.is_running else "time"
    figures.append((time, words.duration(results.seconds)))
    if results.is_running and results.seconds_left is not None:
        figures.append(("time left", words.duration(results.seconds_left)))
    return figures


def _findings(results):
    """Return the issues that the doctor found, and in how many trials."""
    return [
        (words.reason(label), quantity(count, "trial"))
        for label, count in results.findings.items()
    ]


def _cost(results):
    """Return epochs saved, time, memory and sizes as pairs of a name and a text."""
    return [*_epochs_saved(results), *_time_and_memory(results.trials)]


def _epochs_saved(results):
    saved, planned = results.epochs_saved
    if not planned:
        return []
    total = sum(saved.values())
    rows = [("epochs saved", f"{total:,} of {planned:,} ({total / planned:.0%})")]
    ways = {
        "pruned": "by pruning",
        "completed": "by stopping early",
        "failed": "by failures",
    }
    rows += [(way, f"{saved[state]:,}") for state, way in ways.items() if saved[state]]
    return rows


def _time_and_memory(trials):
    rows = []
    times = [t["seconds"] for t in trials if t["seconds"] is not None]
    if times:
        rows.append(("total training time", words.duration(sum(times))))
        median = words.duration(statistics.median(times))
        most = words.duration(max(times))
        rows.append(("median time of a trial", f"{median}, at most {most}"))
    memory = [t["peak_memory"] for t in trials if t["peak_memory"] is not None]
    if memory:
        rows.append(("peak memory", words.size(max(memory))))
    sizes = [t["parameters"] for t in trials if t["parameters"] is not None]
    if sizes:
        ends = dict.fromkeys((number(min(sizes)), number(max(sizes))))
        rows.append(("parameters", " to ".join(ends)))
    workers = {t["worker"] for t in trials if t["worker"]}
    if len(workers) > 1:
        rows.append(("workers", f"{len(workers):,}"))
    return rows


def _settings(results):
    """Return the settings of the search as pairs of a name and a value."""
    goal = "highest" if results.is_maximized else "lowest"
    start = results.started
    when = None
    if start is not None:
        moment = datetime.datetime.fromtimestamp(start, datetime.UTC)
        when = f"{moment:%Y-%m-%d %H:%M} UTC"
    settings = {
        "name": results.name,
        "objective": f"{results.metric}, {goal} is best",
        "max_trials": results.max_trials,
        "epochs": results.epochs or None,
        "seed": results.seed,
        "sampler": results.sampler,
        "pruner": results.pruner,
        "state": results.state,
        "started": when,
        "store": results.store,
    }
    return [(name, value) for name, value in settings.items() if value is not None]


def _notes(results):
    """Yield sentences on the limits of the results."""
    best = results.winner
    if best is not None:
        yield from _notes_on_seeds(best, results.baseline)
        yield from _notes_on_selection(results)
    if results.state == "stopped":
        done, planned = results.trials_done
        yield f"The search was stopped after {done:,} of {planned:,} trials."
    if any(state == "pruned" for state, _ in results.endings):
        yield (
            "Pruned trials are not in the ranking, the medians or the map: their "
            "scores come from shorter runs."
        )
    _, why_no_importance = results.importance
    if best is not None and why_no_importance:
        yield f"The importance of hyperparameters is not shown. {why_no_importance}"


def _notes_on_seeds(best, baseline):
    if baseline is None:
        yield "There is no baseline with a score, so there are no gains."
    elif baseline.seeds < 2:
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


def _notes_on_selection(results):
    yield (
        f"The search optimized {words.metric(results)}, so the best score is slightly "
        "optimistic. Measure the final model on a test set that the search never saw."
    )
    intervals = [gain.interval for _, gain in results.gains if gain and gain.interval]
    if len(intervals) >= MANY:
        yield (
            f"Each of the {len(intervals)} intervals is right in 95 of 100 cases; all "
            "of them are right at once less often."
        )
