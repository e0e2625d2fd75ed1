"""SearchRun: run the trials of a search, and report the results."""

import os
import signal
from collections.abc import Callable
from typing import Any

from kcomponents.tuning._engine.tuner import StoreTuner
from kcomponents.tuning._keeping.finish import finish
from kcomponents.tuning._telling.page import to_html
from kcomponents.tuning._telling.results import results_of
from kcomponents.tuning._telling.told import Told
from kcomponents.tuning._workers.places import run_search


class SearchRun(StoreTuner):
    """The methods of `Search` that run the trials and report the results."""

    @property
    def results(self) -> dict[str, Any]:
        """The settings, the search space and all trials, as a dict of plain values."""
        return results_of(self.store, self.oracle.get_space())

    def search(
        self,
        *args: Any,
        data: Callable[[], Any] | None = None,
        verbose: str | int = "auto",
        command: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Run all unfinished trials, in this process or in workers.

        Args:
            *args: Positional arguments of `fit`, such as inputs and targets.
            data: Function without arguments that returns the data; each worker calls
                it. It returns a dict of arguments of `fit`, `(x, y)`, or `((x, y),
                (x_val, y_val))`. Defaults to `None`.
            verbose: `"auto"`, a table on a terminal and log lines elsewhere; 1, printed
                lines instead of log lines; or 0, no output. Defaults to `"auto"`.
            command: String, the command that repeats the search, shown in the report.
                Defaults to `None`.
            **kwargs: Further arguments of `fit`, such as `epochs`, `validation_data`
                and `callbacks`. Each trial gets a copy of the callbacks.

        Raises:
            ValueError: If the search space is empty, the objective is not in the logs,
                the store has another search, or the data cannot be sent to workers.
            RuntimeError: If `max_consecutive_failed_trials` trials in a row crash with
                the same error.
            KeyboardInterrupt: If you press Ctrl-C. The search stops after the current
                epoch; run it again to resume it.
            SystemExit: If the process receives SIGTERM. The same holds.
        """
        if data is not None:
            kwargs = {"data": data, **kwargs}
        sent = args, kwargs
        args, kwargs = self.prepared(*args, command=command, **kwargs)
        self.engine.begin()
        told = Told(self, verbose)
        self.shown = told.show
        reason = run_search(self, args, kwargs, sent, told)
        finish(self)
        if reason == f"it got {signal.SIGINT.name}":
            raise KeyboardInterrupt
        if reason == f"it got {signal.SIGTERM.name}":
            # The sender wants this process to end soon.
            raise SystemExit(0)

    def report(self, path: str | os.PathLike | None = None) -> str | os.PathLike:
        """Write an HTML report of the results, and return its path.

        You can call it while the search is running.

        Args:
            path: Path of the report. Defaults to `None`: `report.html` in the project's
                folder.
        """
        path = path or os.path.join(self.project_dir, "report.html")
        to_html(self.results, path)
        return path
