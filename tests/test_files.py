"""Files that are never half-written, and plain values as strict JSON."""

import json
import os
import stat

import numpy as np
import pytest

from kcomponents import _files, _json_values


def strict(text):
    """Parse JSON and reject what is not in its standard, such as NaN."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("content", ["é\n", b"\x00\xff"])
def test_a_file_is_written_whole_and_replaces_the_old_one(tmp_path, content):
    path = tmp_path / "a"
    path.write_text("something longer that stood there before")
    _files.write_whole(path, content)
    raw = content.encode() if isinstance(content, str) else content
    assert path.read_bytes() == raw and os.listdir(tmp_path) == ["a"]


def test_others_may_read_a_file_as_far_as_the_umask_lets_them(tmp_path):
    umask = os.umask(0o022)
    try:
        _files.write_whole(tmp_path / "a", "x")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "a")
    _files.write_whole(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "a").read_text() == "x"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, step
):
    def full(*_):
        raise OSError("disk full")

    path = tmp_path / "a"
    path.write_text("old")
    monkeypatch.setattr(_files.os, step, full)
    with pytest.raises(OSError, match="disk full"):
        _files.write_whole(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a"]


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No folder .*nowhere'. Create it"):
        _files.write_whole(tmp_path / "nowhere" / "a", "x")


def test_lines_are_appended_with_their_newline(tmp_path):
    for text in ("one", "", "zwölf"):
        _files.append_line(tmp_path / "a", text)
    assert (tmp_path / "a").read_bytes() == "one\n\nzwölf\n".encode()


@pytest.mark.parametrize("torn", ["x", "two\ntorn", "two\n", "ö" * 5000])
def test_a_torn_line_is_cut_off_before_the_next(tmp_path, torn):
    path = tmp_path / "a"
    path.write_bytes(b"one\n" + torn.encode()[:-1])
    whole = path.read_bytes().rpartition(b"\n")[0] + b"\n"
    _files.append_line(path, "next")
    assert path.read_bytes() == whole + b"next\n"


def test_a_file_of_one_torn_line_is_begun_anew(tmp_path):
    (tmp_path / "a").write_text("torn")
    _files.append_line(tmp_path / "a", "next")
    assert (tmp_path / "a").read_text() == "next\n"


def test_two_lines_are_refused_as_one(tmp_path):
    with pytest.raises(ValueError, match="`text` must be one line. Received: text="):
        _files.append_line(tmp_path / "a", "one\ntwo")
    assert not (tmp_path / "a").exists()


def test_a_line_that_the_disk_took_in_part_is_an_error_and_cut_off_later(tmp_path):
    resource = pytest.importorskip("resource", reason="Windows limits no file sizes")
    signal = pytest.importorskip("signal")
    path = tmp_path / "a"
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, old[1]))
    try:
        _files.append_line(path, "one")
        with pytest.raises(OSError, match="Only part of a line was written to"):
            _files.append_line(path, "x" * 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_text() == "one\nxxxxxx"
    _files.append_line(path, "two")
    assert path.read_text() == "one\ntwo\n"


def test_text_is_read_with_its_newlines_as_they_are(tmp_path):
    (tmp_path / "a").write_bytes("ä\r\nb\n".encode())
    assert _files.read_text(tmp_path / "a") == "ä\r\nb\n"


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No file 'nothing.jsonl' .*Check the"):
        _files.read_text("nothing.jsonl")
    with pytest.raises(ValueError, match="a file, not a folder. Received: path="):
        _files.read_text(tmp_path)
    (tmp_path / "a").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not UTF-8 text .* Received: path='.*a'"):
        _files.read_text(tmp_path / "a")


VALUES = [
    float("nan"),
    [float("inf"), [-float("inf"), -0.0, 5e-324, 1.7976931348623157e308]],
    {"": None, "nan": [True, 1, 0.1, "ü\u2028\n"]},
    ["nan", "'nan", "''-inf", "inf", "Infinity", "'", "NaN"],
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_json_gives_back_what_it_took_and_is_strict(value):
    text = _json_values.to_json(value)
    assert "\n" not in text and text.isascii()
    strict(text)
    back = _json_values.from_json(text)
    np.testing.assert_equal(back, value)
    assert repr(back) == repr(value)


def test_numbers_that_are_not_finite_are_spelled_out():
    text = _json_values.to_json([float("nan"), float("inf"), -float("inf"), "inf"])
    assert text == '["nan", "inf", "-inf", "\'inf"]'


def test_plain_values_of_numpy_become_those_of_python():
    value = {"a": np.float32(0.5), "b": (np.int64(2), np.array([[True]])), "c": "x"}
    assert repr(_json_values.plain(value)) == "{'a': 0.5, 'b': [2, [[True]]], 'c': 'x'}"


@pytest.mark.parametrize("value", [{1: 2}, {"a": object()}, [{1, 2}], 1j, b"x"])
def test_what_json_does_not_know_is_refused(value):
    with pytest.raises(ValueError, match="dicts with string keys.*Received: val"):
        _json_values.plain(value)
