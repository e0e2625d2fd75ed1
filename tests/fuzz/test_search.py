"""The search: hostile settings are refused before anything is written."""

import os
import shutil

import pytest
from hypothesis import given

from kcomponents.tuning import Search
from kcomponents.tuning._engine.settings import Settings
from tests.fuzz.hostile import anything, tries
from tests.fuzz.parts import build
from tests.fuzz.refusing import refusal

pytestmark = pytest.mark.any_backend

# keras-tuner's own, and ours but for the store, which is a place on a disk or network.
NAMES = ["objective", "overwrite", "executions_per_trial", "max_model_size"]
NAMES += Settings.__annotations__
NAMES.remove("store")


@pytest.mark.parametrize("name", NAMES)
@tries(12)
@given(hostile=anything())
def test_a_hostile_setting_works_or_is_refused(name, hostile):
    given = {"objective": "loss", "max_trials": 2, "directory": "runs"}
    given[name] = hostile.value
    error = refusal(lambda: Search(build, **given), names=[name])
    assert error is None or not os.path.exists("runs")
    shutil.rmtree("runs", ignore_errors=True)
