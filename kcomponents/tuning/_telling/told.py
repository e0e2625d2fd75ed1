"""Told: how a running search shows itself on the console."""

import logging
import sys
import time

from kcomponents.tuning._telling import live

logger = logging.getLogger("kcomponents")
# Seconds between two lines where there is no terminal, and two tables where there is.
LINES, TABLES = 60.0, 0.5


class Told:
    """A context in which a table is kept up to date, or a line is written now and then.

    Args:
        search: Search.
        verbose: `"auto"` for a table on a terminal and lines of the logger elsewhere, 0
            for nothing, 1 for the table or lines on the standard output.
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
        """Show how far the search is, if it is time to."""
        apart = TABLES if self._live is not None else LINES
        if not self.verbose or not now and time.monotonic() - self._last < apart:
            return
        self._last = time.monotonic()
        results = self.search.results
        if self._live is not None:
            self._live.update(live.table(results), refresh=True)
        elif self.verbose == "auto":
            logger.info("%s", live.line(results))
        else:
            print(live.line(results), flush=True)
