"""State files: exact values, damaged files refused, and the last two kept."""

import math
import os
import resource
import zipfile

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents import _state_file
from kcomponents._state_file import (
    DamagedFileError,
    Generations,
    open_state,
    read_state,
    write_state,
)

KIND = "a test"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.npz"


def test_plain_values_come_back_as_they_were(path):
    state = {"a": [1, 2.5, None, True, "nan"], "b": {"c": math.inf, "d": []}, "e": {}}
    write_state(path, KIND, {**state, "f": (1, 2), "g": np.float32(0.5)})
    assert read_state(path, KIND) == {**state, "f": [1, 2], "g": 0.5}


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "bfloat16", "float64", "int32", "uint8", "bool"]
)
@pytest.mark.parametrize("shape", [(), (0, 2), (3, 2)])
def test_arrays_come_back_bit_for_bit(path, dtype, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    write_state(path, KIND, {"deep": [array]})
    [found] = read_state(path, KIND)["deep"]
    assert found.dtype == array.dtype and found.shape == shape
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_tensors_and_variables_are_kept_as_arrays(path, dtype):
    tensor = ops.cast([1.5, 2.0], dtype)
    write_state(path, KIND, [tensor, keras.Variable(tensor, dtype=dtype)])
    for found in read_state(path, KIND):
        assert found.astype("float32").tolist() == [1.5, 2.0]


def test_numpy_opens_such_a_file(path):
    write_state(path, KIND, [np.arange(3)])
    assert np.load(path)["0"].tolist() == [0, 1, 2]


def test_arrays_can_be_read_one_by_one(path):
    write_state(path, KIND, [np.arange(3), np.ones(2)])
    with open_state(path, KIND) as (state, arrays):
        assert len(state) == 2 and arrays[1].tolist() == [1, 1]


def test_a_file_cut_off_anywhere_is_refused_and_kept(path):
    write_state(path, KIND, {"a": np.arange(100), "b": 1})
    whole = path.read_bytes()
    for size in [0, 1, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(
            DamagedFileError, match="or of another kind.*Received: path="
        ):
            read_state(path, KIND)
        assert path.read_bytes() == whole[:size]


def test_a_flipped_bit_is_noticed(path):
    write_state(path, KIND, {"a": np.arange(100)})
    whole = bytearray(path.read_bytes())
    whole[400] ^= 1
    path.write_bytes(whole)
    with pytest.raises(DamagedFileError):
        read_state(path, KIND)


def make_text(path):
    path.write_text("{}")


def make_npz(path):
    np.savez(path, a=np.ones(2))


def make_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kcomponents.json", "not JSON")


def make_list(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kcomponents.json", "[1]")


def make_bytes(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kcomponents.json", bytes([255, 0]))


def make_other_kind(path):
    write_state(path, "another kind", 1)


FOREIGN = [make_text, make_npz, make_zip, make_list, make_bytes, make_other_kind]


@pytest.mark.parametrize("make", FOREIGN)
def test_a_foreign_file_is_refused(path, make):
    make(path)
    with pytest.raises(DamagedFileError, match="Move it away"):
        read_state(path, KIND)


def test_keys_must_be_strings_and_nothing_is_left_where_they_are_not(path):
    with pytest.raises(ValueError, match="strings as keys.*Received"):
        write_state(path, KIND, {1: 2})
    with pytest.raises(TypeError):
        write_state(path, KIND, {"a": object()})
    assert os.listdir(path.parent) == []


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
    with pytest.raises(DamagedFileError, match="Move it away"):
        list(files.read())
    with pytest.raises(DamagedFileError, match="Move it away"):
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
