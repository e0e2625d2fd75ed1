"""Two hosts: namespaces of the network, of which one is cut off from the database."""

import contextlib
import os
import subprocess
import sys
import tempfile
import textwrap
import time

import keras_tuner

from kcomponents.tuning import Search, commands
from kcomponents.tuning._storage.project import open_store, problems
from tests.tuning import postgresql
from tests.tuning.kills import wait_for

NAMES = ("host-a", "host-b")
# Where the database listens, and what the hosts have, by their number.
DATABASE, CLIENTS = "10.77.0.1", "10.77.0.0/16"
TRIALS, LEASE, LONG = 16, 8.0, 300
MODEL = """
import time

import keras

from tests.tuning.small import build as made
from tests.tuning.small import data as pairs


class Slow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        time.sleep(0.2)


def build(hp):
    return made(hp)


def data():
    (x, y), validation = pairs()
    return {"x": x, "y": y, "validation_data": validation, "callbacks": [Slow()]}
"""


def call(command):
    """Run a command of the system."""
    subprocess.run(command.split(), check=True, timeout=30)


@contextlib.contextmanager
def network():
    """Return a context with a database's address and two hosts that reach it."""
    call(f"ip address add {DATABASE}/32 dev lo")
    try:
        for number, name in enumerate(NAMES):
            call(f"ip netns add {name}")
            call(f"ip link add to-{name} type veth peer name out netns {name}")
            call(f"ip address add 10.77.{number + 1}.1/24 dev to-{name}")
            call(f"ip link set to-{name} up")
            call(f"ip -n {name} address add 10.77.{number + 1}.2/24 dev out")
            connect(name, number)
        yield
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "delete", name], check=False)
        call(f"ip address delete {DATABASE}/32 dev lo")


def connect(name, number):
    """Connect a host."""
    call(f"ip -n {name} link set out up")
    call(f"ip -n {name} route replace default via 10.77.{number + 1}.1")


def cut(name):
    """Cut a host off."""
    call(f"ip -n {name} link set out down")


def begin(path, url, folder):
    """Begin the search, whose trials the hosts then run; return its store."""
    module = commands._load(path)
    search = Search(
        module.build,
        keras_tuner.Objective("val_accuracy", "max"),
        TRIALS,
        project_name="model_of_hosts",
        directory=folder,
        store=url,
        pruner="none",
        doctor=False,
        sampler="random",
        repeats=0,
        lease_seconds=LEASE,
    )
    search.prepare(data=module.data, epochs=20)
    search.engine.start()
    return search.store


def work(name, path, url, folder):
    """Start a worker on a host, with what it says in a file."""
    own = f"hostname {name}; exec {sys.executable} -m kcomponents search worker {path} "
    own += f"--store {url} --directory {folder}/{name}"
    inside = ["ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c", own]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with open(f"{folder}/{name}.log", "wb") as log:
        return subprocess.Popen(inside, stdout=log, stderr=log, env=environment)


def held(store, name):
    """Return the trials that a host has taken."""
    running = [t for t in store.trials() if t.state.name == "RUNNING"]
    return [t for t in running if str(t.user_attrs.get("owner")).startswith(name)]


def main(seconds=(3, 40)):
    """Cut the second host off, shortly and for long; return 1 if a trial was lost."""
    with tempfile.TemporaryDirectory(prefix="hosts-") as folder, network():
        with postgresql.server(DATABASE, CLIENTS) as url:
            return _run(folder, url, seconds)


def _run(folder, url, seconds):
    path, (first, second) = f"{folder}/model_of_hosts.py", NAMES
    with open(path, "w") as file:
        file.write(textwrap.dedent(MODEL))
    store, now = begin(path, url, folder), time.monotonic
    workers = {name: work(name, path, url, folder) for name in NAMES}
    began = now()
    try:
        wait_for(lambda: held(store, first) and held(store, second), 120)
        for length in seconds:
            wait_for(lambda: held(store, second), 120)
            (trial,) = held(store, second)
            slot, known = trial.user_attrs["slot"], store.read(trial).user_attrs
            cut(second)
            print(
                f"{now() - began:5.0f} s  {second} is cut off in trial {slot}", end=""
            )
            print(f", attempt {known['attempts']}, for {length} s", flush=True)
            time.sleep(length)
            connect(second, 1)
            print(f"{now() - began:5.0f} s  {second} is back", flush=True)
            wait_for(lambda: store.read(trial).state.is_finished(), 120)  # noqa: B023
            known = store.read(trial).user_attrs
            print(f"{now() - began:5.0f} s  trial {slot} was ended", end=" by ")
            print(f"{known['owner']} in attempt {known['attempts']}", flush=True)
        for name, worker in workers.items():
            code = worker.wait(LONG)
            print(f"{now() - began:5.0f} s  {name} ended with {code}", flush=True)
    finally:
        for worker in workers.values():
            worker.kill()
    return _counted(store, folder, workers)


def _counted(store, folder, workers):
    for name in workers:
        with open(f"{folder}/{name}.log") as log:
            print(f"\n{name} said:\n{log.read()[-1500:]}")
    again = open_store(store.place, store.name)
    every = again.storage.get_all_trials(again.study)
    ended = [t.user_attrs["slot"] for t in every if t.state.name == "COMPLETE"]
    by = [t.user_attrs["owner"].split(":")[0] for t in again.trials()]
    print(f"\ntrials wanted {TRIALS}, ended {len(set(ended))}", end="")
    print(f", twice {len(ended) - len(set(ended))}", end="")
    print("".join(f", by {name} {by.count(name)}" for name in NAMES))
    wrong = problems(again)
    print("\n".join(wrong) or "Nothing is wrong.")
    well = not wrong and sorted(ended) == sorted(map(str, range(TRIALS)))
    return int(not well or any(worker.returncode for worker in workers.values()))
