"""What a worker runs, as `python -m kcomponents.tuning._workers.process`."""

import os
import sys

from kcomponents._backends import devices
from kcomponents.tuning._engine.stop import Stop
from kcomponents.tuning._workers.payload import unpacked


def main(parent, compiled):
    """Work on the search that comes by standard input, until it is done.

    Args:
        parent: Integer, the process whose end is also this one's.
        compiled: String, the folder that its workers share for what they compile.
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
