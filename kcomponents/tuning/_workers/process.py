"""The program of a worker: `python -m kcomponents.tuning._workers.process`."""

import os
import sys

from kcomponents import _backends
from kcomponents.tuning._engine.stop import Stop
from kcomponents.tuning._storage.lease import new_owner
from kcomponents.tuning._workers.payload import from_bytes


def main(parent, cache, name):
    """Run trials of the search on standard input, which `payload.to_bytes` wrote.

    Args:
        parent: Integer, ID of the parent process; this one ends with it.
        cache: String, folder in which the workers share compiled programs.
        name: String, by which the parent process knows the trials of this one.
    """
    _backends.share_compiled(cache)
    if "KCOMPONENTS_GPU_FRACTION" in os.environ:
        _backends.limit_memory(float(os.environ["KCOMPONENTS_GPU_FRACTION"]))
    search, args, kwargs = from_bytes(sys.stdin.buffer.read())
    search.engine.owner = new_owner(name)
    stop = Stop(search.store, search.settings.max_hours, parent)
    with stop.on_signals():
        search.run_trials(args, kwargs, stop, search.settings.trials_per_process)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
