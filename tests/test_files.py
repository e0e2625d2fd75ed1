"""Files that are never half-written, and plain values as strict JSON."""

import contextlib
import errno
import json
import os
import pathlib
import re
import socket
import stat

import numpy as np
import pytest

from kcomponents import _files, _json_values, report
from kcomponents.callbacks import EarlyStopping, Resume, TrainingDoctor
from kcomponents.record import Record

pytestmark = pytest.mark.any_backend


def mode_of(path):
    """Return the permission bits of a file."""
    return stat.S_IMODE(os.stat(path).st_mode)


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


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444, 0o700])
def test_a_rewritten_file_keeps_its_mode(tmp_path, mode):
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(mode)
    _files.write_whole(path, "new")
    assert path.read_text() == "new" and mode_of(path) == mode


def test_a_private_file_is_private_while_it_is_written(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o600)
    with _files.whole_file(path) as file:
        file.write(b"secret")
        assert [mode_of(tmp_path / name) for name in os.listdir(tmp_path)] == [
            0o600
        ] * 2


needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root can give a file to another user",
)


@needs_root
def test_a_rewritten_file_keeps_its_owner_and_group(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    os.chown(path, 12345, 12346)
    path.chmod(0o640)
    _files.write_whole(path, "new")
    status = path.stat()
    assert (status.st_uid, status.st_gid, mode_of(path)) == (12345, 12346, 0o640)


@needs_root
@pytest.mark.parametrize("mode, kept", [(0o640, 0o600), (0o664, 0o644), (0o666, 0o666)])
def test_another_group_gets_no_more_rights_than_everybody(
    tmp_path, monkeypatch, mode, kept
):
    def forbidden(*_):
        raise PermissionError(errno.EPERM, "not permitted")

    path = tmp_path / "a"
    path.write_text("old")
    os.chown(path, -1, 12346)
    path.chmod(mode)
    monkeypatch.setattr(os, "fchown", forbidden)
    _files.write_whole(path, "new")
    assert path.read_text() == "new" and mode_of(path) == kept


def test_a_rewritten_file_keeps_its_attributes(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    try:
        os.setxattr(path, "user.project", b"digits")
    except (AttributeError, OSError):
        pytest.skip("This file system has no extended attributes.")
    _files.write_whole(path, "new")
    assert os.getxattr(path, "user.project") == b"digits"


def test_a_link_to_nothing_yet_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/a")
    for content in ("x", "y"):
        _files.write_whole(tmp_path / "link", content)
        assert (tmp_path / "folder" / "a").read_text() == content
    assert (tmp_path / "link").is_symlink() and os.listdir(tmp_path / "folder") == ["a"]


def test_links_in_a_loop_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for use in (
        lambda path: _files.write_whole(path, "x"),
        lambda path: _files.append_line(path, "x"),
        lambda path: list(_files.read_lines(path)),
    ):
        with pytest.raises(OSError, match="links at this path form a loop.*'.*a'"):
            use(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "😀" * 63 + "abc"])
def test_a_name_may_be_as_long_as_the_file_system_lets_it(tmp_path, name):
    path = tmp_path / name
    for content in ("old", "new"):
        _files.write_whole(path, content)
    _files.append_line(path, " line")
    assert path.read_text() == " line\n" and os.listdir(tmp_path) == [name]
    others = [_files.beside(str(path), ending) for ending in (".previous", ".damaged")]
    for other in others:
        pathlib.Path(other).write_text("x")
    assert len({str(path), *others}) == 3
    _files.remove_torn(path)
    assert len(os.listdir(tmp_path)) == 3


def test_long_names_that_begin_alike_have_files_of_their_own(tmp_path):
    paths = [str(tmp_path / ("x" * 254 + end)) for end in "ab"]
    assert len({_files.beside(path, ".previous") for path in paths}) == 2
    assert _files.beside(paths[0], ".p") == _files.beside(paths[0], ".p")
    assert _files.beside("a/b", ".previous") == "a/b.previous"


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(OSError, match="This path is too long, or a name in it. Choose"):
        _files.write_whole(tmp_path / ("x" * 256), "x")
    assert os.listdir(tmp_path) == []


PATHS = [os.fsencode, os.fsdecode, pathlib.Path]


@pytest.mark.parametrize("kind", PATHS, ids=["bytes", "str", "Path"])
def test_a_path_may_be_text_or_bytes_or_an_object(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    _files.write_whole(kind("ä"), "one\n")
    _files.append_line(kind("ä"), "two")
    assert list(_files.read_lines(kind("ä"))) == ["one", "two"]
    assert _files.full_path("path", kind("ä")) == str(tmp_path / "ä")


@pytest.mark.parametrize(
    "path",
    ["", b"", "a\0b", b"\0", 3, None, ["a"], True, "\ud800", object()],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_a_path_is_refused(path):
    rule = "`here` must be the path of a folder: .* Received: here="
    with pytest.raises(ValueError, match=rule):
        _files.full_path("here", path, "folder")


def changes_of(path):
    """Return what shows that something at a path was replaced or written to."""
    stat = os.lstat(path)
    # Without the time of the last access, since following a link is an access.
    return stat.st_mode, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@contextlib.contextmanager
def not_a_file(kind, path):
    """Return a context with something at a path that is not a file."""
    with contextlib.ExitStack() as opened:
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            server = opened.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(os.path.relpath(path))
        else:
            path.symlink_to(f"/dev/{kind}")
        yield


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "zero", "null"])
def test_what_is_not_a_file_is_neither_read_nor_replaced(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a"
    with not_a_file(kind, path):
        before = changes_of(path)
        for use in (
            lambda: _files.write_whole(path, "x"),
            lambda: _files.append_line(path, "x"),
            lambda: _files.open_file(path),
            lambda: list(_files.read_lines(path)),
        ):
            with pytest.raises(_files.NotAFileError, match="`path` must name a file, "):
                use()
        assert changes_of(path) == before and os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EXDEV, errno.EACCES, errno.EROFS]
)
@pytest.mark.parametrize("old", [True, False])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, step, number, old
):
    def fails(*_):
        raise OSError(number, os.strerror(number))

    path = tmp_path / "a"
    if old:
        path.write_text("old")
    monkeypatch.setattr(_files.os, step, fails)
    with pytest.raises(OSError, match=os.strerror(number)):
        _files.write_whole(path, "new")
    assert os.listdir(tmp_path) == ["a"] * old
    assert not old or path.read_text() == "old"


def test_the_old_file_can_be_kept_beside_the_new_one(tmp_path):
    path, previous = tmp_path / "a", str(tmp_path / "previous")
    for content in (b"one", b"two", b"three"):
        with _files.whole_file(path, previous) as file:
            file.write(content)
    assert path.read_bytes() == b"three"
    assert pathlib.Path(previous).read_bytes() == b"two"
    assert sorted(os.listdir(tmp_path)) == ["a", "previous"]


def test_a_file_can_be_replaced_by_one_that_others_write(tmp_path):
    path = tmp_path / "best.keras"
    path.write_text("old")
    path.chmod(0o600)
    with _files.whole_path(path, ".keras") as temporary:
        assert temporary.endswith(".keras")
        pathlib.Path(temporary).write_text("new")
    assert path.read_text() == "new" and mode_of(path) == 0o600
    assert os.listdir(tmp_path) == ["best.keras"]


def test_only_files_that_a_killed_process_left_are_removed(tmp_path):
    torn = [".a.0123abcd.tmp", ".a.ffffffff.tmp"]
    others = ["a", ".a.b.0123abcd.tmp", ".a.notahash.tmp", ".b.0123abcd.tmp", ".a.tmp"]
    for name in (*torn, *others):
        (tmp_path / name).write_text("x")
    _files.remove_torn(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == sorted(others)


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


@pytest.mark.parametrize(
    "content, lines",
    [
        ("", []),
        ("torn", []),
        ("\n", [""]),
        ("ä\r\nb\ntorn", ["ä\r", "b"]),
        ("\ufeffa\n\ufeffb\n", ["a", "\ufeffb"]),
        ("a\x0bb\u2028c\n", ["a\x0bb\u2028c"]),
    ],
)
def test_the_complete_lines_of_a_file_are_read(tmp_path, content, lines):
    (tmp_path / "a").write_bytes(content.encode())
    assert list(_files.read_lines(tmp_path / "a")) == lines


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="No file '/.*/nothing'. Check the path"
    ):
        _files.open_file("nothing")
    (tmp_path / "a").write_bytes(b"\xff\xfe\n")
    with pytest.raises(ValueError, match="not UTF-8 text .* Received: path='.*a'"):
        list(_files.read_lines(tmp_path / "a"))


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "LONGEST_LINE", 1000)
    path = tmp_path / "a"
    path.write_text("x" * 999 + "\n" + "y" * 999)
    assert list(_files.read_lines(path)) == ["x" * 999]
    path.write_text("short\n")
    # One gigabyte that takes no room on the disk.
    os.truncate(path, 2**30)
    lines = _files.read_lines(path)
    assert next(lines) == "short"
    with pytest.raises(
        ValueError, match="A line must have less than 1000 bytes.*'.*a'"
    ):
        next(lines)


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


@pytest.mark.parametrize("text", ["[NaN, -Infinity]", '["nan", "-inf"]'])
def test_both_spellings_of_nan_and_infinity_are_read(text):
    np.testing.assert_equal(_json_values.from_json(text), [np.nan, -np.inf])


@pytest.mark.parametrize(
    "text",
    [
        *('{"a": 1, "a": 2}', '[{"b": {"c": 1, "c": 1}}]', "\ufeff1", "-nan", "nan"),
        *("", "{", "[1 2]", "9" * 5000, "'a'", "1_000", "0x1", "[,]", "01", "1.e1"),
        *("[" * 112 + "]" * 112, "[" * 200_000, '{"a":' * 5000 + "1" + "}" * 5000),
    ],
    ids=lambda text: text[:20] or "empty",
)
def test_a_text_that_is_not_our_json_is_refused(text):
    with pytest.raises(ValueError):
        _json_values.from_json(text)


def nested(depth):
    """Return a number in so many lists."""
    return [nested(depth - 1)] if depth else 1


@pytest.mark.parametrize(
    ("convert", "deepest"),
    [(_json_values.plain, 100), (lambda x: _json_values.floats("x", x), 100)],
)
def test_values_may_be_nested_a_hundred_deep(convert, deepest):
    assert convert(nested(deepest)) == nested(deepest)
    with pytest.raises(ValueError, match="not be nested more than 100 deep"):
        convert(nested(deepest + 1))


def test_what_is_nested_too_deep_to_be_read_is_not_written():
    value = nested(111)
    assert _json_values.from_json(_json_values.to_json(value)) == value
    with pytest.raises(ValueError, match="must not be nested more than 100 deep"):
        _json_values.to_json([value])


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


# What the package writes files of


WRITERS = {
    "Resume": lambda path: Resume(path).backup_dir,
    "EarlyStopping best_path": lambda path: (
        EarlyStopping(restore_best_weights=True, best_path=path).best_path
    ),
    "EarlyStopping state_path": lambda path: EarlyStopping(state_path=path).state_path,
    "TrainingDoctor": lambda path: TrainingDoctor(record_path=path).record_path,
    "Record": lambda path: Record(path=path).path,
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("kind", PATHS, ids=["bytes", "str", "Path"])
def test_every_writer_takes_each_kind_of_path(tmp_path, monkeypatch, writer, kind):
    monkeypatch.chdir(tmp_path)
    assert writer(kind("ä")) == str(tmp_path / "ä")


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("path", ["", b"", "a\0b", 3])
def test_every_writer_refuses_what_is_not_a_path(writer, path):
    with pytest.raises(ValueError, match="must be the path of a .* Received: "):
        writer(path)


def test_pages_are_written_to_each_kind_of_path(tmp_path):
    record = Record()
    for path in (tmp_path / "a.html", os.fsencode(tmp_path / "b.html")):
        page = report.to_html(None, record, path)
        assert pathlib.Path(os.fsdecode(path)).read_text("utf-8") == page
        report.compare([record, record], path=path)
    with pytest.raises(ValueError, match="`path` must be the path of a file"):
        report.to_html(None, record, "a\0b")
    with pytest.raises(_files.NotAFileError, match="`path` must name a file, "):
        report.to_html(None, record, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["a.html", "b.html"]


def test_a_page_in_place_of_a_private_one_is_private(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    path.chmod(0o600)
    report.to_html(None, Record(), path)
    assert mode_of(path) == 0o600


# Calls that can write a file, and where the package may have them.
WRITES = re.compile(
    r"(?<![.\w])(?<!def )open\(|os\.(?:open|replace|rename)\(|write_(?:text|bytes)\("
    r"|savez|NamedTemporaryFile|mkstemp|(?:np|numpy)\.save\("
)
ALLOWED = {
    "_files.py": "the one writer of whole files and of lines",
    "_state_file.py": "moves a damaged file away",
    "callbacks/_training_state.py": "the table of `CSVLogger`, which Keras writes",
    "tuning/_storage/backend.py": "appends to the journal of a search",
    "tuning/_storage/presence.py": "lock files, which are empty",
    "tuning/_workers/processes.py": "the log of a worker is open while it runs",
}


def test_files_are_written_in_one_place():
    root = pathlib.Path(_files.__file__).parent
    sources = {p.relative_to(root).as_posix(): p for p in root.rglob("*.py")}
    found = {
        name
        for name, path in sources.items()
        for line in path.read_text("utf-8").splitlines()
        if WRITES.search(line)
    }
    assert sorted(found - ALLOWED.keys()) == []
