"""Text and numbers for readers, safe even with names from an unknown source."""

import math
import re
import unicodedata

UNKNOWN = "\ufffd"
# Characters that reverse the direction of the text after them.
TURNING = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
TITLES = {"dead_relu": "Dead ReLU", "loss_nan": "Loss is NaN"}


def clean(text, keep="\n\t"):
    """Return text without control, surrogate and direction characters."""
    return "".join(UNKNOWN if _is_unfit(sign, keep) else sign for sign in str(text))


def _is_unfit(sign, keep):
    control = unicodedata.category(sign) in ("Cc", "Cs")
    return sign not in keep and (control or sign in TURNING)


def one_line(text):
    """Return text in one line, safe for a console."""
    return clean(" ".join(str(text).split()), keep="")


def shorten(text, width):
    """Return text at most `width` average characters wide, its middle cut out."""
    if room(text) <= width:
        return text
    # No character counts as narrower than 1.
    for kept in range(min(len(text) - 1, width), -1, -1):
        head, tail = text[: kept - kept // 2], text[len(text) - kept // 2 :]
        if room(head + tail) <= width - 1:
            break
    return f"{head}…{tail}"


def room(text):
    """Return the width of a text in average characters."""
    return sum(_width(sign) for sign in text)


def _width(sign):
    if unicodedata.east_asian_width(sign) in "WF":
        return 1.8
    return 1.3 if sign.isupper() or sign in "mw@%" else 1


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
    same = next((i for i, sign in enumerate(low) if high[i : i + 1] != sign), len(low))
    return low[: low.rfind("/", 0, same) + 1]


def title(label):
    """Return the label of a finding as a title."""
    return TITLES.get(label, label.replace("_", " ").capitalize())


def choices(values):
    """Return the values of a remedy as texts; a pair becomes one text."""
    return [
        " with ".join(map(str, value))
        if isinstance(value, list | tuple)
        else str(value)
        for value in values
    ]


def number(value, digits=3):
    """Return a number, or another value in its place, as a short text."""
    if value is None:
        return "unknown"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' * (value < 0)}infinite"
    if 10**digits <= abs(value) < 1e6:
        return f"{value:,.0f}"
    return re.sub(r"e([+-])0*(\d)", _exponent, f"{value:.{digits}g}")


def _exponent(found):
    return f"e{found[1].strip('+')}{found[2]}"


def power(value):
    """Return a power of ten, such as 0.01 or 1e-5."""
    exponent = round(math.log10(value))
    return f"{10.0**exponent:,g}" if -4 < exponent < 5 else f"1e{exponent}"


# Text helpers: counts, lists, sentences.

# Longer lists are cut off after this many items.
SHOWN = 5


def counted(number, noun):
    """Return `1 sample` or `1,234 samples`."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def listed(items):
    """Return the first few items, `0, 1, 2, ...`."""
    items = items.tolist() if hasattr(items, "tolist") else items
    shown = [f"{item:g}" if isinstance(item, float) else str(item) for item in items]
    return ", ".join(shown[:SHOWN]) + ", ..." * (len(items) > SHOWN)


def sentence(text):
    """Return a text with a capital letter and a period."""
    return f"{text[0].upper()}{text[1:]}."


# Plain-text tables for reports.


def table(header, rows):
    """Format rows under a header; the first column is left-aligned."""
    cells = [list(map(str, header)), *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *rest in cells:
        line = first.ljust(widths[0])
        for cell, width in zip(rest, widths[1:], strict=True):
            line += "  " + cell.rjust(width)
        lines.append(line.rstrip())
    return "\n".join(lines)


def _shown(cell):
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def shown(value):
    """Return the value of a setting as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, 7)
    return number(value) if isinstance(value, int) else str(value)
