"""The command `kcomponents` starts at once, and says in a sentence what is wrong."""

import configparser
import io
import json
import logging
import os
import pathlib
import subprocess
import sys
import warnings

import pytest

from kcomponents import _console
from kcomponents.__main__ import main
from kcomponents.record import Reading, Record
from kcomponents.report import to_text
from tests.report import records

pytestmark = pytest.mark.any_backend

ROOT = pathlib.Path(__file__).parents[1]
HELP = [["--help"], ["report", "--help"], ["search", "run", "--help"]]
AFTER_HELP = """
import contextlib, io, json, sys
from kcomponents.__main__ import main
with contextlib.redirect_stdout(io.StringIO()) as printed:
    status = main(sys.argv[1:])
print(json.dumps([status, printed.getvalue(), sorted(sys.modules)]))
"""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["report", "--help"], ["search", "run", "--help"]],
    ids=str,
)
def test_help_imports_no_library(arguments):
    command = [sys.executable, "-c", AFTER_HELP, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, printed, modules = json.loads(done.stdout)
    assert status == 0 and printed.startswith("usage: kcomponents")
    assert not {"keras", "numpy", "keras_tuner", "optuna"} & set(modules)


def test_an_unknown_backend_is_named_in_a_sentence(tmp_path):
    file = tmp_path / "small.py"
    file.write_text("import keras\n")
    command = [sys.executable, "-m", "kcomponents", "search", "validate", str(file)]
    environment = {**os.environ, "KERAS_BACKEND": "foo"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "Keras cannot import its backend" in done.stderr
    assert "KERAS_BACKEND='foo'" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "run.jsonl", "-o", "page.pdf"],
        ["report", "run.jsonl", "--json", "-o", "page.html"],
        ["search", "report", "runs/digits", "-o", "page.pdf"],
        ["search", "run", "digits.py", "-o", "page.pdf"],
    ],
    ids=" ".join,
)
def test_an_output_of_another_kind_is_refused_before_any_work(arguments, capsys):
    assert main(arguments) == 2
    assert "`--output`" in capsys.readouterr().err


def test_the_console_command_is_installed_with_the_package():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    scripts = settings["options.entry_points"]["console_scripts"]
    assert scripts.split() == ["kcomponents", "=", "kcomponents.__main__:main"]


# What commands a terminal, and a second line that looks like one of the program.
HOSTILE = "a\x1b[2J\x1b]0;title\x07\x9b31m\x7f\u202eb\u2028\r\nforged: line"
# A file may have any name of bytes; Python shows those that are no UTF-8 as surrogates.
FILE_NAME = f"{HOSTILE}\udcff".replace("/", "")
UNSAFE = {*map(chr, range(32)), *map(chr, range(127, 160)), "\u202e", "\u2028"}
COMMANDS = [
    ["report", FILE_NAME],
    ["report", "run.jsonl", FILE_NAME],
    ["report", "run.jsonl", "run.jsonl"],
    ["report", "run.jsonl", "-o", f"{FILE_NAME}/page.html"],
    ["report", "run.jsonl", "-o", f"page.{FILE_NAME}"],
    ["report", "run.jsonl"],
    ["report", "run.jsonl", "--json"],
    ["report", "run.jsonl", f"{FILE_NAME}.jsonl"],
    ["report", "run.jsonl", f"{FILE_NAME}.jsonl", "--json"],
    ["report", f"{FILE_NAME}.txt"],
    ["report", "run.jsonl", f"--{HOSTILE}"],
    [HOSTILE],
    ["search", HOSTILE],
    ["search", "run", FILE_NAME],
    ["search", "run", f"{FILE_NAME}.py"],
    ["search", "run", "build.py", "--direction", HOSTILE],
    ["search", "run", "build.py", "--max-trials", HOSTILE],
    ["search", "run", "build.py", "--sampler", HOSTILE],
    ["search", "run", "build.py", "--store", f"{HOSTILE}://{HOSTILE}"],
    ["search", "validate", f"{FILE_NAME}.py"],
    ["search", "validate", "build.py"],
    ["search", "worker", "build.py", "--name", HOSTILE, "--directory", HOSTILE],
    ["search", "worker", "build.py", "--store", "two.log", "--name", HOSTILE],
    *(["search", name, FILE_NAME] for name in ("status", "report", "verify", "stop")),
    *(["search", name, "two.log"] for name in ("status", "report", "verify", "stop")),
    *(
        ["search", name, "two.log", "--name", each]
        for name in ("status", "verify", "report")
        for each in ("a", HOSTILE, f"{HOSTILE} not there")
    ),
    ["search", "report", "two.log", "--name", "a", "-o", f"{FILE_NAME}.html"],
    ["search", "status", "damaged.log"],
]
BUILD = f"""
def build(hp):
    hp.Choice({HOSTILE!r}, [{HOSTILE!r}])
    raise ValueError({HOSTILE.replace(chr(10), " ")!r})
def data():
    return ()
"""


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory):
    """Return a folder with records, searches and code whose names are all hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    facts = records.structure([HOSTILE, f"{HOSTILE}/b"], 4, HOSTILE, 3)
    facts |= {"metrics": [HOSTILE], "notes": [HOSTILE], "versions": {"keras": HOSTILE}}
    facts |= {"optimizer": {"class": HOSTILE, "config": {HOSTILE: HOSTILE}}}
    record = Record(facts)
    for epoch in range(3):
        record.add(Reading(epoch, epoch + 1, {HOSTILE: {HOSTILE: 1.0}}))
        record.add_logs(epoch, {"loss": 1.0, HOSTILE: 0.5})
    record.save(folder / "run.jsonl")
    record.save(folder / f"{FILE_NAME}.jsonl")
    (folder / f"{FILE_NAME}.txt").write_text(json.dumps({"version": HOSTILE}) + "\n\n")
    for name in ("build.py", f"{FILE_NAME}.py"):
        (folder / name).write_text(BUILD)
    made_searches(folder)
    return folder


def made_searches(folder):
    keras_tuner = pytest.importorskip("keras_tuner")
    from kcomponents.tuning._storage.store import Store

    hp = keras_tuner.HyperParameters()
    hp.Choice(HOSTILE, [HOSTILE, "b"])
    for name in ("a", HOSTILE):
        store = Store(folder / "two.log", name, "minimize")
        store.set_fact("space", hp.get_config())
        store.set_fact("objective", {"name": HOSTILE, "direction": "min"})
        store.set_fact("settings", {"max_trials": 3, "sampler": HOSTILE, "seed": 0})
        store.set_fact("command", HOSTILE)
        store.add({str(number): {"kind": "search"} for number in range(3)})
        for trial in store.trials():
            store.claim(trial, "host:1:a")
            facts = {"message": HOSTILE, "values": {HOSTILE: HOSTILE}, "epochs": 1}
            facts |= {"curves": {HOSTILE: [0.5]}, "versions": {HOSTILE: HOSTILE}}
            store.note(trial, score=0.5 if trial.number else None, **facts)
            store.finish(trial, "complete" if trial.number else "fail", 0.5)
    lines = (folder / "two.log").read_text(encoding="utf-8")
    hostile = json.dumps(HOSTILE)[1:-1]
    lines = lines.replace('"slot":"1"', f'"slot":"{hostile}"')
    (folder / "damaged.log").write_text(lines, encoding="utf-8")


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems refuse such names of files"
)
@pytest.mark.parametrize("arguments", COMMANDS, ids=ascii)
def test_no_command_prints_what_commands_a_terminal(
    hostile_folder, arguments, monkeypatch, capfdbinary
):
    monkeypatch.chdir(hostile_folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    status = main(arguments)
    for name in set(sys.modules) - before:
        if name in ("build", FILE_NAME):
            del sys.modules[name]
    out, err = (part.decode("utf-8") for part in capfdbinary.readouterr())
    assert status in (0, 1, 2) and out + err
    assert not UNSAFE & set(out + err) - {"\n", "\t"}, ascii(out + err)
    assert not any(line.startswith("forged") for line in (out + err).splitlines())


def test_the_parts_of_a_colored_report_keep_no_escapes_but_colors(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    facts = records.structure([HOSTILE], 4, HOSTILE, 3)
    _console.show(to_text(None, Record(facts), color=True), colors=True)
    shown = stream.getvalue()
    assert "\x1b[1m" in shown and "\x1b[2J" not in shown and "\x1b]" not in shown


def test_a_stream_that_cannot_encode_a_name_shows_a_question_mark(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    monkeypatch.setattr(sys, "stdout", stream)
    _console.show("層 a")
    assert stream.buffer.getvalue() == b"? a\n"


def test_a_program_without_a_console_prints_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    _console.show("a")


def test_the_logger_of_the_package_writes_clean_lines(caplog):
    logger = logging.getLogger("kcomponents")
    with caplog.at_level(logging.INFO, "kcomponents"):
        logger.info("%s is %d", HOSTILE, 3)
    assert caplog.messages[0].isprintable() and caplog.messages[0].endswith("is 3")


def test_a_warning_is_a_clean_line_and_names_the_line_that_warns():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _console.warn(HOSTILE, RuntimeWarning)
    assert str(caught[0].message).isprintable()
    assert caught[0].category is RuntimeWarning
    assert caught[0].filename == __file__


def test_an_error_of_the_package_has_no_control_characters():
    from kcomponents._checks import fail

    with pytest.raises(ValueError) as error:
        fail(f"The layer {HOSTILE} is unknown.", name=HOSTILE)
    assert not UNSAFE & set(str(error.value)) - {"\n"}


def test_what_keras_tuner_prints_of_a_search_is_clean(capsys):
    pytest.importorskip("keras_tuner")
    from kcomponents.tuning._engine.tuner import _show_printed

    _show_printed(print, HOSTILE)
    shown = capsys.readouterr().out
    assert shown.endswith("forged: line\n") and not UNSAFE & set(shown) - {"\n"}
