"""The last two states: one is readable whatever happens to the other."""

import os
import resource

import numpy as np
import pytest

from kcomponents import _state_file
from kcomponents._state_file import Damaged, Generations


@pytest.fixture
def files(tmp_path):
    return Generations(tmp_path / "state.npz", "a test")


def names(files):
    return sorted(os.listdir(os.path.dirname(files.path)))


def test_the_last_two_states_come_back_the_last_one_first(files):
    assert list(files.read()) == []
    for state in range(4):
        files.write(state)
    assert list(files.read()) == [3, 2]
    files.remove()
    assert names(files) == []


def test_a_damaged_file_is_put_aside_and_the_one_before_is_used(files):
    for state in range(2):
        files.write(state)
    for count in ("", "-2"):
        with open(files.path, "wb") as file:
            file.write(b"garbled")
        with pytest.warns(RuntimeWarning, match="the previous state is used"):
            assert list(files.read()) == [0]
        with open(f"{files.path}.damaged{count}", "rb") as file:
            assert file.read() == b"garbled"
    # The readable state is kept by the next write.
    files.write(2)
    assert list(files.read()) == [2, 0]


def test_without_a_good_file_all_stay_and_an_error_says_so(files):
    for path in files.paths:
        with open(path, "wb") as file:
            file.write(b"garbled")
    before = names(files)
    with pytest.raises(Damaged, match="Move it away"):
        list(files.read())
    with pytest.raises(Damaged, match="Move it away"):
        files.check()
    assert names(files) == before


class Killed(BaseException):
    """Simulates a kill: no cleanup code runs."""


@pytest.mark.parametrize("kill_at", range(4))
def test_a_kill_between_any_two_steps_leaves_a_good_state(files, monkeypatch, kill_at):
    for state in range(2):
        files.write(state)
    left = [kill_at]

    def counted(*arguments):
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        os_replace(*arguments)

    os_replace = os.replace
    monkeypatch.setattr(os, "replace", counted)
    if kill_at < 3:
        with pytest.raises(Killed):
            files.write(2)
    else:
        files.write(2)
    monkeypatch.undo()
    # First the old state is still the last one, then it is only the previous one, and
    # finally the new state is the last one.
    assert list(files.read()) == [[1, 0], [1, 0], [1], [2, 1]][kill_at]
    files.write(3)
    assert next(files.read()) == 3


def test_what_a_killed_process_was_writing_is_cleared_away(files):
    files.write(0)
    folder, name = os.path.split(files.path)
    torn = os.path.join(folder, f".{name}.new.0123abcd.tmp")
    with open(torn, "wb") as file:
        file.write(b"half")
    assert list(files.read()) == [0]
    assert not os.path.exists(torn)


@pytest.fixture
def small_disk():
    """Limit the size of files, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_states_before_and_is_told(files, small_disk):
    for state in range(2):
        files.write(state)
    large = np.zeros(10_000)
    with pytest.raises(OSError, match="File too large"):
        files.write([large])
    with pytest.warns(RuntimeWarning, match="Could not write a test.*is kept"):
        files.write_or_warn([large])
    assert list(files.read()) == [1, 0]
    assert names(files) == ["state.npz", "state.npz.previous"]


def test_a_folder_that_takes_no_files_is_an_error_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    files = Generations(tmp_path / "file" / "state.npz", "a test")
    with pytest.raises(OSError, match="file"):
        files.check()
    assert _state_file.check_writable(tmp_path / "new" / "folder") is None
    assert os.listdir(tmp_path / "new" / "folder") == []
