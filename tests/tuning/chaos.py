"""Chaos: what becomes of a search whose processes, hosts or disks fail.

Run it by `python -m tests.tuning.chaos --kills 30 --store both`, with `--nodes`, and as
root with `--hosts` or `--disk-full`.
"""

import argparse
import tempfile
import time

import keras

from tests.tuning import full_disk, hosts, nodes, postgresql, small
from tests.tuning.kills import Chaos


class Slow(keras.callbacks.Callback):
    """Makes an epoch last, without a load for the machine."""

    def on_epoch_end(self, epoch, logs=None):
        time.sleep(0.1)


def start(arguments):
    """Begin a search or go on with it, until it ends."""
    url = None if arguments.store == "journal" else arguments.store
    settings = {"max_trials": arguments.trials, "workers": arguments.workers or None}
    settings |= {"pruner": "none", "doctor": False, "sampler": "random"}
    # So many are killed by chance that one may be so again and again.
    settings |= {"lease_seconds": 6.0, "max_retries": 1000, "store": url}
    search = small.search_of(arguments.start, **settings)
    small.run(search, epochs=20, callbacks=[Slow()])


def kill(store, kills, trials, seed):
    """Return what came of a search with kills."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        if store == "journal":
            return Chaos(folder, trials, None, seed).run(kills)
        with postgresql.server() as url:
            return Chaos(folder, trials, url, seed).run(kills)


def show(rows):
    """Print a table: of each row, name → text."""
    for name in rows[0]:
        print(f"{name:22}", *(f"{row[name]:>12}" for row in rows))
    print(flush=True)


def main():
    """Do what the command line says; return 1 if something was lost or damaged."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--kills", type=int, default=30, help="how many (%(default)s)")
    add("--store", default="journal", help="journal, postgresql or both (%(default)s)")
    add("--trials", type=int, default=40, help="of the search (%(default)s)")
    add("--seed", type=int, default=0, help="of when is killed what (%(default)s)")
    add("--hosts", action="store_true", help="two hosts, one of them cut off")
    add("--nodes", action="store_true", help="two nodes of Ray, one of them killed")
    add("--disk-full", action="store_true", help="a disk that is full for a while")
    add("--start", metavar="FOLDER", help="only begin the search in a folder")
    add("--workers", type=int, default=2, help="of `--start`, 0 for no others")
    arguments = parser.parse_args()
    if arguments.start:
        return start(arguments)
    if arguments.hosts:
        return hosts.main()
    if arguments.nodes:
        return nodes.main()
    if arguments.disk_full:
        return full_disk.main()
    both = ["journal", "postgresql"]
    stores = both if arguments.store == "both" else [arguments.store]
    told = arguments.kills, arguments.trials, arguments.seed
    found = []
    for store in stores:
        found.append(kill(store, *told))
        show([one.row() for one in found])
    wrong = [line for one in found for line in one.wrong]
    print("\n".join(wrong), end="")
    return int(any(one.wrong or one.lost or one.twice for one in found))


if __name__ == "__main__":
    raise SystemExit(main())
