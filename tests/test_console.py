"""The command `kcomponents` starts at once, and says in a sentence what is wrong."""

import configparser
import json
import os
import pathlib
import subprocess
import sys

import pytest

from kcomponents.__main__ import main

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
