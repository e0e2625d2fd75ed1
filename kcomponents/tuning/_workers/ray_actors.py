"""Workers as Ray actors, on one machine or a cluster; Ray restarts those that die.

All nodes need access to the store: a database, or a journal in a shared folder.
"""

import logging
import os
import sys

import keras

from kcomponents import _backends
from kcomponents._checks import fail
from kcomponents._optional import require
from kcomponents._text import clean
from kcomponents.tuning._engine.stop import Stop
from kcomponents.tuning._storage.lease import is_owner, new_name, new_owner
from kcomponents.tuning._workers.environment import environment, share_of
from kcomponents.tuning._workers.payload import from_bytes, to_bytes

# How often Ray restarts an actor that died.
RESTARTS = 4
# Seconds between two checks of the actors, and for a live actor to answer.
PAUSE, ANSWER = 0.5, 10


def run_actors(search, data, stop, show_progress):
    """Run a search with Ray actors until every trial has ended or it is stopped.

    Args:
        search: Search.
        data: Positional and keyword arguments of `fit`.
        stop: Stop.
        show_progress: Function that displays the progress.

    Raises:
        ValueError: If the data cannot be sent to workers, there are too few GPUs, or a
            node cannot reach the store.
        RuntimeError: If actors die repeatedly before they finish a trial.
    """
    ray = require("ray")
    is_own = not ray.is_initialized()
    if is_own:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Joins the cluster of `RAY_ADDRESS` or `ray start`, or starts a local one.
        ray.init(
            include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
        )
    try:
        # Replaces Ray's own handler of SIGTERM, which exits at once.
        with stop.on_signals():
            Actors(ray, search, *data).run(stop, show_progress)
    finally:
        if is_own:
            ray.shutdown()


class Worker:
    """An actor: runs trials in one thread, and receives `end` in another."""

    def __init__(self):
        self.stop, self.reason = None, None

    def work(self, content, place, name):
        """Run trials until none is left, or `trials_per_process` are done.

        Args:
            content: Bytes, from `payload.to_bytes`.
            place: Path of the journal, or URL of the database.
            name: String, by which the search knows the trials of this actor.
        """
        if "://" not in place and not os.path.exists(place):
            rule = "Every node must reach the store. Set `directory` to a folder that"
            fail(f"{rule} all nodes share, or `store` to a database.", store=place)
        if "KCOMPONENTS_GPU_FRACTION" in os.environ:
            _backends.limit_memory(float(os.environ["KCOMPONENTS_GPU_FRACTION"]))
        search, args, kwargs = from_bytes(content)
        search.engine.owner = new_owner(name)
        self.stop = Stop(search.store, search.settings.max_hours)
        self.stop.reason = self.reason
        limit = search.settings.trials_per_process
        try:
            search.run_trials(args, kwargs, self.stop, limit)
        except Exception as error:
            # Not every error can be pickled for the process that started the search.
            kind = ValueError if isinstance(error, ValueError) else RuntimeError
            raise kind(str(error)) from error

    def end(self):
        """Ask the worker to end after the current epoch."""
        self.reason = "the search was ended"
        if self.stop is not None:
            self.stop.reason = self.reason


class Actors:
    """Starts actors, and replaces them until every trial has ended.

    Args:
        ray: The module `ray`.
        search: Search.
        args: Positional arguments of `fit`.
        kwargs: Keyword arguments of `fit`.
    """

    def __init__(self, ray, search, args, kwargs):
        self.ray, self.search, settings = ray, search, search.settings
        resources = ray.cluster_resources()
        cores = max(1, int(resources.get("CPU", 1)))
        gpus = [str(number) for number in range(int(resources.get("GPU", 0)))]
        self.count = settings.workers or cores
        share = share_of(self.count, settings.gpus_per_worker, gpus)
        self.content = ray.put(to_bytes(search, args, kwargs))
        self.actor_class = ray.remote(Worker).options(
            num_cpus=1,
            num_gpus=share,
            max_restarts=RESTARTS,
            # Ray repeats the call after a restart.
            max_task_retries=-1,
            max_concurrency=2,
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": _variables(self.count, share, cores)},
        )
        # Ray's reference to an actor's call → the actor and its name.
        self._alive = {}

    def run(self, stop, show_progress):
        """Run until every trial has ended or the search is stopped."""
        engine = self.search.engine
        try:
            while not stop.is_due and engine.has_unfinished():
                while len(self._alive) < self.count:
                    self._start()
                show_progress()
                for work in self.ray.wait(list(self._alive), timeout=PAUSE)[0]:
                    self._remove(work)
                engine.reaper.reclaim_expired()
                engine.check_crashes()
        finally:
            self._end()

    def _start(self):
        actor = self.actor_class.remote()
        place = self.search.store.place
        place = place if "://" in place else os.path.abspath(place)
        name = new_name()
        work = actor.work.remote(self.content, place, name)
        self._alive[work] = actor, name

    def _remove(self, work):
        """Remove an actor that is done or was restarted too often."""
        actor, name = self._alive.pop(work)
        try:
            self.ray.get(work)
        except self.ray.exceptions.RayActorError as error:
            self._check_progress(name, error)
        finally:
            self.search.engine.reaper.reclaim_from(name)
        self.ray.kill(actor)

    def _check_progress(self, name, error):
        """Raise for an actor that died without having finished or taken a trial.

        The trial that it had may be what kills actors: `max_retries` limits that.
        """
        if not any(is_owner(trial, name) for trial in self.search.store.trials()):
            raise RuntimeError(
                f"A Ray actor died {RESTARTS + 1} times without finishing a trial. "
                "Probably the memory was full, or the backend crashed: use fewer "
                "`workers`, less data, or nodes with more memory. Then run the search "
                f"again to resume it.\nRay's error:\n{clean(error)}"
            ) from error

    def _end(self):
        """Ask all actors to end, and wait until their current epochs are done."""
        left = list(self._alive)
        while left:
            calls = {self._alive[work][0].end.remote(): work for work in left}
            works = [calls[call] for call in self._ready(calls, ANSWER)]
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
    """Return the environment variables of an actor."""
    variables = environment(0, count, share, ["0"] if share else [], cores)
    # Ray sets this itself.
    variables.pop("CUDA_VISIBLE_DEVICES", None)
    paths = [os.path.abspath(path) for path in sys.path]
    own = {"KERAS_BACKEND": keras.backend.backend()}
    return {**variables, **own, "PYTHONPATH": os.pathsep.join(paths)}
