"""Chaos: kills at random times lose no trial, and leave the store whole."""

import gc

import keras
import pytest

from tests.tuning import postgresql
from tests.tuning.kills import Chaos

# The store does not know the backend, and with this one processes begin fastest.
only_one = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the store is the same on all backends"
)


@only_one
def test_killed_workers_and_starters_lose_no_trial(tmp_path):
    found = Chaos(tmp_path, trials=3, seed=3, pause=(1.5, 3.0)).run(kills=4)
    assert found.wrong == []
    assert (found.ended, found.twice) == (3, 0)
    assert found.starters + found.workers > 0


@only_one
# Connections that wait in a pool of Optuna's, which has no way to close it.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.skipif(postgresql.missing() is not None, reason=f"{postgresql.missing()}")
def test_a_database_keeps_what_was_done_when_workers_are_killed(tmp_path):
    with postgresql.server() as url:
        found = Chaos(tmp_path, trials=3, url=url, pause=(4.0, 6.0)).run(kills=1)
        gc.collect()
    assert found.wrong == []
    assert (found.ended, found.twice) == (3, 0)
