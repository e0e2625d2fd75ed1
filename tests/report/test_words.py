"""Names and numbers as readers see them."""

import math

import pytest

from kcomponents import _text


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


def test_values_that_go_together_are_told_together():
    assert _text.choices(("relu", ("a", 1), 0.5)) == ["relu", "a with 1", "0.5"]
