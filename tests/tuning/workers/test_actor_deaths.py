"""Ray actors that die, with a stand-in for Ray, which need not be installed."""

import types

import pytest

from kcomponents.tuning._engine.stop import Stop
from kcomponents.tuning._workers.ray_actors import Actors
from tests.tuning.small import search_of

pytestmark = pytest.mark.any_backend


class ActorDiedError(Exception):
    """Stands in for the error of Ray for an actor that it does not restart again."""


class Ray:
    """Stands in for Ray: each call of an actor does the next of some works.

    Args:
        works: List of functions of a worker's name.
    """

    exceptions = types.SimpleNamespace(RayActorError=ActorDiedError)

    def __init__(self, works):
        self.works = iter(works)
        self.work = types.SimpleNamespace(remote=lambda content, place, name: name)

    def cluster_resources(self):
        return {"CPU": 1}

    def put(self, content):
        return content

    def remote(self, kind):
        create = types.SimpleNamespace(remote=lambda: self)
        return types.SimpleNamespace(options=lambda **kwargs: create)

    def wait(self, references, **kwargs):
        return references[:1], references[1:]

    def get(self, name):
        next(self.works)(name)

    def kill(self, actor):
        pass


def finish_one(search, name):
    """Take a waiting trial and end it."""
    store, owner = search.store, f"host:1:{name}"
    trial = next(t for t in store.trials() if t.state.name == "WAITING")
    assert store.claim(trial, owner)
    store.note(trial, values={}, score=0.5)
    store.finish(trial, "complete", 0.5)


def run(search, works):
    search.engine.start()
    Actors(Ray(works), search, (), {}).run(Stop(search.store), lambda: None)


def search_in(folder):
    return search_of(folder, workers=1, repeats=0)


def test_an_actor_that_dies_before_a_trial_ends_the_search(tmp_path):
    search = search_in(tmp_path)

    def die(name):
        # Meanwhile, another machine works on the search.
        finish_one(search, "a" * 16)
        raise ActorDiedError("The actor died. \033[31mOut of memory.")

    with pytest.raises(
        RuntimeError, match="died 5 times.*the memory was full"
    ) as caught:
        run(search, [die] * 3)
    message = str(caught.value)
    assert "the memory was full" in message and "Out of memory." in message
    assert "\033" not in message


def test_an_actor_that_dies_in_a_trial_costs_the_trial_an_attempt(tmp_path):
    search = search_in(tmp_path)

    def die(name):
        trial = next(t for t in search.store.trials() if t.state.name == "WAITING")
        assert search.store.claim(trial, f"host:1:{name}")
        raise ActorDiedError("The actor died.")

    def work(name):
        finish_one(search, name)

    run(search, [die, work, work, work])
    lost = [trial.user_attrs.get("lost", 0) for trial in search.store.trials()]
    assert lost == [1, 0, 0]
    assert all(trial.state.name == "COMPLETE" for trial in search.store.trials())
