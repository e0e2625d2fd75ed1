"""Constructors: a hostile argument either works or is refused in words, at once."""

import pytest
from hypothesis import given

from tests.fuzz.hostile import anything, tries
from tests.fuzz.parts import PARTS, made, name_of, names_of
from tests.fuzz.refusing import refusal

pytestmark = pytest.mark.any_backend

ARGUMENTS = [(part, name) for part in PARTS for name in names_of(part)]
IDS = [f"{name_of(part)}-{name}" for part, name in ARGUMENTS]


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_the_other_arguments_are_ones_that_a_part_takes(part):
    made(part)


@pytest.mark.parametrize("part, name", ARGUMENTS, ids=IDS)
@tries(6)
@given(hostile=anything())
def test_a_hostile_argument_works_or_is_refused(part, name, hostile):
    refusal(lambda: made(part, **{name: hostile.value}), names=[name])
