"""Readers of files: of whatever a file holds, a result or a message, and no more."""

import contextlib
import functools
import io
import json
import os
import pathlib
import time
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcomponents import doctor
from kcomponents.__main__ import main
from kcomponents.record import Record
from tests import random_cases
from tests.fuzz import readers
from tests.fuzz.hostile import MARKUP, TEXTS, nested, text, tries
from tests.fuzz.refusing import refusal
from tests.fuzz.tampering import damaged, tampered
from tests.report import records

SICK, HEALTHY = records.sick()[1].to_dict(), records.healthy(epochs=4)[1].to_dict()
# What a file holds is refused by the package, in its own words.
refused = functools.partial(refusal, ours=True)
del SICK["readings"][3:], SICK["logs"][4:]


def content(data):
    """Return a record as the bytes of its file, whatever its parts are."""
    lines = [{"version": data.get("version"), "structure": data.get("structure")}]
    lines += [{"reading": part} for part in data.get("readings") or ()]
    lines += [{"logs": part} for part in data.get("logs") or ()]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def run(*arguments):
    """Return the status of a command, and what it said to whom."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["report", *arguments])
    return status, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def file_of(bytes_of):
    """Return a context with a file, which must be as it was when it ends, and alone."""
    path = pathlib.Path("run.jsonl")
    path.write_bytes(bytes_of)
    yield str(path)
    assert path.read_bytes() == bytes_of
    path.unlink()
    assert os.listdir() == []


def told(record):
    """Examine a record, and let the diagnosis be told in all plain ways."""
    found = doctor.examine(record)
    assert found.verdict in doctor.VERDICTS and str(found.sentence)
    json.dumps(found.to_dict())
    assert all(map(str, found.findings))


@tries(70)
@given(data=st.one_of(tampered(SICK), tampered(HEALTHY)))
def test_a_record_of_a_stranger_is_examined_or_refused(data):
    found = []
    error = refused(lambda: found.append(Record.from_dict(data.value)))
    if error is None:
        refused(lambda: told(found[0]))
        # NaN is not equal to itself.
        again = Record.from_dict(found[0].to_dict())
        assert repr(again.to_dict()) == repr(found[0].to_dict())


@tries(40)
@given(first=tampered(SICK), second=tampered(HEALTHY))
def test_two_records_of_strangers_are_compared_or_refused(first, second):
    def compared():
        doctor.compare(Record.from_dict(first.value), Record.from_dict(second.value))

    refused(compared, names=["structure", "reading", "logs"])


@tries(70)
@given(hurt=damaged(content(HEALTHY)))
def test_a_damaged_file_is_read_or_refused(hurt):
    with file_of(hurt.value) as path:
        found = []
        error = refused(lambda: found.append(Record.load(path)), names=[path])
        if error is None:
            refused(lambda: told(found[0]))


@tries(40)
@given(hurt=st.one_of(damaged(content(SICK)), damaged(b"")))
def test_the_command_says_what_is_wrong_with_a_file(hurt):
    with file_of(hurt.value) as path:
        for arguments in ([path], ["--json", path]):
            status, out, err = run(*arguments)
            good, bad = (0, True, False), (2, False, True)
            assert (status, bool(out), bool(err)) in (good, bad)
            assert "Traceback" not in err and err.count("\n") == (status == 2)


@tries(40)
@given(data=tampered(SICK))
def test_the_command_tells_of_a_record_of_a_stranger(data):
    try:
        bytes_of = content(data.value)
    except (TypeError, AttributeError):
        # Nothing that could be a file.
        return
    with file_of(bytes_of) as path:
        status, out, err = run(path)
        assert status == (2 if err else 0) and "Traceback" not in err
        assert "\x1b" not in out and "\x07" not in out and "\u202e" not in out


@tries(40)
@given(names=st.lists(text(), min_size=1, max_size=3))
def test_the_command_refuses_files_that_are_not_there(names):
    status, out, err = run("--", *names)
    assert status == 2 and not out
    assert "Traceback" not in err


@pytest.mark.parametrize("kind", [list, dict])
@pytest.mark.parametrize("depth", [90, 101, 400, 50_000])
def test_nesting_without_end_is_refused(kind, depth):
    opened, closed = {list: ("[", "]"), dict: ('{"a": ', "}")}[kind]
    deep = opened * depth + ("" if kind is list else "1") + closed * depth
    lines = f'{{"version": 1, "structure": {{"notes": {deep}}}}}\n'
    with file_of(lines.encode()) as path:
        found = []
        error = refused(lambda: found.append(Record.load(path)), names=[path])
        assert (error is None) == (depth == 90)
        if error is None:
            told(found[0])
            assert run(path)[0] == 0


def test_every_hostile_text_is_kept_as_it_is():
    record = Record({"notes": list(TEXTS), "deep": nested(list, 40)})
    record.add_logs(0, {name: 1.0 for name in MARKUP})
    record.save("run.jsonl")
    assert Record.load("run.jsonl").to_dict() == record.to_dict()
    os.remove("run.jsonl")


# All readers, by a sample of what `python -m tests.fuzz.readers` tries

TRAINS = ("early stopping", "resume", "best state")
OTHERS = [
    pytest.param(
        name,
        marks=pytest.mark.any_backend,
    )
    for name in readers.READERS
    if name not in TRAINS
]


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        readers.make_good_files(folder)
    return readers.load_good_files(folder)


@pytest.fixture
def attacker_of(good_files, tmp_path_factory):
    """Return a function that returns the attacker of a reader."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield lambda name: readers.Attacker(
            name, good_files, tmp_path_factory.mktemp("sandbox"), seed=1
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TRAINS, *OTHERS])
def test_a_mutated_file_is_read_right_or_refused(attacker_of, name):
    attacker = attacker_of(name)
    cuts = range(-1, -len(attacker.cuts), -len(attacker.cuts) // 5)
    count = random_cases.cases(6 if name in TRAINS else 60, 2000)
    outcomes = [attacker.attack(index) for index in (*cuts, *range(count))]
    assert [o for o in outcomes if o["outcome"] == "failed"] == []
    assert any(o["outcome"] == "refused" for o in outcomes)


def raise_key_error(path):
    raise KeyError(str(path))


def raise_without_the_name(path):
    raise ValueError("damaged")


def write_beside(path):
    path.with_name("new").touch()


def write_to_others(path):
    (path.parents[1] / "victim" / "file").write_text("changed")


BAD = {
    raise_key_error: "KeyError",
    raise_without_the_name: "ValueError at test_readers.py",
    write_beside: "changed",
    write_to_others: "changed",
    lambda path: time.sleep(9): "more than 2 seconds",
    lambda path: len(b"a" * 100_000_000): "bytes of memory",
    lambda path: path.read_bytes()[:20]: "another value",
}


@pytest.mark.parametrize("read", BAD)
def test_a_bad_reader_is_found(attacker_of, monkeypatch, read):
    attacker = attacker_of("state")
    monkeypatch.setattr(readers, "LONGEST", 2)
    monkeypatch.setattr(attacker.reader, "read", read)
    outcome = attacker.attack(-9)
    assert outcome["outcome"] == "failed" and BAD[read] in outcome["detail"]
