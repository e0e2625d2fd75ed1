"""Workers: processes that share a search, each of which may die at any time."""

import concurrent.futures
import importlib
import operator
import os
import signal
import subprocess
import sys
import threading

import keras
import keras_tuner
import numpy as np
import pytest

from kcomponents import tuning
from kcomponents.__main__ import main
from kcomponents.tuning._engine.stop import Stop
from kcomponents.tuning._storage.store import Store
from kcomponents.tuning._workers import processes as _processes
from kcomponents.tuning._workers.environment import environment, share_of, visible_gpus
from kcomponents.tuning._workers.payload import from_bytes, to_bytes
from tests.tuning.held import LONG, Held, told, wait_until
from tests.tuning.small import build, data, run, search_of

THREADS = "OMP_NUM_THREADS"


class Recorded(subprocess.Popen):
    """A process that is remembered, with how it ended."""

    every = []

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.every.append(self)


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.setattr(Recorded, "every", [])
    monkeypatch.setattr(_processes.subprocess, "Popen", Recorded)
    return Recorded.every


def trouble(folder):
    """Kill a worker within a trial, and ask the other one to end."""

    def first(others=(), values=None):
        for line in told(folder):
            wanted = values in (None, line["values"])
            if wanted and line["process"] not in others:
                return line
        return None

    killed = wait_until(first, "a worker")
    asked = wait_until(lambda: first([killed["process"]]), "a second worker")
    os.kill(killed["process"], signal.SIGKILL)
    os.kill(asked["process"], signal.SIGTERM)
    (folder / "go").touch()
    return killed, asked


@pytest.mark.any_backend
def test_workers_that_die_or_are_asked_to_end_lose_no_trial(
    tmp_path, processes, monkeypatch
):
    # As if there were two GPUs, of which each worker gets one.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    settings = {"max_trials": 4, "workers": 2, "trials_per_process": 2}
    settings |= {"pruner": "none", "doctor": False}
    search = search_of(tmp_path, Held(tmp_path), **settings)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = pool.submit(trouble, tmp_path)
        run(search)
    killed, asked = done.result(LONG)
    trials = search.results["trials"]
    lines = told(tmp_path)

    assert [trial["id"] for trial in trials] == list("0123")
    assert {trial["state"] for trial in trials} == {"completed"}

    # Both trials were run again, by others, with the same values.
    assert killed["values"] != asked["values"]
    for line in killed, asked:
        (trial,) = [t for t in trials if t["values"] == line["values"]]
        assert trial["attempts"] == 2
        assert f":{line['process']}:" not in trial["worker"]
        epochs = [ln["epoch"] for ln in lines if ln["process"] == line["process"]]
        assert epochs == [0]
    assert sorted(trial["attempts"] for trial in trials) == [1, 1, 2, 2]
    codes = {process.pid: process.returncode for process in processes}
    assert codes.pop(killed["process"]) == -signal.SIGKILL
    assert codes.pop(asked["process"]) == 0

    # Replaced after two trials, which two others did, one after another.
    whole = [line["process"] for line in lines if line["epoch"] == 1]
    assert len(whole) == 4 and set(whole) <= set(codes)
    assert max(whole.count(process) for process in whole) == 2

    # Each in an environment of its own.
    cores = str(max(1, len(os.sched_getaffinity(0)) // 2))
    first, second = killed["environment"], asked["environment"]
    assert first[THREADS] == second[THREADS] == cores
    devices = [first["CUDA_VISIBLE_DEVICES"], second["CUDA_VISIBLE_DEVICES"]]
    assert sorted(devices) == ["0", "1"]
    assert first["KCOMPONENTS_GPU_FRACTION"] == "0.9"


@pytest.fixture
def ends(tmp_path, monkeypatch):
    """Return a function that replaces workers by a shell script."""

    def replace(script):
        shell = tmp_path / "python"
        shell.write_text(f"#!/bin/sh\n{script}\n")
        shell.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(shell))

    return replace


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("script", "ending", "advice"),
    [
        ("exit 1", "with exit code 1", "Fix the error in its log"),
        ("exit 0", "with exit code 0", "does not call `sys.exit`"),
        ("kill -KILL $$", "killed by SIGKILL", "the memory was full"),
        ("kill -SEGV $$", "killed by SIGSEGV", "library crashed"),
        ("kill -TERM $$", "killed by SIGTERM", "Another program"),
        ("kill -40 $$", "killed by signal 40", "library crashed"),
    ],
)
def test_workers_that_end_before_a_trial_end_the_search_with_an_error(
    tmp_path, processes, ends, caplog, script, ending, advice
):
    ends(f"echo 'No such \033[31mlibrary.' >&2; {script}")
    with pytest.raises(RuntimeError, match="ended 3 times in a row") as caught:
        run(search_of(tmp_path, workers=1))
    assert len(processes) == 3
    message = str(caught.value)
    assert ending in message and advice in message and "\033" not in message
    assert message.endswith(
        "worker-0.log:\nNo such \N{REPLACEMENT CHARACTER}[31mlibrary."
    )
    # Each of the first two is announced, so that the wait is explained.
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert ending in caplog.text and "(2 of 2)" in caplog.text
    assert os.listdir(tmp_path / "untitled_project" / "workers") == ["worker-0.log"]


@pytest.mark.any_backend
def test_workers_have_sessions_of_their_own_where_ctrl_c_does_not_reach_them(
    tmp_path, processes, ends
):
    # The sixth word of this file is the number of the session.
    sessions = tmp_path / "sessions"
    ends(f"cut -d' ' -f6 /proc/self/stat >> {sessions}; exit 1")
    with pytest.raises(RuntimeError, match="3 times in a row"):
        run(search_of(tmp_path, workers=1))
    found = sessions.read_text().split()
    assert found == [str(process.pid) for process in processes]


@pytest.mark.any_backend
def test_an_error_shows_only_what_its_own_worker_printed(tmp_path, ends):
    log = tmp_path / "untitled_project" / "workers" / "worker-0.log"
    log.parent.mkdir(parents=True)
    log.write_text("From an earlier search.\n")
    ends("exit 1")
    with pytest.raises(RuntimeError, match="(?s)log:\nIt printed nothing.$"):
        run(search_of(tmp_path, workers=1))


@pytest.mark.any_backend
def test_all_workers_that_end_before_a_trial_end_the_search(tmp_path, processes, ends):
    ends("exit 1")
    with pytest.raises(RuntimeError, match="3 times in a row"):
        run(search_of(tmp_path, workers=3))
    assert 3 <= len(processes) <= 9


@pytest.mark.any_backend
def test_a_module_that_workers_cannot_import_is_named(tmp_path, monkeypatch):
    path = tmp_path / "model_that_is_gone.py"
    path.write_text("from tests.tuning import small\n\n\ndef build(hp):\n")
    with open(path, "a") as file:
        file.write("    return small.build(hp)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(_processes, "LIMIT", 1)
    search = search_of(tmp_path, importlib.import_module(path.stem).build, workers=1)
    path.unlink()
    with pytest.raises(RuntimeError) as caught:
        run(search)
    assert "No module named 'model_that_is_gone'" in str(caught.value)
    assert "put it into the folder of the script" in str(caught.value)


class Unreadable:
    """A callback that this process can send, and no worker can read."""

    def __reduce__(self):
        return operator.truediv, (1, 0)


@pytest.mark.any_backend
def test_a_worker_that_cannot_read_the_search_shows_its_error(tmp_path, monkeypatch):
    monkeypatch.setattr(_processes, "LIMIT", 1)
    search = search_of(tmp_path, workers=1)
    with pytest.raises(RuntimeError, match="(?s)exit code 1.*division by zero"):
        run(search, callbacks=[Unreadable()])


class Deadly(keras_tuner.HyperModel):
    """The small model, whose training kills its process."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, *args, **kwargs):
        # As a library does that calls `exit`, or a machine without memory.
        os._exit(1) if hp["activation"] == "relu" else os.kill(os.getpid(), 9)


@pytest.mark.any_backend
def test_workers_that_end_in_a_trial_count_for_that_trial_only(tmp_path, monkeypatch):
    monkeypatch.setattr(_processes, "LIMIT", 1)
    settings = {"max_trials": 2, "workers": 1, "max_retries": 0, "repeats": 0}
    search = run(search_of(tmp_path, Deadly(), sampler="grid", **settings))
    trials = search.results["trials"]
    assert [trial["state"] for trial in trials] == ["failed"] * 2
    assert {trial["reason"] for trial in trials} == {"worker_lost"}


@pytest.mark.any_backend
def test_a_search_that_is_asked_to_end_asks_its_workers(
    tmp_path, processes, monkeypatch
):
    worker = tmp_path / "python"
    ready, ended = tmp_path / "ready", tmp_path / "ended"
    loop = "while :; do sleep 0.05; done"
    trap = f"trap 'touch {ended}; exit 0' TERM; touch {ready}"
    worker.write_text(f"#!/bin/sh\n{trap}; {loop}\n")
    worker.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(worker))
    search = search_of(tmp_path, workers=1)
    search.engine.start()
    stop = Stop(search.store)

    def shown():
        if ready.exists():
            stop.reason = "it got SIGINT"

    _processes.Processes(search, 1, (), {}).run(stop, shown)
    (process,) = processes
    assert (process.returncode, ended.exists()) == (0, True)


@pytest.mark.any_backend
def test_two_that_begin_one_search_at_once_make_no_trial_twice(tmp_path):
    class Counted(tuning.Search):
        def run_trial(self, trial, *args, **kwargs):
            seen.append(trial.trial_id)
            return 1.0

    seen, begin = [], threading.Barrier(2)

    def start():
        few = {"max_trials": 8, "finalists": 0, "seed": 0, "directory": str(tmp_path)}
        search = Counted(build, None, **few)
        begin.wait(LONG)
        search.search(verbose=0)
        return search

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = [pool.submit(start) for _ in range(2)]
        searches = [one.result(LONG) for one in both]
    for search in searches:
        trials = search.results["trials"]
        assert [trial["id"] for trial in trials] == list("01234567")
        assert {trial["state"] for trial in trials} == {"completed"}
    assert sorted(seen) == list("01234567")


@pytest.mark.any_backend
@pytest.mark.parametrize("count", range(6))
def test_a_search_that_is_killed_while_it_stores_its_settings_starts_again(
    tmp_path, monkeypatch, count
):
    def set_fact(store, name, value):
        if len(stored) == count:
            raise KeyboardInterrupt
        stored.append(name)
        before(store, name, value)

    stored, before, fit = [], Store.set_fact, {"data": data, "epochs": 2}
    with monkeypatch.context() as patch:
        patch.setattr(Store, "set_fact", set_fact)
        with pytest.raises(KeyboardInterrupt):
            search_of(tmp_path, seed=None).prepare(**fit)
    # Nobody chose a seed, so that it must not be drawn anew.
    again = search_of(tmp_path, seed=None)
    facts = again.store.facts
    again.prepare(**fit)
    if "settings" in facts:
        # With these, `search worker` starts, and it needs the others.
        assert facts.keys() >= {"objective", "epochs", "space"}
        assert again.settings.seed == facts["settings"]["seed"]


@pytest.mark.any_backend
def test_a_worker_ends_when_the_process_that_began_the_search_is_gone(tmp_path):
    store = search_of(tmp_path).store
    assert not Stop(store, parent=os.getppid()).is_due
    stop = Stop(store, parent=os.getpid())
    assert stop.is_due and "gone" in stop.reason


@pytest.mark.any_backend
def test_the_time_of_a_search_is_over_after_its_hours(tmp_path):
    store = search_of(tmp_path).store
    assert not Stop(store, hours=1).is_due
    assert Stop(store, hours=-1e-9).reason is None
    assert Stop(store, hours=-1e-9).is_due


@pytest.mark.any_backend
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_first_signal_asks_and_a_second_one_ends(tmp_path, number):
    before = signal.getsignal(number)
    stop = Stop(search_of(tmp_path).store)
    with stop.on_signals():
        signal.raise_signal(number)
        assert stop.is_due and stop.reason == f"it got {number.name}"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) == before


@pytest.mark.any_backend
def test_the_command_stop_ends_a_search_which_can_be_gone_on_with(tmp_path):
    place = tmp_path / "untitled_project"
    told = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: main(["search", "stop", str(place)])
    )
    # So many epochs that only the command ends it.
    search = run(search_of(tmp_path, pruner="none"), epochs=10**5, callbacks=[told])
    first, *others = search.results["trials"]
    assert (first["state"], first["attempts"]) == ("waiting", 1)
    assert {trial["attempts"] for trial in others} == {0}
    assert search.results["state"] == "stopped"


def generator():
    while True:
        yield data()[0]


@pytest.mark.any_backend
def test_data_that_cannot_be_sent_is_refused_with_how_it_can(tmp_path, processes):
    search = search_of(tmp_path, workers=2)
    with pytest.raises(ValueError, match=r"search\(data=make_data\).*generator"):
        search.search(generator(), steps_per_epoch=1, verbose=0)
    assert not processes


@pytest.mark.any_backend
def test_large_arrays_are_kept_in_a_file_that_workers_map(tmp_path):
    large = np.arange(2**18, dtype="float64").reshape(-1, 4)
    small = np.zeros((len(large), 1), "int8")
    search = search_of(tmp_path)
    given = {"validation_data": (large[::-1], small), "epochs": 3}
    content = to_bytes(search, (large, small), given)
    assert len(content) < large.nbytes / 2
    other, (x, y), found = from_bytes(content)
    assert isinstance(x, np.memmap) and not x.flags.writeable
    np.testing.assert_array_equal(x, large)
    np.testing.assert_array_equal(found["validation_data"][0], large[::-1])
    np.testing.assert_array_equal(y, small)
    assert found["epochs"] == 3
    assert other.store.place == search.store.place
    assert [trial.number for trial in other.store.trials()] == []


@pytest.mark.any_backend
def test_a_worker_finds_the_search_from_another_folder(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    search = search_of("runs")
    search.engine.start()
    content = to_bytes(search, (np.zeros(2**18),), {})
    monkeypatch.chdir(tmp_path)
    other, (x,), _ = from_bytes(content)
    assert len(other.store.trials()) == 3
    assert x.shape == (2**18,)
    assert os.listdir(tmp_path) == ["here"]


def test_a_worker_computes_with_the_precision_of_the_search(tmp_path):
    search = search_of(tmp_path)
    keras.config.set_dtype_policy("mixed_bfloat16")
    content = to_bytes(search, (), {})
    keras.config.set_dtype_policy("float32")
    from_bytes(content)
    assert keras.config.dtype_policy().name == "mixed_bfloat16"


def test_workers_share_what_is_compiled_where_that_is_kept(tmp_path):
    lines = [
        "import keras, sys",
        "from kcomponents import _backends",
        "_backends.share_compiled(sys.argv[1])",
        "model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])",
        "model.compile('sgd', 'mse')",
        "model.fit(keras.ops.ones((4, 2)), keras.ops.ones((4, 1)), verbose=0)",
    ]
    # The user's own choice of a folder would go before.
    environment = {**os.environ}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-c", "\n".join(lines), str(tmp_path)]
    subprocess.run(command, check=True, env=environment)
    kept = any("train" in path.name for path in tmp_path.iterdir())
    assert kept == (keras.backend.backend() == "jax")


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("cores", "workers", "threads"), [(8, 2, "4"), (8, 3, "2"), (2, 4, "1")]
)
def test_the_threads_of_a_machine_are_divided(cores, workers, threads):
    made = environment(0, workers, 0.0, [], cores)
    assert set(made.values()) == {threads}
    assert {THREADS, "TF_NUM_INTRAOP_THREADS", "NPROC"} <= set(made)


def devices(workers, share, found):
    """Return which GPUs each worker sees."""
    made = [environment(n, workers, share, found, 8) for n in range(workers)]
    return [own["CUDA_VISIBLE_DEVICES"] for own in made]


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [
        (1, 0.25, ["0", "0", "0", "0"]),
        (1, 0.5, ["0", "0"]),
        (1, 1, ["0"]),
        (2, 0.25, ["0", "0", "0", "0", "1", "1", "1", "1"]),
        (2, 0.5, ["0", "0", "1", "1"]),
        (2, 1, ["0", "1"]),
        (2, 2, ["0,1"]),
        (4, 0.5, ["0", "0", "1", "1", "2", "2", "3", "3"]),
        (4, 1, ["0", "1", "2", "3"]),
        (4, 2, ["0,1", "2,3"]),
    ],
)
def test_gpus_are_shared_as_was_told(count, share, expected):
    found = [str(number) for number in range(count)]
    workers = len(expected)
    assert devices(workers, share_of(workers, share, found), found) == expected
    with pytest.raises(ValueError, match=f"{count}. Received: workers={workers + 1}"):
        share_of(workers + 1, share, found)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("count", "workers", "expected"),
    [
        (1, 3, ["0", "0", "0"]),
        (2, 1, ["0"]),
        (2, 2, ["0", "1"]),
        (2, 3, ["0", "0", "1"]),
        (4, 5, ["0", "0", "1", "1", "2"]),
    ],
)
def test_gpus_are_shared_equally_unless_told(count, workers, expected):
    found = [str(number) for number in range(count)]
    assert devices(workers, share_of(workers, None, found), found) == expected


@pytest.mark.any_backend
@pytest.mark.parametrize("share", [0.25, 0.5, 1, 2])
def test_without_a_gpu_none_can_be_asked_for(share):
    with pytest.raises(ValueError, match=f"0. Received.*gpus_per_worker={share}"):
        share_of(1, share, [])
    assert share_of(1, None, []) == 0.0


@pytest.mark.any_backend
def test_one_and_a_half_gpus_are_refused():
    with pytest.raises(ValueError, match="whole number"):
        share_of(1, 1.5, ["0", "1"])


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("share", "fraction"), [(0.25, "0.225"), (0.5, "0.45"), (2, "0.9")]
)
def test_memory_of_a_gpu_is_limited_to_the_share(share, fraction):
    made = environment(0, 1, share, ["0", "1"], 8)
    assert made["XLA_PYTHON_CLIENT_MEM_FRACTION"] == fraction
    assert made["KCOMPONENTS_GPU_FRACTION"] == fraction
    assert made["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert made["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("told", "expected"), [("", []), ("-1", []), ("3", ["3"]), ("0,GPU-a", None)]
)
def test_only_gpus_that_this_process_may_use_are_shared(monkeypatch, told, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    assert visible_gpus() == (told.split(",") if expected is None else expected)
