"""Workers as actors of Ray, on one machine or a cluster, restarted by it when they die.

All nodes must reach the store: a database, or a journal in a folder that they share.
"""

import logging
import os
import sys

import keras

from kcomponents._backends import devices
from kcomponents._check import fail
from kcomponents.tuning._engine.stop import Stop
from kcomponents.tuning._optional import needed
from kcomponents.tuning._workers.environment import environment, share_of
from kcomponents.tuning._workers.payload import packed, unpacked

# How often Ray restarts an actor that died.
RESTARTS = 4
# Seconds between two looks at the actors, and for an answer of one that is alive.
PAUSE, ANSWER = 0.5, 10


def run_actors(search, data, stop, shown):
    """Run a search by actors until every trial has ended, or it was told to stop.

    Args:
        search: Search.
        data: Positional and keyword arguments of `fit`.
        stop: Stop.
        shown: Function that shows how far the search is.

    Raises:
        ValueError: If the data cannot be sent, more GPUs are asked for than there are,
            or a node does not reach the store.
        RuntimeError: If actors die before they have done a trial.
    """
    ray = needed("ray")
    begun_here = not ray.is_initialized()
    if begun_here:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Joins the cluster that `RAY_ADDRESS` or `ray start` tells of, or begins one.
        ray.init(
            include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
        )
    try:
        # Ray has put in its own answer to SIGTERM, which is not to wait.
        with stop.on_signals():
            Actors(ray, search, *data).run(stop, shown)
    finally:
        if begun_here:
            ray.shutdown()


class Worker:
    """An actor: runs trials in one thread, and is told in another one to end."""

    def __init__(self):
        self.stop, self.why = None, None

    def work(self, content, place):
        """Run trials until none is left, or so many that a process is to be new."""
        if "://" not in place and not os.path.exists(place):
            rule = "Every node must reach the store: put `directory` into a folder that"
            fail(f"{rule} they share, or use a database as `store`.", store=place)
        if "KCOMPONENTS_GPU_FRACTION" in os.environ:
            devices.limit_memory(float(os.environ["KCOMPONENTS_GPU_FRACTION"]))
        search, args, kwargs = unpacked(content)
        self.stop = Stop(search.store, search.settings.max_hours)
        self.stop.why = self.why
        limit = search.settings.trials_per_process
        try:
            search.work(args, kwargs, self.stop, limit)
        except Exception as error:
            # Not every error can be sent to the process that began the search.
            kind = ValueError if isinstance(error, ValueError) else RuntimeError
            raise kind(str(error)) from error

    def end(self):
        """Ask to end after the epoch that is running."""
        self.why = "the search was ended"
        if self.stop is not None:
            self.stop.why = self.why


class Actors:
    """Starts actors, and looks after them until every trial has ended.

    Args:
        ray: The module.
        search: Search.
        args: Positional arguments of `fit`.
        kwargs: Keyword arguments of `fit`.
    """

    def __init__(self, ray, search, args, kwargs):
        self.ray, self.search, settings = ray, search, search.settings
        there = ray.cluster_resources()
        cores = max(1, int(there.get("CPU", 1)))
        gpus = [str(number) for number in range(int(there.get("GPU", 0)))]
        self.count = settings.workers or cores
        share = share_of(self.count, settings.gpus_per_worker, gpus)
        self.content = ray.put(packed(search, args, kwargs))
        self.kind = ray.remote(Worker).options(
            num_cpus=1,
            num_gpus=share,
            max_restarts=RESTARTS,
            # The same call is made again after a restart.
            max_task_retries=-1,
            max_concurrency=2,
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": _variables(self.count, share, cores)},
        )
        # What an actor works on → the actor, and how many trials had ended before.
        self._alive = {}

    def run(self, stop, shown):
        """Return when every trial has ended, or the search was told to stop."""
        engine = self.search.engine
        try:
            while not stop.asked and engine.left():
                while len(self._alive) < self.count:
                    self._start()
                shown()
                for work in self.ray.wait(list(self._alive), timeout=PAUSE)[0]:
                    self._ended(work)
                engine.reaper.look()
                engine.check()
        finally:
            self._end()

    def _start(self):
        actor = self.kind.remote()
        place = self.search.store.place
        place = place if "://" in place else os.path.abspath(place)
        work = actor.work.remote(self.content, place)
        self._alive[work] = actor, self._finished()

    def _finished(self):
        return sum(trial.state.is_finished() for trial in self.search.store.trials())

    def _ended(self, work):
        """Take note of an actor that is done, or was restarted too often."""
        actor, finished = self._alive.pop(work)
        try:
            self.ray.get(work)
        except self.ray.exceptions.RayActorError as error:
            if self._finished() == finished:
                raise RuntimeError(
                    f"An actor died {RESTARTS + 1} times, and no trial was done "
                    f"meanwhile. Ray said:\n{error}"
                ) from error
        self.ray.kill(actor)

    def _end(self):
        """Ask those that have begun to end, which they do after their epoch."""
        left = list(self._alive)
        while left:
            asked = {self._alive[work][0].end.remote(): work for work in left}
            answers = self._ready(asked, ANSWER)
            works = [asked[answer] for answer in answers]
            done = self._ready(works, PAUSE)
            left = [work for work in works if work not in done]
        for actor, _ in self._alive.values():
            self.ray.kill(actor)
        self._alive = {}

    def _ready(self, references, timeout):
        every = list(references)
        if not every:
            return []
        return self.ray.wait(every, num_returns=len(every), timeout=timeout)[0]


def _variables(count, share, cores):
    """Return the environment of an actor, in which the backend is then imported."""
    variables = environment(0, count, share, ["0"] if share else [], cores)
    # Ray itself says which GPU an actor gets.
    variables.pop("CUDA_VISIBLE_DEVICES", None)
    paths = [os.path.abspath(path) for path in sys.path]
    own = {"KERAS_BACKEND": keras.backend.backend()}
    return {**variables, **own, "PYTHONPATH": os.pathsep.join(paths)}
