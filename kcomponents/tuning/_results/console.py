"""A search on the console: a progress line, a live table, and a summary."""

import sys
import textwrap
import time

from kcomponents._console import logger, show
from kcomponents._optional import require
from kcomponents._text import one_line, shorten
from kcomponents.tuning._results import wording as words
from kcomponents.tuning._results.results import SearchResults
from kcomponents.tuning._results.tables import pairs

WIDTH = 80
# The most characters of a configuration's name in the summary.
NAME = 28
# The most trials in the table, and configurations in the summary.
LAST, TOP = 6, 5
# Maximum width of each column; the values take the rest of the line.
COLUMN_WIDTHS = 12, 13, 12, 5, 8
STYLES = {"completed": "green", "failed": "red", "pruned": "yellow", "running": "cyan"}
# Seconds between two lines (without a terminal) and between two tables.
SECONDS_PER_LINE, SECONDS_PER_TABLE = 60.0, 0.5


class Progress:
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
            self._live = require("rich.live").Live(auto_refresh=False)
            self._live.__enter__()
        return self

    def __exit__(self, *error):
        self.show(now=True)
        if self._live is not None:
            self._live.__exit__(*error)

    def show(self, now=False):
        """Show the progress, unless the last update is recent."""
        apart = SECONDS_PER_LINE if self._live is None else SECONDS_PER_TABLE
        if not self.verbose or not now and time.monotonic() - self._last < apart:
            return
        self._last = time.monotonic()
        results = self.search.results
        if self._live is not None:
            self._live.update(table(results), refresh=True)
        elif self.verbose == "auto":
            logger.info("%s", line(results))
        else:
            show(line(results))


# The line.


def line(results):
    """Return the progress of a search in one line.

    Args:
        results: Dict of plain values, `Search.results`.
    """
    return _line(SearchResults(**results))


def _line(results):
    parts = [_trials(results), *_best(results), *_counts(results)]
    if results.is_running and results.seconds_left is not None:
        parts.append(f"{words.duration(results.seconds_left)} left")
    return one_line(", ".join(parts))


def _trials(results):
    done = "{}/{} trials".format(*results.trials_done)
    ended, repeats = results.repeats_done
    return f"{done}, {ended}/{repeats} repeats" if repeats else done


def _best(results):
    best = results.winner or results.baseline
    if best is None:
        return []
    score, name = words.score(best.mean), words.described(results, best)
    return [f"best {words.metric(results)} {score} ({name})"]


def _counts(results):
    counts = {state: results.count(state) for state in ("running", "pruned")}
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    reasons = {
        reason: len(trials)
        for (state, reason), trials in results.endings.items()
        if state == "failed"
    }
    if reasons:
        texts = [f"{reason} {count}" for reason, count in reasons.items()]
        text = ", ".join(texts if len(texts) > 1 else reasons)
        parts.append(f"{sum(reasons.values())} failed ({text})")
    return parts


# The table.


def table(results):
    """Return the progress of a search as a rich renderable of 80 columns.

    Requires rich: `pip install "kcomponents[tuning]"`.

    Args:
        results: Dict of plain values, `Search.results`.

    Raises:
        ImportError: If rich is not installed.
    """
    search, text = SearchResults(**results), _rich_text
    cut = {"no_wrap": True, "overflow": "ellipsis"}
    parts = [
        text(one_line(search.name), style="bold", **cut),
        _bar(search),
        text(_line(search)),
    ]
    best = search.winner
    if best:
        values = ", ".join(f"{one_line(name)}={value}" for name, value in pairs(best))
        parts.append(text(shorten(f"best values: {values}", 3 * WIDTH), style="dim"))
    if search.trials:
        parts.append(_last_trials(search, text, cut))
    return require("rich.console").Group(*parts)


def _rich_text(content, **options):
    return require("rich.text").Text(one_line(content), **options)


def _bar(results):
    done, planned = results.trials_done
    bar = require("rich.progress_bar").ProgressBar(max(planned, 1), done)
    # A bar alone would not end its line.
    row = require("rich.table").Table.grid(expand=True)
    row.add_row(bar)
    return row


def _last_trials(results, text, cut):
    head = "trial", "state", words.metric(results), "epoch", "time"
    trials = _newest(results.trials)
    rows = [_cells(trial) for trial in trials]
    shown = require("rich.table").Table(box=None, pad_edge=False, padding=(0, 1))
    left = WIDTH
    for number, name in enumerate(head):
        width = max(len(row[number]) for row in (head, *rows))
        width = min(width, COLUMN_WIDTHS[number])
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
    newest = {id(trial) for trial in started[-LAST:]}
    return [trial for trial in trials if id(trial) in newest]


def _cells(trial):
    name, kind = one_line(trial["id"]), trial["kind"]
    name = name if kind == "search" or kind in name else f"{name} {kind}"
    state, reason = trial["state"], trial["reason"]
    score, seconds = trial["score"], trial["seconds"]
    values = ", ".join(words.value(value, 16) for value in trial["values"].values())
    return (
        name,
        one_line(reason) if state == "failed" and reason else state,
        "" if score is None else words.score(score),
        str(trial["epochs"]),
        "" if seconds is None else words.duration(seconds),
        values,
    )


# The summary.


def summary(results):
    """Return the outcome of a search as text: a sentence and the best five.

    Args:
        results: Dict of plain values, `Search.results`.
    """
    search = SearchResults(**results)
    sentence = textwrap.fill(one_line(words.verdict(search)[2]), WIDTH)
    best = search.gains[:TOP]
    if not best:
        return sentence
    head = ("", "configuration", words.metric(search), "seeds", "gain (95%)")
    rows = [head, *(_row(search, n, *pair) for n, pair in enumerate(best, 1))]
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


def _gain(gain):
    if gain is None:
        return ""
    return words.interval(gain) if gain.is_significant else words.unsure(gain)
