"""Where the workers of a search are: in this process, in others, or on a cluster."""

from kcomponents.tuning._engine.stop import Stop
from kcomponents.tuning._workers.actors import run_actors
from kcomponents.tuning._workers.processes import Processes


def run_search(search, args, kwargs, data, told):
    """Run a search to its end, or until it is told to stop; return the reason or None.

    Args:
        search: Search.
        args: Positional arguments of `fit`.
        kwargs: Keyword arguments of `fit`.
        data: What workers get in their place: the same, or a function that makes them.
        told: Told, which shows how it goes.
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
