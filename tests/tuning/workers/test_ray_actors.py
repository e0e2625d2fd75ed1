"""Ray: actors share a search, and one that is killed loses no trial."""

import concurrent.futures
import os
import signal

import keras_tuner
import numpy as np
import pytest

from tests.tuning.held import LONG, Held, told, wait_until
from tests.tuning.small import run, search_of

ray = pytest.importorskip("ray", reason="Ray is not installed")

from kcomponents.tuning._workers import ray_actors  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    """A small cluster, of which this is the driver."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=0,
        object_store_memory=100 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()


def trouble(folder):
    """Kill one of two actors within a trial."""
    lines = wait_until(
        lambda: len({ln["process"] for ln in told(folder)}) == 2 and told(folder),
        "a second actor",
    )
    os.kill(lines[0]["process"], signal.SIGKILL)
    (folder / "go").touch()
    return lines[0]


@pytest.mark.any_backend
def test_an_actor_that_is_killed_loses_no_trial(tmp_path, cluster):
    before = signal.getsignal(signal.SIGTERM)
    settings = {"max_trials": 5, "engine": "ray", "lease_seconds": 5.0}
    settings |= {"pruner": "none", "doctor": False}
    search = search_of(tmp_path, Held(tmp_path), **settings)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = pool.submit(trouble, tmp_path)
        run(search)
    killed = done.result(LONG)
    trials = search.results["trials"]
    assert [trial["id"] for trial in trials] == list("01234")
    assert {trial["state"] for trial in trials} == {"completed"}
    # On a busy machine, others may have been taken for dead.
    (again,) = [trial for trial in trials if trial["values"] == killed["values"]]
    assert again["attempts"] > 1
    assert f":{killed['process']}:" not in again["worker"]
    assert killed["environment"]["OMP_NUM_THREADS"] == "1"
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.any_backend
def test_a_mistake_in_an_actor_is_raised_here(tmp_path, cluster):
    objective = keras_tuner.Objective("f1", "max")
    search = search_of(tmp_path, objective=objective, engine="ray", workers=1)
    with pytest.raises(ValueError, match="objective.*must be among"):
        run(search)


@pytest.mark.any_backend
def test_data_that_cannot_be_sent_is_refused(tmp_path, cluster):
    search = search_of(tmp_path, engine="ray")
    with pytest.raises(ValueError, match=r"search\(data=make_data\)"):
        search.search((batch for batch in [np.zeros(1)]), verbose=0)


@pytest.mark.any_backend
def test_more_gpus_than_the_cluster_has_are_refused(tmp_path, cluster):
    with pytest.raises(ValueError, match="0. Received.*gpus_per_worker=1"):
        run(search_of(tmp_path, engine="ray", gpus_per_worker=1))


@pytest.mark.any_backend
def test_a_node_that_does_not_reach_the_store_says_so(tmp_path):
    with pytest.raises(ValueError, match="folder that all nodes share.*database"):
        ray_actors.Worker().work(b"", str(tmp_path / "journal.log"))


@pytest.mark.any_backend
def test_ray_says_which_gpu_an_actor_gets_and_we_how_much_of_it(tmp_path):
    made = ray_actors._variables(count=4, share=0.5, cores=8)
    assert "CUDA_VISIBLE_DEVICES" not in made
    assert made["OMP_NUM_THREADS"] == "2"
    assert made["KCOMPONENTS_GPU_FRACTION"] == "0.45"
    assert "KCOMPONENTS_GPU_FRACTION" not in ray_actors._variables(4, 0.0, 8)
