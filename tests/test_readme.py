"""The README's commands are the ones that are run."""

import pathlib

import pytest

pytestmark = pytest.mark.any_backend

ROOT = pathlib.Path(__file__).parents[1]


def test_ci_runs_the_test_command_of_the_readme_and_nothing_else():
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    [command] = [line for line in script if ".venv" in line]
    assert command in (ROOT / "README.md").read_text().splitlines()
    rest = [line for line in script if line != command and not line.startswith("#")]
    assert rest == ["set -euo pipefail", 'cd "$(dirname "$0")/.."']
