"""Store, journal and lease: what is written stays, and a trial has one owner."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading

import optuna
import pytest
from filelock import FileLock, Timeout

from kcomponents.tuning._storage import backend as _storage
from kcomponents.tuning._storage import lease as _lease
from kcomponents.tuning._storage.backend import (
    Journal,
    open_storage,
    retry_during_outage,
    without_password,
)
from kcomponents.tuning._storage.lease import Lease, Reaper, new_owner, running_trials
from kcomponents.tuning._storage.store import Store

pytestmark = pytest.mark.any_backend

SLOTS = {str(number): {"kind": "search"} for number in range(3)}
# Longer than any wait of these tests takes.
LONG = 20


def store_at(path, slots=SLOTS):
    store = Store(path / "journal.log", "search", "maximize")
    store.add(slots)
    return store


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(_lease, "time", made)
    return made


def states(store):
    return [trial.state.name for trial in store.trials()]


def test_what_one_store_writes_another_reads(tmp_path):
    store = store_at(tmp_path)
    (trial, *_) = store.trials()
    assert store.claim(trial, "me")
    store.note(trial, values={"rate": 0.1}, curves={"loss": [1.0, float("inf")]})
    store.set_fact("epochs", 3)
    other = Store(tmp_path / "journal.log", "search")
    found = other.read(other.trials()[0])
    assert found.user_attrs["values"] == {"rate": 0.1}
    assert found.user_attrs["curves"] == {"loss": [1.0, float("inf")]}
    assert other.facts == {"epochs": 3}


def test_facts_that_a_reader_changes_stay_as_they_were(tmp_path):
    store = store_at(tmp_path)
    store.set_fact("settings", {"seed": 1})
    store.facts["settings"]["seed"] = 2
    assert store.facts["settings"] == {"seed": 1}


def test_a_search_that_is_not_there_is_refused(tmp_path):
    store_at(tmp_path)
    with pytest.raises(ValueError, match=r"no search with this name.*name='other'"):
        Store(tmp_path / "journal.log", "other")


def test_a_search_that_is_forgotten_is_gone(tmp_path):
    store_at(tmp_path).delete()
    assert Store(tmp_path / "journal.log", "search", "maximize").trials() == []


def test_slots_that_are_there_are_not_added_again(tmp_path):
    store = store_at(tmp_path)
    store.add({**SLOTS, "3": {"kind": "search"}})
    assert [trial.user_attrs["slot"] for trial in store.trials()] == list("0123")


def test_of_slots_added_twice_the_first_counts(tmp_path, monkeypatch):
    first, second = store_at(tmp_path, {}), store_at(tmp_path, {})
    # As if the second had looked before the first had written.
    monkeypatch.setattr(second, "trials", lambda: [])
    first.add({"0": {"kind": "search", "values": {"rate": 1}}})
    second.add({"0": {"kind": "search", "values": {"rate": 2}}})
    (trial,) = first.trials()
    assert trial.user_attrs["values"] == {"rate": 1}


def test_trials_that_others_added_by_optuna_do_not_count(tmp_path):
    store = store_at(tmp_path)
    study = optuna.load_study(study_name="search", storage=store.storage)
    study.enqueue_trial({"x": 1})
    assert len(store.trials()) == 3


def test_a_trial_is_claimed_by_one_of_two_stores(tmp_path):
    first, second = store_at(tmp_path), store_at(tmp_path)
    trial = first.trials()[0]
    assert first.claim(trial, "first")
    assert not second.claim(second.trials()[0], "second")
    assert second.owns(trial, "first") and not second.owns(trial, "second")


def test_of_many_threads_each_trial_is_claimed_by_one(tmp_path):
    slots = {str(number): {"kind": "search"} for number in range(12)}
    store_at(tmp_path, slots)
    begin, taken = threading.Barrier(4), []

    def take(name):
        store = Store(tmp_path / "journal.log", "search")
        trials = store.trials()
        begin.wait(LONG)
        for trial in trials:
            if store.claim(trial, name):
                taken.append(trial.number)

    threads = [threading.Thread(target=take, args=(f"{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert sorted(taken) == list(range(12))


def test_a_trial_ends_once(tmp_path):
    first, second = store_at(tmp_path), store_at(tmp_path)
    trial = first.trials()[0]
    first.claim(trial, "first")
    assert first.finish(trial, "complete", 0.5)
    assert not second.finish(trial, "fail")
    second.release(trial)
    second.note(trial, reason="worker_lost")
    assert not second.claim(trial, "second")
    found = second.read(trial)
    assert (found.state.name, found.value) == ("COMPLETE", 0.5)
    assert "reason" not in found.user_attrs


def test_a_trial_that_is_given_back_keeps_its_values(tmp_path):
    store = store_at(tmp_path)
    trial = store.trials()[0]
    store.claim(trial, "first")
    store.note(trial, values={"rate": 0.1})
    distribution = optuna.distributions.FloatDistribution(0.0, 1.0)
    store.set_parameters(store.read(trial), {"rate": (0.1, distribution)})
    store.release(trial)
    assert not store.owns(trial, "first")
    assert store.claim(trial, "second")
    found = store.read(trial)
    assert found.user_attrs["values"] == found.params == {"rate": 0.1}


def test_a_line_that_was_torn_by_a_kill_is_cut_off(tmp_path):
    store = store_at(tmp_path)
    path = tmp_path / "journal.log"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":8,"worker_id":"so')
    reader = Store(path, "search")
    assert len(reader.trials()) == 3
    # The one that was there before, too, goes on.
    assert store.claim(store.trials()[0], "me")
    assert [json.loads(line) for line in path.read_bytes().splitlines()]
    assert path.read_bytes().startswith(whole)
    assert states(Store(path, "search")) == states(reader)


def test_a_line_that_is_damaged_is_an_error_that_names_the_file(tmp_path):
    store_at(tmp_path)
    path = tmp_path / "journal.log"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"\0" * 30 + b"\n", *lines[1:]]))
    with pytest.raises(ValueError, match=r"damaged.*Received: store='.*journal.log"):
        Store(path, "search")


@pytest.fixture
def file_limit():
    """A function that lets files grow to a size at most, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_an_error_and_leaves_the_journal_whole(tmp_path, file_limit):
    store = store_at(tmp_path)
    path = tmp_path / "journal.log"
    whole = path.read_bytes()
    trial = store.trials()[0]
    file_limit(len(whole) + 20)
    with pytest.raises(OSError) as caught:
        store.claim(trial, "me")
    file_limit(resource.RLIM_INFINITY)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
    assert path.read_bytes() == whole
    assert states(Store(path, "search")) == ["WAITING"] * 3
    # There is room again.
    assert store.claim(trial, "me")
    assert states(Store(path, "search")) == ["RUNNING", "WAITING", "WAITING"]


def test_a_journal_is_held_by_no_lock_of_a_process_that_was_killed(tmp_path):
    path = tmp_path / "journal.log"
    store_at(tmp_path)
    lock = FileLock(f"{path}.lock")
    hold = "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); "
    hold += "lock.acquire(); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, f"{path}.lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Timeout):
            lock.acquire(timeout=0)
        holder.kill()
        holder.wait(LONG)
        with Journal(str(path)).lock.acquire(timeout=LONG):
            pass


def test_owners_have_names_of_their_own():
    first, second = new_owner(), new_owner()
    assert first != second
    assert first.split(":")[1] == second.split(":")[1] == str(os.getpid())


def claimed(tmp_path, owner="worker"):
    store = store_at(tmp_path)
    trial = store.trials()[0]
    assert store.claim(trial, owner)
    return store, trial


def test_a_trial_without_a_sign_of_life_is_given_back(tmp_path, clock):
    store, trial = claimed(tmp_path)
    reaper = Reaper(store, seconds=60, max_retries=2)
    reaper.reclaim_expired()
    clock.now += 59
    reaper.reclaim_expired()
    assert states(store)[0] == "RUNNING"
    clock.now += 2
    reaper.reclaim_expired()
    found = store.read(trial)
    assert (found.state.name, found.user_attrs["lost"]) == ("WAITING", 1)


def test_a_trial_that_shows_life_is_left_alone(tmp_path, clock):
    store, trial = claimed(tmp_path)
    reaper = Reaper(store, seconds=60, max_retries=2)
    for beat in range(5):
        store.note(trial, beat=beat)
        reaper.reclaim_expired()
        clock.now += 50
    assert states(store)[0] == "RUNNING"


def test_a_trial_that_was_taken_up_again_has_a_lease_of_its_own(tmp_path, clock):
    store, trial = claimed(tmp_path)
    reaper = Reaper(store, seconds=60, max_retries=2)
    reaper.reclaim_expired()
    store.release(trial)
    clock.now += 100
    # By the same worker, before its first sign of life.
    store.claim(trial, "worker")
    reaper.reclaim_expired()
    assert states(store)[0] == "RUNNING"


def test_a_worker_that_shows_life_at_the_last_moment_keeps_its_trial(tmp_path):
    store, trial = claimed(tmp_path)
    reaper = Reaper(store, seconds=60, max_retries=2)
    (seen,) = running_trials(store)
    store.note(trial, beat=7)
    reaper.reclaim(seen)
    assert store.owns(trial, "worker")


def test_two_that_see_the_same_loss_count_it_once(tmp_path):
    store, trial = claimed(tmp_path)
    (seen,) = running_trials(store)
    for _ in range(2):
        Reaper(store, seconds=60, max_retries=2).reclaim(seen)
    found = store.read(trial)
    assert (found.state.name, found.user_attrs["lost"]) == ("WAITING", 1)


@pytest.mark.parametrize("max_retries", [0, 2])
def test_a_trial_is_run_again_so_often_and_then_it_is_lost(
    tmp_path, clock, max_retries
):
    store, trial = claimed(tmp_path)
    reaper = Reaper(store, seconds=60, max_retries=max_retries)
    for _ in range(max_retries):
        (seen,) = running_trials(store)
        reaper.reclaim(seen)
        assert store.claim(trial, "worker")
    (seen,) = running_trials(store)
    reaper.reclaim(seen)
    found = store.read(trial)
    assert found.state.name == "FAIL"
    assert found.user_attrs["reason"] == "worker_lost"
    assert f"{max_retries + 1} times" in found.user_attrs["message"]
    # A second one that saw it says nothing more.
    reaper.reclaim(seen)
    assert store.read(trial).user_attrs["lost"] == max_retries + 1


def test_the_trial_of_a_worker_that_ended_is_given_back_at_once(tmp_path):
    store, trial = claimed(tmp_path, new_owner("a" * 16))
    other = store.trials()[1]
    # A worker in another container may have the same host and process number.
    assert store.claim(other, new_owner("b" * 16))
    Reaper(store, seconds=60, max_retries=2).reclaim_from("a" * 16)
    assert states(store) == ["WAITING", "RUNNING", "WAITING"]


def test_a_trial_that_is_lost_for_good_has_no_score_of_an_earlier_worker(tmp_path):
    store, trial = claimed(tmp_path)
    store.note(trial, values={"rate": 0.1}, score=0.5)
    (seen,) = running_trials(store)
    Reaper(store, seconds=60, max_retries=0).reclaim(seen)
    found = store.read(trial)
    assert (found.state.name, found.user_attrs["score"]) == ("FAIL", None)


def test_a_lease_shows_life_and_ends_when_the_trial_was_taken(tmp_path):
    store, trial = claimed(tmp_path)
    reaper = Reaper(store, seconds=0.06, max_retries=2)
    with Lease(store, trial, "worker", reaper) as lease:
        waiter = threading.Event()
        for _ in range(1000):
            if store.read(trial).user_attrs["beat"] > 1:
                break
            waiter.wait(0.01)
        assert store.read(trial).user_attrs["beat"] > 1
        assert not lease.lost.is_set()
        store.release(trial)
        assert lease.lost.wait(LONG)


def test_a_lease_outlives_a_store_that_is_away(tmp_path, monkeypatch):
    store, trial = claimed(tmp_path)
    reaper = Reaper(store, seconds=0.06, max_retries=2)
    failed, back = threading.Event(), threading.Event()

    def owns(*args):
        if not failed.is_set():
            failed.set()
            raise OSError(errno.ENOSPC, "No space left")
        back.set()
        return True

    monkeypatch.setattr(store, "owns", owns)
    with Lease(store, trial, "worker", reaper) as lease:
        assert failed.wait(LONG) and back.wait(LONG)
    assert not lease.lost.is_set()


class Away:
    """A function that fails so often, and the time that passes meanwhile."""

    def __init__(self, error, times, monkeypatch):
        self.error, self.left, self.now = error, times, 0.0
        monkeypatch.setattr(_storage, "time", self)

    def __call__(self):
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return "back"

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def database_error(kind="OperationalError"):
    import sqlalchemy

    return getattr(sqlalchemy.exc, kind)("SELECT 1", {}, Exception("gone"))


def wrapped(cause):
    error = optuna.exceptions.StorageInternalError("In the middle of a commit.")
    error.__cause__ = cause
    return error


def test_a_database_that_is_away_is_asked_again(monkeypatch):
    for error in (database_error(), wrapped(database_error("InterfaceError"))):
        assert retry_during_outage(Away(error, 5, monkeypatch)) == "back"


def test_a_database_that_stays_away_is_an_error_in_the_end(monkeypatch):
    away = Away(database_error(), 10**6, monkeypatch)
    with pytest.raises(type(away.error)):
        retry_during_outage(away)
    assert _storage.OUTAGE < away.now < _storage.OUTAGE + 30


def test_what_a_database_refuses_is_an_error_at_once(monkeypatch):
    for error in (database_error("DataError"), wrapped(database_error("DataError"))):
        away = Away(error, 1, monkeypatch)
        with pytest.raises(type(error)):
            retry_during_outage(away)
        assert away.now == 0


def test_a_password_is_not_shown(tmp_path):
    assert "secret" not in without_password("postgresql://me:secret@host/name")
    assert without_password(str(tmp_path)) == str(tmp_path)


def test_a_journal_may_be_opened_by_an_older_reader(tmp_path):
    store_at(tmp_path)
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal.log"))
    storage = optuna.storages.JournalStorage(backend)
    (study,) = storage.get_all_studies()
    assert study.study_name == "search"
    (same,) = open_storage(str(tmp_path / "journal.log")).get_all_studies()
    assert same.study_name == "search"
