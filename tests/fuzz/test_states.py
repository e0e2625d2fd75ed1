"""State files: whole ones are read, all others are refused and stay as they are."""

import json
import os
import pathlib
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcomponents._state_file import (
    DamagedFileError,
    Generations,
    read_state,
    write_state,
)
from tests.fuzz.hostile import tries
from tests.fuzz.refusing import refusal
from tests.fuzz.tampering import damaged, tampered

pytestmark = pytest.mark.any_backend

KIND = "a test"
STATE = {"epoch": 3, "best": 0.5, "values": [np.arange(6.0), np.ones(2, "int8")]}
STATE["history"] = {"loss": [1.0, float("nan")], "words": ["nan", "a"]}


def whole():
    """Return the bytes of a good file."""
    write_state("good", KIND, STATE)
    content = pathlib.Path("good").read_bytes()
    os.remove("good")
    return content


def header_of(content):
    """Return the JSON of a good file, as a dict."""
    pathlib.Path("good").write_bytes(content)
    with zipfile.ZipFile("good") as archive:
        found = json.loads(archive.read("kcomponents.json"))
    os.remove("good")
    return found


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("good"))
    yield whole()
    os.chdir(before)


def same(found):
    """See that what was read is what was written."""
    np.testing.assert_equal(found, STATE)


@tries(80)
@given(data=st.data())
def test_a_damaged_state_is_what_it_was_or_refused(good, data):
    hurt = data.draw(damaged(good)).value
    pathlib.Path("state").write_bytes(hurt)
    found = []
    error = refusal(lambda: found.append(read_state("state", KIND)), ours=True)
    assert error is None or isinstance(error, DamagedFileError)
    if error is None:
        same(found[0])
    assert pathlib.Path("state").read_bytes() == hurt
    os.remove("state")


@tries(70)
@given(data=st.data())
def test_a_state_of_a_stranger_is_read_or_refused(good, data):
    header = data.draw(tampered(header_of(good))).value
    with zipfile.ZipFile("state", "w") as archive:
        for index, array in enumerate(STATE["values"]):
            with archive.open(f"{index}.npy", "w") as member:
                np.lib.format.write_array(member, array)
        archive.writestr("kcomponents.json", json.dumps(header))
    error = refusal(lambda: read_state("state", KIND), ours=True)
    assert error is None or isinstance(error, DamagedFileError)
    os.remove("state")


@tries(40)
@given(data=st.data())
def test_of_two_states_the_one_before_serves_where_the_last_is_damaged(good, data):
    hurt = data.draw(damaged(good)).value
    pathlib.Path("state").write_bytes(hurt)
    pathlib.Path("state.previous").write_bytes(good)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        states = list(Generations("state", KIND).read())
    same(states[-1])
    aside = [name for name in os.listdir() if name.startswith("state.damaged")]
    assert len(states) + len(aside) == 2
    assert all(pathlib.Path(name).read_bytes() == hurt for name in aside)
    for name in os.listdir():
        os.remove(name)


@pytest.mark.parametrize("parts", [{"steps": int}, {"epoch": str}, {"values": dict}])
def test_a_state_without_a_part_that_must_be_there_is_refused(good, parts):
    pathlib.Path("state").write_bytes(good)
    read = Generations("state", KIND, {"epoch": int, "values": list}).read()
    same(next(read))
    read = Generations("state", KIND, parts).read()
    assert isinstance(refusal(lambda: next(read), ours=True), DamagedFileError)
    assert os.listdir() == ["state"]
    os.remove("state")


def test_an_object_that_numpy_would_unpickle_is_refused(good):
    with zipfile.ZipFile("state", "w") as archive:
        with archive.open("0.npy", "w") as member:
            np.lib.format.write_array(member, np.array([Harm()], object))
        header = {**header_of(good), "state": {"a": {"__array__": 0}}}
        archive.writestr("kcomponents.json", json.dumps(header))
    assert isinstance(
        refusal(lambda: read_state("state", KIND), ours=True), DamagedFileError
    )
    assert os.listdir() == ["state"]
    os.remove("state")


class Harm:
    """What pickle would make a folder of."""

    def __reduce__(self):
        return os.mkdir, ("made",)
