"""A search on the console: a live table, a progress line, and a summary."""

import textwrap

from kcomponents.report._words import one_line, shorten
from kcomponents.tuning._optional import needed
from kcomponents.tuning._telling import page_words as words
from kcomponents.tuning._telling import statistics as of
from kcomponents.tuning._telling.groups import endings
from kcomponents.tuning._telling.page_tables import pairs

WIDTH, NAME, LAST, TOP = 80, 28, 6, 5
# Maximum width of each column; the values take the rest of the line.
MOST = 12, 13, 12, 5, 8
STYLES = {"completed": "green", "failed": "red", "pruned": "yellow", "running": "cyan"}


def line(results):
    """Return the progress of a search in one line.

    Args:
        results: Dict of plain values, `Search.results`.
    """
    results = words.with_defaults(results)
    parts = [_progress(results), *_best(results), *_counts(results)]
    if results["state"] == "running" and results["seconds_left"] is not None:
        parts.append(f"{words.duration(results['seconds_left'])} left")
    return one_line(", ".join(parts))


def _progress(results):
    done = "{}/{} trials".format(*words.trials_done(results))
    again = [t for t in results["trials"] if t["kind"] in ("full", "repeat")]
    ended = sum(trial["state"] in of.ENDED for trial in again)
    return f"{done}, {ended}/{len(again)} repeats" if again else done


def _best(results):
    best = of.winner(results) or of.baseline(results)
    if best is None:
        return []
    named, name = words.described(results, best), words.objective(results)
    return [f"best {name} {words.score(best.mean)} ({named})"]


def _counts(results):
    states = [trial["state"] for trial in results["trials"]]
    found = [f"{states.count(s)} {s}" for s in ("running", "pruned") if s in states]
    reasons = {r: len(of) for (s, r), of in endings(results).items() if s == "failed"}
    if reasons:
        several = len(reasons) > 1
        counts = (f"{r} {n}" if several else r for r, n in reasons.items())
        found.append(f"{sum(reasons.values())} failed ({', '.join(counts)})")
    return found


def table(results):
    """Return the progress of a search as a rich renderable of 80 columns.

    Requires rich: `pip install kcomponents[tuning]`.

    Args:
        results: Dict of plain values, `Search.results`.

    Raises:
        ImportError: If rich is not installed.
    """
    results, text = words.with_defaults(results), needed("rich.text").Text
    cut = {"no_wrap": True, "overflow": "ellipsis"}
    parts = [
        text(one_line(results["name"]), style="bold", **cut),
        _bar(results),
        text(line(results)),
    ]
    best = of.winner(results)
    if best:
        values = ", ".join(f"{one_line(name)}={value}" for name, value in pairs(best))
        parts.append(text(shorten(f"best values: {values}", 3 * WIDTH), style="dim"))
    if results["trials"]:
        parts.append(_last_trials(results, text, cut))
    return needed("rich.console").Group(*parts)


def _bar(results):
    done, planned = words.trials_done(results)
    bar = needed("rich.progress_bar").ProgressBar(max(planned, 1), done)
    # A bar alone would not end its line.
    row = needed("rich.table").Table.grid(expand=True)
    row.add_row(bar)
    return row


def _last_trials(results, text, cut):
    head = "trial", "state", words.objective(results), "epoch", "time"
    trials = _newest(results["trials"])
    rows = [_cells(trial) for trial in trials]
    shown = needed("rich.table").Table(box=None, pad_edge=False, padding=(0, 1))
    left = WIDTH
    for number, name in enumerate(head):
        width = max(len(row[number]) for row in (head, *rows))
        width = min(width, MOST[number])
        side = "left" if number < 2 else "right"
        shown.add_column(text(name), justify=side, width=width, **cut)
        left -= width + 2
    shown.add_column("values", width=left, **cut)
    for trial, row in zip(trials, rows, strict=True):
        shown.add_row(*map(text, row), style=STYLES.get(trial["state"], ""))
    return shown


def _newest(trials):
    """Return the running and the last finished trials, in their order."""
    started = [trial for trial in trials if trial["state"] != "waiting"]
    started.sort(key=lambda trial: trial["state"] == "running")
    kept = {id(trial) for trial in started[-LAST:]}
    return [trial for trial in trials if id(trial) in kept]


def _cells(trial):
    name, kind = one_line(trial["id"]), trial["kind"]
    name = name if kind == "search" or kind in name else f"{name} {kind}"
    state, reason = trial["state"], trial["reason"]
    known = trial["score"] is not None
    values = ", ".join(words.value(value, 16) for value in trial["values"].values())
    return (
        name,
        one_line(reason) if state == "failed" and reason else state,
        words.score(trial["score"]) if known else "",
        str(trial["epochs"]),
        words.duration(trial["seconds"]) if trial["seconds"] is not None else "",
        values,
    )


def summary(results):
    """Return the outcome of a search as text: a sentence and the best five.

    Args:
        results: Dict of plain values, `Search.results`.
    """
    results = words.with_defaults(results)
    sentence = textwrap.fill(one_line(words.verdict(results)[2]), WIDTH)
    best = of.gains(results)[:TOP]
    if not best:
        return sentence
    head = ("", "configuration", words.objective(results), "seeds", "gain (95%)")
    rows = [head, *(_row(results, n, *pair) for n, pair in enumerate(best, 1))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join([sentence, "", *(line.rstrip() for line in lines)])


def _row(results, place, configuration, gain):
    name = shorten(words.described(results, configuration), NAME)
    score, seeds = words.mean_score(configuration), str(configuration.seeds)
    return str(place), name, score, seeds, _gain(gain)


def _gain(found):
    if found is None:
        return ""
    return words.interval(found) if found.is_significant else words.unsure(found)
