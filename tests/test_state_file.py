"""State files: values are restored exactly, and damaged files are rejected."""

import math
import os
import zipfile

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents._state_file import Damaged, opened_state, read_state, write_state

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
    with opened_state(path, KIND) as (state, arrays):
        assert len(state) == 2 and arrays[1].tolist() == [1, 1]


def test_a_file_cut_off_anywhere_is_refused_and_kept(path):
    write_state(path, KIND, {"a": np.arange(100), "b": 1})
    whole = path.read_bytes()
    for size in [0, 1, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(Damaged, match="or of another kind.*Received: path="):
            read_state(path, KIND)
        assert path.read_bytes() == whole[:size]


def test_a_flipped_bit_is_noticed(path):
    write_state(path, KIND, {"a": np.arange(100)})
    whole = bytearray(path.read_bytes())
    whole[400] ^= 1
    path.write_bytes(whole)
    with pytest.raises(Damaged):
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
    with pytest.raises(Damaged, match="Move it away"):
        read_state(path, KIND)


def test_keys_must_be_strings_and_nothing_is_left_where_they_are_not(path):
    with pytest.raises(ValueError, match="strings as keys.*Received"):
        write_state(path, KIND, {1: 2})
    with pytest.raises(TypeError):
        write_state(path, KIND, {"a": object()})
    assert os.listdir(path.parent) == []
