"""Presence: the files of a process that is alive stay, those of a killed one go."""

import errno
import os
import signal
import subprocess
import sys

import psutil
import pytest

from kcomponents.tuning._storage import presence as _presence
from kcomponents.tuning._storage.presence import Presence

pytestmark = pytest.mark.any_backend


def killed(presence):
    """Leave a presence as a process does that is killed: only its lock is released."""
    presence.make_folder()
    os.close(presence._lock)
    presence._lock = None


def names(folder):
    return sorted(os.listdir(folder))


def test_a_presence_that_ends_leaves_nothing(tmp_path):
    with Presence(tmp_path) as presence:
        with presence:
            folder = presence.make_folder()
            assert presence.make_folder() == folder
        # It may be entered again within.
        assert os.path.isdir(folder)
        name = os.path.basename(folder)
        assert names(tmp_path) == [name, f"{name}.lock"]
    assert names(tmp_path) == []


def test_a_presence_that_ends_closes_its_files(tmp_path):
    process = psutil.Process()
    before = process.num_fds()
    with Presence(tmp_path) as presence:
        presence.make_folder()
        assert process.num_fds() > before
    assert process.num_fds() == before


def test_the_working_folder_may_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Presence("project") as presence:
        presence.make_folder()
        monkeypatch.chdir("/")
    assert names(tmp_path / "project") == []


def test_files_of_a_process_with_the_same_number_stay(tmp_path):
    # This process has both, as two containers may have the same process number.
    with Presence(tmp_path) as other, Presence(tmp_path) as presence:
        folder = other.make_folder()
        presence.delete_leftovers()
        assert os.path.isdir(folder)
    assert names(tmp_path) == []


def test_files_of_a_killed_process_are_deleted(tmp_path):
    program = "import runpy, sys, time; "
    program += "presence = runpy.run_path(sys.argv[1])['Presence'](sys.argv[2]); "
    program += "print(presence.make_folder(), flush=True); time.sleep(600)"
    command = [sys.executable, "-c", program, _presence.__file__, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        folder = owner.stdout.readline().strip()
        with Presence(tmp_path) as presence:
            presence.make_folder()
            files = psutil.Process().num_fds()
            presence.delete_leftovers()
            assert os.path.isdir(folder)
            owner.send_signal(signal.SIGKILL)
            owner.wait()
            presence.delete_leftovers()
            assert not os.path.exists(folder)
            assert psutil.Process().num_fds() == files
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("host", "boot", "stays"),
    [
        ("other", "12345678", True),
        ("other", "00000000", True),
        # Another container on this machine, and this machine before it was restarted.
        ("other", None, False),
        (None, "12345678", False),
    ],
)
def test_free_locks_count_only_if_they_were_held_on_this_machine(
    tmp_path, monkeypatch, host, boot, stays
):
    here = _presence.machine()
    there = host or here[0], boot or here[1]
    with monkeypatch.context() as patch:
        patch.setattr(_presence, "machine", lambda: there)
        killed(Presence(tmp_path))
    left = names(tmp_path)
    with Presence(tmp_path) as presence:
        presence.delete_leftovers()
    assert names(tmp_path) == (left if stays else [])


def test_a_machine_without_a_boot_id_is_no_other_one(tmp_path, monkeypatch):
    monkeypatch.setattr(_presence, "BOOT", str(tmp_path / "missing"))
    monkeypatch.setattr(_presence.socket, "gethostname", lambda: "first/\x1b")
    assert _presence.machine() == ("first--", "00000000")
    killed(Presence(tmp_path))
    left = names(tmp_path)
    monkeypatch.setattr(_presence.socket, "gethostname", lambda: "second")
    with Presence(tmp_path) as presence:
        presence.delete_leftovers()
    assert names(tmp_path) == left


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_without_locks_each_other_process_is_taken_as_alive(
    tmp_path, monkeypatch, number
):
    def no_locks(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(_presence.fcntl, "flock", no_locks)
    killed(Presence(tmp_path))
    left = names(tmp_path)
    with Presence(tmp_path) as presence:
        presence.make_folder()
        presence.delete_leftovers()
    assert names(tmp_path) == left and len(left) == 2


def test_a_lock_that_is_deleted_before_it_is_held_is_made_again(tmp_path, monkeypatch):
    acquire, calls = _presence._acquire, []

    def late(lock):
        calls.append(lock)
        if len(calls) == 1:
            (name,) = names(tmp_path)
            os.remove(tmp_path / name)
        # The second one is held by a process that is about to delete it.
        return False if len(calls) == 2 else acquire(lock)

    with monkeypatch.context() as patch:
        patch.setattr(_presence, "_acquire", late)
        presence = Presence(tmp_path).__enter__()
    assert len(calls) == 3
    with Presence(tmp_path) as other:
        other.delete_leftovers()
    assert os.path.exists(f"{presence.make_folder()}.lock")
    presence.__exit__()
    assert names(tmp_path) == []


def test_what_links_lead_to_is_not_deleted(tmp_path):
    project, outside = tmp_path / "project", tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    (outside / ".weights.npz.01234567.tmp").write_text("kept")
    presence = Presence(project)
    killed(presence)
    folder = presence._path
    os.rmdir(folder)
    os.symlink(outside, folder)
    host, boot = _presence.machine()
    os.symlink(outside / "file", project / f"process-{host}.{boot}-01234567.lock")
    os.symlink(outside, project / "trial_0")
    with Presence(project) as other:
        other.delete_leftovers()
    assert names(outside) == [".weights.npz.01234567.tmp", "file"]
    assert (outside / "file").read_text() == "kept"


UNFINISHED = [
    ".results.csv.01234567.tmp",
    ".best.keras.01234567.tmp.keras",
    "trial_0/.weights.npz.89abcdef.tmp",
    "trial_0/.build_config.json.89abcdef.tmp",
]
OTHERS = ["results.csv", ".notes.01234567.tmp", "trial_0/weights.npz"]


@pytest.mark.parametrize("is_alone", [True, False])
def test_files_that_were_being_written_go_once_nobody_can_be_writing(
    tmp_path, is_alone
):
    (tmp_path / "trial_0").mkdir()
    for name in UNFINISHED + OTHERS:
        (tmp_path / name).touch()
    other = Presence(tmp_path).__enter__()
    if is_alone:
        killed(other)
    with Presence(tmp_path) as presence:
        presence.delete_leftovers()
    left = [name for name in UNFINISHED if (tmp_path / name).exists()]
    assert left == ([] if is_alone else UNFINISHED)
    assert all((tmp_path / name).exists() for name in OTHERS)
    if not is_alone:
        other.__exit__()
