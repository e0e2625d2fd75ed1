"""A search on the console: a live table, a progress line, and a summary."""

import logging
import sys
import textwrap
import time

from kcomponents._optional import needed
from kcomponents._text import one_line, shorten
from kcomponents.tuning._results import statistics as of
from kcomponents.tuning._results import wording as words
from kcomponents.tuning._results.statistics import endings
from kcomponents.tuning._results.tables import pairs

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


# Told: the progress of a running search on the console.

logger = logging.getLogger("kcomponents")
# Seconds between two lines (without a terminal) and between two tables.
LINES, TABLES = 60.0, 0.5


class Told:
    """A context that shows a live table, or writes a progress line every minute.

    Args:
        search: Search.
        verbose: `"auto"` for a table on a terminal and log lines elsewhere, 0 for no
            output, 1 for a table on a terminal and printed lines elsewhere.
    """

    def __init__(self, search, verbose):
        self.search, self.verbose = search, verbose
        self.terminal = sys.stdout.isatty()
        self._live, self._last = None, -1e9

    def __enter__(self):
        if self.verbose and self.terminal:
            from rich.live import Live

            self._live = Live(auto_refresh=False)
            self._live.__enter__()
        return self

    def __exit__(self, *error):
        self.show(now=True)
        if self._live is not None:
            self._live.__exit__(*error)

    def show(self, now=False):
        """Show the progress, unless the last update is recent."""
        apart = TABLES if self._live is not None else LINES
        if not self.verbose or not now and time.monotonic() - self._last < apart:
            return
        self._last = time.monotonic()
        results = self.search.results
        if self._live is not None:
            self._live.update(table(results), refresh=True)
        elif self.verbose == "auto":
            logger.info("%s", line(results))
        else:
            print(line(results), flush=True)
