"""Two nodes of Ray that share a search, of which one is killed."""

import concurrent.futures
import os
import pathlib
import tempfile
import time

from kcomponents.tuning._storage.project import problems
from tests.tuning.held import Held, told, wait_until
from tests.tuning.small import run, search_of

TRIALS = 6


def main():
    """Kill one of two nodes within a trial; return 1 if a trial was lost."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Or there may be one node only.
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=size)
    try:
        os.environ["RAY_ADDRESS"] = cluster.address
        with tempfile.TemporaryDirectory(prefix="nodes-") as folder:
            return _run(pathlib.Path(folder), cluster, cluster.add_node(**size))
    finally:
        cluster.shutdown()


def _run(folder, cluster, node):
    settings = {"max_trials": TRIALS, "engine": "ray", "workers": 2}
    settings |= {"lease_seconds": 6.0, "pruner": "none", "doctor": False}
    search = search_of(folder, Held(folder), **settings)
    begin = time.monotonic()

    def trouble():
        lines = wait_until(lambda: _both(folder), "a second worker")
        cluster.remove_node(node, allow_graceful=False)
        print(f"{time.monotonic() - begin:5.0f} s  two workers, a node killed")
        (folder / "go").touch()
        return lines

    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = pool.submit(trouble)
        run(search)
        done.result()
    trials = search.results["trials"]
    print(f"{time.monotonic() - begin:5.0f} s  the search ended")
    for trial in trials:
        print(f"trial {trial['id']}: {trial['state']}, {trial['attempts']} attempts")
    wrong = problems(search.store)
    print("\n".join(wrong) or "Nothing is wrong.")
    states = [trial["state"] for trial in trials]
    again = sum(trial["attempts"] == 2 for trial in trials)
    return int(bool(wrong) or states != ["completed"] * TRIALS or again != 1)


def _both(folder):
    """Return the log once two workers are in it."""
    lines = told(folder)
    return lines if len({line["process"] for line in lines}) == 2 else None
