"""Runs a search in this process, in worker processes, or on a Ray cluster."""

from kcomponents.tuning._engine.stop import Stop
from kcomponents.tuning._workers.actors import run_actors
from kcomponents.tuning._workers.processes import Processes


def run_search(search, args, kwargs, data, told):
    """Run a search until it ends or is stopped; return why it stopped, or None.

    Args:
        search: Search.
        args: Positional arguments of `fit`.
        kwargs: Keyword arguments of `fit`.
        data: Positional and keyword arguments of `fit` for workers, which may be a
            function that makes the data.
        told: Told, which displays the progress.
    """
    settings = search.settings
    search.store.set_fact("stop", False)
    stop = Stop(search.store, settings.max_hours)
    with told, stop.on_signals():
        if settings.engine == "ray":
            run_actors(search, data, stop, told.show)
        elif settings.workers is None:
            search.work(args, kwargs, stop, None, told.show)
        else:
            count = settings.workers
            Processes(search, count, *data).run(stop, told.show)
    return stop.why
