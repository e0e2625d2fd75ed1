"""The command line: text, JSON and pages of records, plain words where it cannot."""

import json
import subprocess
import sys

import pytest

from kcomponents.__main__ import main
from kcomponents.record import Record
from kcomponents.report import to_html, to_text
from tests.report import records

pytestmark = pytest.mark.any_backend


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run.jsonl"
    records.healthy(epochs=5)[1].save(path)
    return path


def test_a_record_is_printed_as_text(run, capsys):
    assert main(["report", str(run)]) == 0
    out, err = capsys.readouterr()
    assert out == to_text(None, Record.load(run)) + "\n" and not err


def test_a_record_is_printed_as_json(run, capsys, tmp_path):
    assert main(["report", "--json", str(run)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["settings"]["optimizer"] == "Adam"
    assert main(["report", "--json", str(run), "-o", str(tmp_path / "j")]) == 0
    assert json.loads((tmp_path / "j").read_text()) == printed


def test_a_terminal_shows_colors(run, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    main(["report", str(run)])
    assert "\033[" in capsys.readouterr().out
    main(["report", "--json", str(run)])
    assert "\033[" not in capsys.readouterr().out


def test_a_record_becomes_a_page(run, capsys, tmp_path):
    path = tmp_path / "page.html"
    assert main(["report", str(run), "-o", str(path)]) == 0
    assert path.read_text("utf-8") == to_html(None, Record.load(run))
    assert capsys.readouterr() == ("", "")


def test_several_records_become_one_page(run, capsys, tmp_path):
    other, path = tmp_path / "other.jsonl", tmp_path / "both.html"
    records.sick()[1].save(other)
    both = [str(run), str(other)]
    assert main(["report", *both, "--output", str(path)]) == 0
    assert "2 runs side by side" in path.read_text("utf-8")
    assert main(["report", *both]) == 0
    text = capsys.readouterr().out
    assert "== run ==" in text and "== other ==" in text
    assert main(["report", *both, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_files_of_the_same_name_go_by_their_paths(run, capsys, tmp_path):
    other = tmp_path / "other" / "run.jsonl"
    other.parent.mkdir()
    records.sick()[1].save(other)
    assert main(["report", str(run), str(other)]) == 0
    assert f"== {other} ==" in capsys.readouterr().out


def test_a_torn_last_line_is_passed_over(run, capsys):
    with open(run, "a") as file:
        file.write('{"logs": {"epoch": 5, "lo')
    assert main(["report", str(run)]) == 0
    assert "epochs 5" in capsys.readouterr().out


def one_line(capsys):
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and err.endswith("\n")
    assert err.startswith("kcomponents report: ")
    return err


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "No file"),
        (b"", "empty or truncated"),
        (b"loss: 3\n", "cannot be read"),
        (b'{"version": 2, "structure": {}}\n', "version"),
        (b"[1, 2]\n", "version"),
        (b'{"version": 1, "structure": {}}\n{"other": 1}\n', "Line 2"),
        (b"\x89PNG\xff\n", "not UTF-8"),
        (b"[" * 100000 + b"\n", ""),
    ],
)
def test_what_is_no_record_gives_one_line_and_status_2(
    content, words, tmp_path, capsys
):
    path = tmp_path / "record"
    if content is not None:
        path.write_bytes(content)
    assert main(["report", str(path)]) == 2
    assert words in one_line(capsys)


def test_a_folder_is_no_record(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "not a folder" in one_line(capsys)


@pytest.mark.parametrize(
    "more",
    [
        ["-o", "x.pdf"],
        ["-o", "x.json"],
        ["--json", "-o", "x.html"],
        ["--json", "-o", "x.txt"],
    ],
)
def test_an_output_of_another_kind_is_refused_before_any_work(more, tmp_path, capsys):
    # The record is not even looked for.
    assert main(["report", str(tmp_path / "none.jsonl"), *more]) == 2
    printed = one_line(capsys)
    assert "must end in" in printed and f"output={more[-1]!r}" in printed


@pytest.mark.parametrize("name", ["page", "page.htm", "PAGE.HTML"])
def test_a_page_may_have_these_names(name, run, tmp_path):
    assert main(["report", str(run), "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_text("utf-8").startswith("<!DOCTYPE html>")


def test_a_record_named_twice_is_refused(run, capsys):
    assert main(["report", str(run), str(run), "-o", "x.html"]) == 2
    assert "twice" in one_line(capsys)


def test_a_page_that_cannot_be_written_gives_status_2(run, capsys, tmp_path):
    assert main(["report", str(run), "-o", str(tmp_path / "no" / "page")]) == 2
    assert "No folder" in one_line(capsys)


def test_a_missing_library_gives_status_2(run, capsys, tmp_path, monkeypatch):
    from kcomponents._pages import page

    monkeypatch.setitem(sys.modules, "jinja2", None)
    page._environment.cache_clear()
    assert main(["report", str(run), "-o", str(tmp_path / "page.html")]) == 2
    assert 'pip install "kcomponents[report]"' in one_line(capsys)


def test_help_lists_the_commands_and_their_arguments(capsys):
    assert main(["--help"]) == 0
    assert "report" in capsys.readouterr().out
    assert main(["report", "--help"]) == 0
    printed = capsys.readouterr().out
    assert all(
        word in printed for word in ("RECORD", "--output", "--json", "examples:")
    )


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["report"], ["report", "--x"]])
def test_wrong_arguments_give_status_2(arguments, capsys):
    assert main(arguments) == 2
    assert "usage: kcomponents" in capsys.readouterr().err


def test_a_console_without_the_letters_shows_question_marks(run, monkeypatch):
    import io

    record = Record.load(run)
    record.structure = record.structure | {"loss": "custom:Größe"}
    record.save(run)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    assert main(["report", str(run)]) == 0
    stream.flush()
    assert b"custom:Gr??e" in stream.buffer.getvalue()


def test_the_package_runs_as_a_program(run):
    command = [sys.executable, "-m", "kcomponents", "report", str(run)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0 and "learning_rate 0.001" in answer.stdout
