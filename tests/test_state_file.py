"""State files: exact values, damaged files refused, and the last two kept."""

import copy
import json
import math
import os
import resource
import stat
import struct
import tracemalloc
import warnings
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

pytestmark = pytest.mark.any_backend

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


def make_folder(path):
    path.mkdir()


def make_pipe(path):
    os.mkfifo(path)


def make_endless(path):
    path.symlink_to("/dev/zero")


FOREIGN = [make_text, make_npz, make_zip, make_list, make_bytes, make_other_kind]
FOREIGN += [make_folder, make_pipe, make_endless]


@pytest.mark.parametrize("make", FOREIGN)
def test_a_foreign_file_is_refused(path, make):
    make(path)
    with pytest.raises(DamagedFileError, match="Move it away"):
        read_state(path, KIND)


def test_keys_must_be_strings_and_nothing_is_left_where_they_are_not(path):
    for state in ({1: 2}, {"a": [{"__array__": 0}]}):
        with pytest.raises(ValueError, match="strings as keys.*Received"):
            write_state(path, KIND, state)
    with pytest.raises(TypeError):
        write_state(path, KIND, {"a": object()})
    for words in (np.array(["a"]), np.array([b"a"]), np.array([None])):
        with pytest.raises(ValueError, match="Arrays of a state must have numbers"):
            write_state(path, KIND, {"a": words})
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("dtype", [">f8", ">i4", "float8_e5m2", "complex64", "M8[s]"])
def test_arrays_of_rare_types_keep_their_values(path, dtype):
    array = np.array([0, 1, 2, 3]).astype(dtype)
    write_state(path, KIND, {"a": array})
    found = read_state(path, KIND)["a"]
    assert found.dtype.name == array.dtype.name and found.dtype.isnative
    assert found.astype("complex64" if dtype == "complex64" else "int64").tolist() == [
        *(0, 1, 2, 3)
    ]


# Files that somebody made


STATE = {"a": np.arange(6.0).reshape(2, 3), "b": [np.ones(2, "int8"), {"c": 1}]}


def parts_of(path):
    """Return a dict of name → content of a file's parts."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, parts, compression=zipfile.ZIP_STORED):
    """Write a file with these parts, a dict or a list of pairs."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in parts.items() if isinstance(parts, dict) else parts:
            archive.writestr(name, content)


def array_part(header, content=b""):
    """Return the bytes of an array with a header of its own."""
    header = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def with_header(parts, **changes):
    header = {**json.loads(parts["kcomponents.json"]), **changes}
    return {**parts, "kcomponents.json": json.dumps(header)}


def test_a_file_packed_anew_is_read(path):
    write_state(path, KIND, STATE)
    pack(path, dict(reversed(parts_of(path).items())))
    np.testing.assert_equal(read_state(path, KIND), STATE)


def of_descr(descr, shape="(6,)", content=bytes(48)):
    form = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    return lambda parts: {**parts, "0.npy": array_part(form, content)}


MADE = {
    "another part": lambda parts: {**parts, "2.npy": parts["0.npy"]},
    "a missing part": lambda parts: {k: v for k, v in parts.items() if k != "1.npy"},
    "a path": lambda parts: {**parts, "../../2.npy": b""},
    "a folder": lambda parts: {**parts, "folder/": b""},
    "a part twice": lambda parts: [*parts.items(), ("0.npy", parts["0.npy"])],
    "an array twice": lambda parts: with_header(
        parts, state=[{"__array__": 0}, {"__array__": 0}, {"__array__": 1}]
    ),
    "no array": lambda parts: with_header(parts, state=[{"__array__": 0}]),
    "an index of -1": lambda parts: with_header(
        parts, state=[{"__array__": 0}, {"__array__": -1}]
    ),
    "an index of True": lambda parts: with_header(
        parts, state=[{"__array__": 0}, {"__array__": True}]
    ),
    "other types": lambda parts: with_header(parts, dtypes=["float64", "int16"]),
    "no types": lambda parts: with_header(parts, dtypes="ab"),
    "code as a type": lambda parts: with_header(parts, dtypes=["float64", "i1,i1"]),
    "a huge shape": of_descr("'<f8'", "(6000000000000,)"),
    "no side": of_descr("'<f8'", "(-1, -6)"),
    "objects": of_descr("'|O'"),
    "records": of_descr("[('a', '<f8')]"),
    "code as a shape": of_descr("'<f8'", "(2*3,)"),
    "deep code": of_descr("'<f8'", "-" * 9000 + "1"),
    "too few bytes": of_descr("'<f8'", "(6,)", bytes(47)),
    "deep lists": lambda parts: with_header(
        parts, state=json.loads("[" * 200 + "]" * 200)
    ),
}


@pytest.mark.parametrize("change", MADE.values(), ids=MADE)
def test_a_file_that_somebody_made_is_refused(path, change):
    write_state(path, KIND, STATE)
    parts = change(parts_of(path))
    with warnings.catch_warnings():
        # `zipfile` warns of names that are there twice.
        warnings.simplefilter("ignore")
        pack(path, parts)
    with pytest.raises(DamagedFileError, match="Received: path="):
        read_state(path, KIND)


def peak_of(call):
    """Return the most bytes that a call needed."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, "overlap"]
)
def test_a_small_file_is_never_unpacked_to_a_large_one(path, packing):
    zeros = np.zeros(2**23, "uint8")
    write_state(path, KIND, [zeros])
    if packing == "overlap":
        # All names lead to the same bytes.
        with zipfile.ZipFile(path, "a") as archive:
            first = archive.getinfo("0.npy")
            for index in range(1, 40):
                again = copy.copy(first)
                again.filename = f"{index}.npy"
                archive.filelist.append(again)
                archive.NameToInfo[again.filename] = again
            archive.writestr("end", "")
    else:
        pack(path, parts_of(path), packing)

    def refused():
        with pytest.raises(DamagedFileError):
            read_state(path, KIND)

    assert peak_of(refused) < 2**20


@pytest.mark.parametrize("parts", [{"d": int}, {"b": dict}])
def test_a_part_that_is_missing_is_an_error_before_training(tmp_path, parts):
    path = tmp_path / "state.npz"
    write_state(path, KIND, STATE)
    Generations(path, KIND, {"b": list}).check()
    with pytest.raises(DamagedFileError, match="Move it away"):
        Generations(path, KIND, parts).check()


def test_a_folder_in_place_of_the_last_state_is_put_aside(files):
    files.write(0)
    os.replace(files.path, f"{files.path}.previous")
    os.mkdir(files.path)
    with pytest.warns(RuntimeWarning, match="the previous state is used"):
        assert list(files.read()) == [0]
    assert names(files) == ["state.npz.damaged", "state.npz.previous"]


def test_a_folder_that_appears_during_training_costs_no_state(files):
    files.write(0)
    files.write(1)
    os.remove(files.path)
    os.mkdir(files.path)
    with pytest.warns(RuntimeWarning, match="Could not write a test.*not a folder"):
        files.write_or_warn(2)
    assert names(files) == ["state.npz", "state.npz.previous"]


# Links, names and permissions


def test_a_linked_state_stays_a_link_and_its_files_are_where_it_leads(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "state.npz"
    link.symlink_to("disk/kept.npz")
    files = Generations(link, KIND)
    for state in range(3):
        files.write(state)
    assert list(Generations(os.fsencode(link), KIND).read()) == [2, 1]
    assert link.is_symlink() and sorted(os.listdir(tmp_path)) == ["disk", "state.npz"]
    kept = ["kept.npz", "kept.npz.previous"]
    assert sorted(os.listdir(tmp_path / "disk")) == kept


def test_links_in_a_loop_are_an_error_before_training(tmp_path):
    (tmp_path / "state.npz").symlink_to("state.npz")
    files = Generations(tmp_path / "state.npz", KIND)
    for use in (files.check, lambda: list(files.read())):
        with pytest.raises(OSError, match="form a loop"):
            use()


def test_a_link_in_place_of_the_previous_state_is_not_followed(files, tmp_path):
    (tmp_path / "other").mkdir()
    victim = tmp_path / "other" / "victim"
    victim.write_text("kept")
    files.write(0)
    for ending in (".previous", ".new"):
        os.symlink(victim, f"{files.path}{ending}")
    files.write(1)
    assert victim.read_text() == "kept" and list(files.read()) == [1, 0]


def test_both_states_keep_the_mode_of_the_first(files):
    files.write(0)
    os.chmod(files.path, 0o600)
    for state in (1, 2):
        files.write(state)
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in files.paths]
    assert modes == [0o600, 0o600]


def test_states_of_a_long_name_are_kept(tmp_path):
    name = "x" * 251 + ".npz"
    files = Generations(tmp_path / name, KIND)
    files.check()
    for state in range(3):
        files.write(state)
    assert list(files.read()) == [2, 1] and len(os.listdir(tmp_path)) == 2
    with open(files.path, "wb") as file:
        file.write(b"garbled")
    with pytest.warns(RuntimeWarning, match="the previous state is used"):
        assert list(files.read()) == [1]
    files.remove()
    assert len(os.listdir(tmp_path)) == 1


def test_a_name_that_is_too_long_is_an_error_before_training(tmp_path):
    with pytest.raises(OSError, match="This path is too long, or a name in it. Choose"):
        Generations(tmp_path / ("x" * 256), KIND).check()


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


@pytest.mark.parametrize("kill_at", range(3))
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
    if kill_at < 2:
        with pytest.raises(Killed):
            files.write(2)
    else:
        files.write(2)
    monkeypatch.undo()
    # First the old state is still the last one, then it is only the previous one, and
    # finally the new state is the last one.
    assert list(files.read()) == [[1, 0], [1], [2, 1]][kill_at]
    files.write(3)
    assert next(files.read()) == 3


def test_what_a_killed_process_was_writing_is_cleared_away(files):
    files.write(0)
    folder, name = os.path.split(files.path)
    torn = os.path.join(folder, f".{name}.0123abcd.tmp")
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
    with pytest.raises(OSError, match="No file can be written to this folder .*file"):
        files.check()
    assert _state_file.check_writable(tmp_path / "new" / "folder") is None
    assert os.listdir(tmp_path / "new" / "folder") == []
