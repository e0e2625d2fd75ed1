"""The search: hostile settings are refused before anything is written."""

import os
import shutil

import pytest
from hypothesis import given

from kcomponents.tuning import Search
from kcomponents.tuning._search import Settings
from tests.fuzz.hostile import anything, tries
from tests.fuzz.parts import build
from tests.fuzz.refusing import refusal

# Those that lead to a place on the disk or in a network are tried by themselves.
PLACES = {"store"}
NAMES = ["objective", "max_trials", "seed", "overwrite", "executions_per_trial"]
NAMES += [name for name in Settings.__annotations__ if name not in (*NAMES, *PLACES)]


@pytest.mark.parametrize("name", NAMES)
@tries(12)
@given(hostile=anything())
def test_a_hostile_setting_works_or_is_refused(name, hostile):
    given = {"objective": "loss", "max_trials": 2, "directory": "runs"}
    given[name] = hostile.value
    error = refusal(lambda: Search(build, **given), names=[name])
    assert error is None or not os.path.exists("runs")
    shutil.rmtree("runs", ignore_errors=True)
