"""Names and numbers as readers see them."""

import math

import pytest

from kcomponents import _text

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize(
    "value, shown",
    [
        (0.00123456, "0.00123"),
        (1e-9, "1e-9"),
        (6.02e23, "6.02e23"),
        (84285.4, "84,285"),
        (21450, "21,450"),
        (1.0, "1"),
        (math.nan, "NaN"),
        (-math.inf, "-infinite"),
        (None, "unknown"),
        ("nan", "nan"),
    ],
)
def test_numbers_are_short(value, shown):
    assert _text.number(value) == shown


def test_labels_leave_out_what_all_begin_with():
    found = _text.labels(["net/a/kernel", "net/b/kernel"])
    assert list(found.values()) == ["a/kernel", "b/kernel"]


def test_labels_are_short_and_all_different():
    paths = [f"net/{'x' * 30}_{n}_{'y' * 30}" for n in range(20)]
    found = _text.labels(paths, 16)
    assert len(set(found.values())) == 20
    assert all(len(label) <= 16 and "…" in label for label in found.values())


def test_the_label_of_one_layer_is_its_own_name():
    assert _text.labels(["net/dense"]) == {"net/dense": "dense"}
    assert _text.labels([""]) == {"": "?"}


def test_wide_letters_count_as_wide():
    assert len(_text.shorten("層" * 30, 16)) < 11


@pytest.mark.parametrize("width", range(1, 12))
def test_what_is_shortened_keeps_its_ends(width):
    short = _text.shorten("abcdefghijkl", width)
    assert len(short) == width and "…" in short
    assert width < 3 or (short[0], short[-1]) == ("a", "l")


def test_control_characters_do_not_pass():
    assert _text.clean("a\x1b[2J\x00\ud800\u202eb\n\tc") == "a�[2J���b\n\tc"
    assert _text.one_line(" a\n b\tc ") == "a b c"


@pytest.mark.parametrize(
    "unsafe",
    ["\x00", "\x1b", "\x7f", "\x9b", "\u061c", "\u202e", "\u2028", "\u2066", "\udcff"],
    ids=ascii,
)
def test_a_character_that_commands_a_terminal_is_replaced(unsafe):
    assert _text.clean(f"a{unsafe}b") == "a\ufffdb"
    assert _text.one_line(f"a{unsafe}b") in ("a\ufffdb", "a b")


def test_letters_of_all_languages_are_kept():
    text = "é Ω ש 語 क्षि 👩\u200d💻 \u00a0 \ufeff"
    assert _text.clean(text) == text


def test_colors_are_kept_where_the_text_is_ours():
    text = "\x1b[1mbold\x1b[0m \x1b[2J\x1b]0;a\x07 \x1b[31"
    kept = _text.clean(text, colors=True)
    assert kept == "\x1b[1mbold\x1b[0m \ufffd[2J\ufffd]0;a\ufffd \ufffd[31"


def test_values_that_go_together_become_one_text():
    assert _text.choices(("relu", ("a", 1), 0.5)) == ["relu", "a with 1", "0.5"]


@pytest.mark.parametrize(
    "value, is_number, is_finite",
    [
        (0, True, True),
        (-2.5, True, True),
        (9e99, True, True),
        (1e100, True, False),
        (-1e100, True, False),
        (math.inf, True, False),
        (math.nan, True, False),
        (True, False, False),
        (None, False, False),
        ("1", False, False),
    ],
)
def test_a_number_is_finite_if_it_can_be_plotted(value, is_number, is_finite):
    assert _text.is_number(value) == is_number
    assert _text.is_finite(value) == is_finite


@pytest.mark.parametrize(
    "number, noun, text",
    [(1, "seed", "1 seed"), (0, "seed", "0 seeds"), (1234, "class", "1,234 classes")],
)
def test_a_quantity_has_the_plural_of_its_noun(number, noun, text):
    assert _text.quantity(number, noun) == text


@pytest.mark.parametrize(
    ("character", "width"), [("a", 1), ("A", 1.3), ("m", 1.3), ("%", 1.3), ("層", 1.8)]
)
def test_some_characters_are_wider_than_others(character, width):
    assert _text.text_width(character) == width


def test_a_listing_ends_after_five_items():
    assert _text.listing([0, 1.5, "a"]) == "0, 1.5, a"
    assert _text.listing(range(5)) == "0, 1, 2, 3, 4"
    assert _text.listing(range(6)) == "0, 1, 2, 3, 4, ..."
