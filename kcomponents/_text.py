"""Text and numbers for readers, safe even with names from an unknown source."""

import math
import re
import unicodedata

REPLACEMENT = "\ufffd"
# Characters that command a terminal (C0 and C1 controls, such as escape), break lines,
# change the direction of the text after them, or cannot be encoded (surrogates).
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]"
)
# Colors as this package sets them.
COLOR = re.compile("(\x1b\\[[0-9;]{1,9}m)")
# Findings whose titles are not their labels with a capital letter.
TITLES = {"dead_relu": "Dead ReLU", "loss_nan": "Loss is NaN"}
# The most items of a listing.
LISTED = 5
# Larger numbers, beyond the range of float32, overflow in matplotlib.
HUGE = 1e100


# Safe and short text.


def clean(text, keep="\n\t", colors=False):
    """Return text that is fit for a terminal, a log, a table or a page.

    Args:
        text: Any value, shown as `str` does.
        keep: String of control characters to keep. Defaults to line feed and tab.
        colors: Boolean, whether to keep the escape sequences of colors, for a text
            whose other parts are clean already. Defaults to `False`.
    """
    if colors:
        # Every second part is a color.
        parts = COLOR.split(str(text))
        parts[::2] = [clean(part, keep) for part in parts[::2]]
        return "".join(parts)
    return UNSAFE.sub(lambda m: m[0] if m[0] in keep else REPLACEMENT, str(text))


def one_line(text):
    """Return text in one line, fit for a terminal or a log."""
    return clean(" ".join(str(text).split()), keep="")


def shorten(text, width):
    """Return text at most `width` average characters wide, its middle cut out."""
    if text_width(text) <= width:
        return text
    # No character counts as narrower than 1.
    for rest in range(min(len(text) - 1, width), -1, -1):
        head, tail = text[: rest - rest // 2], text[len(text) - rest // 2 :]
        if text_width(head + tail) <= width - 1:
            break
    return f"{head}…{tail}"


def text_width(text):
    """Return the width of a text in average characters."""
    return sum(map(_character_width, text))


def _character_width(character):
    if unicodedata.east_asian_width(character) in "WF":
        return 1.8
    return 1.3 if character.isupper() or character in "mw@%" else 1


def labels(paths, width=24):
    """Return a short unique label for each path.

    The common folder of all paths, such as the model's name, is left out.
    """
    paths = list(paths)
    skip = len(_common_folder(paths))
    found, taken = {}, set()
    for path in paths:
        name = one_line(path[skip:]) or "?"
        label, copy = shorten(name, width), 2
        while label in taken:
            suffix = f" ({copy})"
            label, copy = shorten(name, width - len(suffix)) + suffix, copy + 1
        taken.add(label)
        found[path] = label
    return found


def _common_folder(paths):
    if not paths:
        return ""
    low, high = min(paths), max(paths)
    same = next((i for i, c in enumerate(low) if high[i : i + 1] != c), len(low))
    return low[: low.rfind("/", 0, same) + 1]


# Numbers.


def is_number(value):
    """Return whether a value is a number; NaN and infinity are."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value):
    """Return whether a value is a number that can be shown in a plot."""
    return is_number(value) and abs(value) < HUGE


def number(value, digits=3):
    """Return a number, or another value in its place, as a short text."""
    if value is None:
        return "unknown"
    if not is_number(value):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' * (value < 0)}infinite"
    if 10**digits <= abs(value) < 1e6:
        return f"{value:,.0f}"
    return re.sub(r"e([+-])0*(\d)", _exponent, f"{value:.{digits}g}")


def _exponent(match):
    return f"e{match[1].strip('+')}{match[2]}"


def power(value):
    """Return a power of ten, such as 0.01 or 1e-5."""
    exponent = round(math.log10(value))
    return f"{10.0**exponent:,g}" if -4 < exponent < 5 else f"1e{exponent}"


# Sentences and their parts.


def sentence(text):
    """Return a text with a capital letter and a period."""
    return f"{text[0].upper()}{text[1:]}."


def title(label):
    """Return the label of a finding as a title."""
    return TITLES.get(label, label.replace("_", " ").capitalize())


def quantity(number, noun):
    """Return a number with its noun, such as `1 sample` or `1,234 samples`."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def listing(items):
    """Return the first few items, such as `0, 1, 2, ...`."""
    items = items.tolist() if hasattr(items, "tolist") else items
    texts = [f"{item:g}" if isinstance(item, float) else str(item) for item in items]
    return ", ".join(texts[:LISTED]) + ", ..." * (len(items) > LISTED)


def choices(values):
    """Return the values of a remedy as texts; a pair becomes one text."""
    return [
        " with ".join(map(str, value))
        if isinstance(value, list | tuple)
        else str(value)
        for value in values
    ]


def setting_text(value):
    """Return the value of a setting as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, 7)
    return number(value) if isinstance(value, int) else str(value)


# Tables in plain text.


def table(header, rows):
    """Format rows under a header; the first column is left-aligned."""
    cells = [list(map(str, header)), *(list(map(_cell, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *rest in cells:
        line = first.ljust(widths[0])
        for cell, width in zip(rest, widths[1:], strict=True):
            line += "  " + cell.rjust(width)
        lines.append(line.rstrip())
    return "\n".join(lines)


def _cell(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)
