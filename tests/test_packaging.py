"""What is shipped, and what it depends on."""

import configparser
import pathlib
import re
import tomllib

import pytest

import kcomponents

pytestmark = pytest.mark.any_backend

ROOT = pathlib.Path(__file__).parents[1]


def settings():
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg")
    return found


def names(text):
    lines = (line.strip() for line in text.splitlines())
    return {re.split(r"[\[<>=~;]", x)[0] for x in lines if x and x[0] != "#"}


def test_every_dependency_stands_on_the_page_of_licenses():
    found = settings()
    needed = names(found["options"]["install_requires"])
    for text in found["options.extras_require"].values():
        needed |= names(text)
    page = (ROOT / "docs" / "licenses.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    listed = {name.strip() for row in rows for name in row.split(",")}
    assert needed == listed - {"package", "---"}


def test_the_changelog_tells_of_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## Unreleased" in text or f"## {kcomponents.__version__}" in text


def test_only_the_build_system_and_tools_stand_in_pyproject():
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(found) == {"build-system", "tool"}


def test_types_and_templates_are_shipped():
    data = names(settings()["options.package_data"]["kcomponents"])
    installed = pathlib.Path(kcomponents.__file__).parent
    assert "py.typed" in data and (installed / "py.typed").is_file()
    for folder in ("_pages", "report", "tuning"):
        assert f"{folder}/templates/*" in data
        assert any((installed / folder / "templates").iterdir())
