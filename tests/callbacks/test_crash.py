"""Runs that are killed many times end as if they had not been interrupted."""

import os
import pathlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("how, kills", [("steps", 20), ("files", 5)])
def test_killed_processes_come_to_the_same_end(how, kills):
    script = pathlib.Path(__file__).with_name("crash.py")
    done = subprocess.run(
        [sys.executable, script, "--kills", str(kills), "--how", how],
        env={**os.environ, "PYTHONPATH": os.fspath(script.parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kills} kills" in done.stdout and "all bit-equal" in done.stdout
