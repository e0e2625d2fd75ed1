"""Told: the progress of a running search on the console."""

import logging
import sys
import time

from kcomponents.tuning._telling import live

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
            self._live.update(live.table(results), refresh=True)
        elif self.verbose == "auto":
            logger.info("%s", live.line(results))
        else:
            print(live.line(results), flush=True)
