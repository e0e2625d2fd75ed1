"""Chaos: what happens to a search whose processes, hosts or disks fail.

Run it by `python -m tests.tuning.chaos --kills 100`, with `--nodes`, and as root with
`--hosts` or `--disk-full`. With `--folder`, a run that was stopped can be resumed, and
`results.jsonl` in it has a line for each kill.
"""

import argparse
import contextlib
import os
import tempfile
import time

import keras

from tests.tuning import full_disk, hosts, kill_points, nodes, postgresql, small
from tests.tuning.kills import Chaos

# Trials per kill: about as many as end in spite of the kills.
TRIALS = 0.8


class Slow(keras.callbacks.Callback):
    """Makes an epoch last, without a load for the machine."""

    def on_epoch_end(self, epoch, logs=None):
        time.sleep(0.1)


def start(arguments):
    """Start or resume a search, and wait until it ends."""
    url = None if arguments.store == "journal" else arguments.store
    settings = {"max_trials": arguments.trials, "workers": arguments.workers or None}
    settings |= {"pruner": "none", "doctor": False, "sampler": "random"}
    # With so many kills, chance may kill the workers of one trial again and again.
    settings |= {"lease_seconds": 6.0, "max_retries": 1000, "store": url}
    if kill_points.VARIABLE not in os.environ:
        search = small.search_of(arguments.start, **settings)
        small.run(search, epochs=20, callbacks=[Slow()])
        return
    settings |= {"lease_seconds": 3.0, "finalists": 1, "repeats": 2, "keep_models": 3}
    kill_points.start("starter")
    search = small.search_of(arguments.start, kill_points.build, **settings)
    (x, y), validation = kill_points.data()
    fit = {"epochs": 6, "batch_size": 32, "verbose": 0, "callbacks": [Slow()]}
    search.search(x, y, validation_data=validation, **fit)


def kill(store, kills, trials, seed, folder=None):
    """Return what was found in a search with kills."""
    with contextlib.ExitStack() as stack:
        if folder is None:
            made = tempfile.TemporaryDirectory(prefix="chaos-")
            folder = stack.enter_context(made)
        url = None if store == "journal" else stack.enter_context(postgresql.server())
        return Chaos(folder, trials, url, seed, kills).run()


def show(rows):
    """Print a table whose rows are dicts: name → text."""
    for name in rows[0]:
        print(f"{name:22}", *(f"{row[name]:>12}" for row in rows))
    print(flush=True)


def main():
    """Do what the command line says; return 1 if something was lost or damaged."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--kills", type=int, default=30, help="number of kills (%(default)s)")
    add("--store", default="journal", help="journal, postgresql or both (%(default)s)")
    add("--trials", type=int, help="number of trials (0.8 for each kill)")
    add("--seed", type=int, default=0, help="seed of the kills (%(default)s)")
    add("--folder", help="folder to keep, to resume the run (a temporary one)")
    add("--hosts", action="store_true", help="two hosts, one of them cut off")
    add("--nodes", action="store_true", help="two nodes of Ray, one of them killed")
    add("--disk-full", action="store_true", help="a disk that is full for a while")
    add("--start", metavar="FOLDER", help="only start the search in a folder")
    add("--workers", type=int, default=2, help="of `--start`, 0 for none")
    arguments = parser.parse_args()
    if arguments.trials is None:
        arguments.trials = max(3, int(TRIALS * arguments.kills))
    if arguments.start:
        return start(arguments)
    if arguments.hosts:
        return hosts.main()
    if arguments.nodes:
        return nodes.main()
    if arguments.disk_full:
        return full_disk.main()
    return _kill_all(arguments)


def _kill_all(arguments):
    """Kill searches until there were enough kills, and print what was found."""
    both = ["journal", "postgresql"]
    stores = both if arguments.store == "both" else [arguments.store]
    found = []
    for store in stores:
        left, number = arguments.kills, 0
        while left > 0:
            folder = arguments.folder and os.path.join(
                arguments.folder, f"{store}-{number}"
            )
            seed = arguments.seed + number
            found.append(kill(store, left, arguments.trials, seed, folder))
            show([one.row() for one in found])
            left -= found[-1].starters + found[-1].workers
            number += 1
    print("\n".join(line for one in found for line in one.wrong))
    return int(any(one.wrong or one.lost or one.twice for one in found))


if __name__ == "__main__":
    raise SystemExit(main())
