"""The program of a worker: `python -m kcomponents.tuning._workers.process`."""

import os
import sys

from kcomponents._backends import devices
from kcomponents.tuning._engine.stop import Stop
from kcomponents.tuning._workers.payload import unpacked


def main(parent, compiled):
    """Run trials of the search that is read from standard input.

    Args:
        parent: Integer, id of the parent process; this one ends with it.
        compiled: String, folder in which the workers share compiled programs.
    """
    devices.share_compiled(compiled)
    if "KCOMPONENTS_GPU_FRACTION" in os.environ:
        devices.limit_memory(float(os.environ["KCOMPONENTS_GPU_FRACTION"]))
    search, args, kwargs = unpacked(sys.stdin.buffer.read())
    stop = Stop(search.store, search.settings.max_hours, parent)
    with stop.on_signals():
        search.work(args, kwargs, stop, search.settings.trials_per_process)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
