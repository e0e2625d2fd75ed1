"""docs/rules.md agrees with the rules."""

import importlib.util
import pathlib

import pytest

from kcomponents.doctor import LABELS, RULES

pytestmark = pytest.mark.any_backend

ROOT = pathlib.Path(__file__).parents[2]


def page_maker():
    place = ROOT / "docs" / "make_rules.py"
    spec = importlib.util.spec_from_file_location("make_rules", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_rules_say():
    kept = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert page_maker().page() == kept, "run `python docs/make_rules.py`"


def test_the_page_has_every_rule_and_every_label():
    maker = page_maker()
    page = maker.page()
    assert all(f"\n## {rule.__name__}\n" in page for rule in RULES)
    assert all(f"Label `{label}`" in page for label in LABELS)
    assert {maker.example(rule).label for rule in RULES} == set(LABELS)
