"""The gallery shows every recipe as it is, and nothing by hand."""

import importlib.util
import pathlib
import shutil

import pytest

pytestmark = pytest.mark.any_backend

ROOT = pathlib.Path(__file__).parents[2]
GALLERY = ROOT / "docs" / "gallery"


@pytest.fixture
def gallery():
    """Return the module that makes the gallery."""
    place = ROOT / "docs" / "make_gallery.py"
    spec = importlib.util.spec_from_file_location("make_gallery", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_what_recipes_and_their_results_say(gallery, tmp_path, monkeypatch):
    for ending in ("json", "png"):
        for path in GALLERY.glob(f"*.{ending}"):
            shutil.copy(path, tmp_path)
    monkeypatch.setattr(gallery, "GALLERY", tmp_path)
    assert gallery.main(["--pages"]) == 0
    made = {path.name: path.read_text() for path in tmp_path.glob("*.md")}
    kept = {path.name: path.read_text() for path in GALLERY.glob("*.md")}
    assert made == kept


def test_every_recipe_has_a_page_with_a_full_run(gallery):
    for page in [*gallery.names(), *gallery.VARIANTS]:
        assert (GALLERY / f"{page}.md").is_file() and (
            GALLERY / f"{page}.png"
        ).is_file()
        summary = gallery.found(page)
        assert (summary is None) == (page in gallery.WITHOUT_SUMMARY)
        assert summary is None or not summary["quick"]


def test_a_recipe_that_fails_is_said_and_leaves_its_page(gallery, monkeypatch, capsys):
    def failing(page, quick):
        return page, False, 1.0, "No data."

    before = {path: path.read_bytes() for path in GALLERY.iterdir()}
    monkeypatch.setattr(gallery, "ran", failing)
    assert gallery.main(["depth"]) == 1
    assert "depth: 1 s failed:\nNo data." in capsys.readouterr().out
    assert {path: path.read_bytes() for path in GALLERY.iterdir()} == before


def test_an_unknown_recipe_is_refused(gallery, capsys):
    with pytest.raises(SystemExit):
        gallery.main(["nonsense"])
    assert "no such recipe: nonsense" in capsys.readouterr().err
