"""The table of activations and regularizers, with a mean score in each cell."""

from kcomponents.report._optional import needed
from kcomponents.report._words import number
from kcomponents.tuning._telling.groups import interaction
from kcomponents.tuning._telling.page_words import value
from kcomponents.tuning._telling.panels import across

COLORS = "viridis"
MOST_COLUMNS, MOST_ROWS = 8, 20
LIGHT, DARK = "#ffffff", "#10151a"


def interaction_map(results):
    """Return the parts of the table, or None with fewer than 2 cells."""
    roles = [results["activation"], results["regularizer"]]
    cells = {} if None in roles else interaction(results, *roles)
    means = [mean for mean, _, _ in cells.values() if mean is not None]
    if len(means) < 2:
        return None
    low, high = across.limits(means)
    ends = (low, high) if results["objective"]["direction"] == "max" else (high, low)
    return {**_grid(cells, ends), "scale": _scale(ends)}


def _grid(cells, ends):
    names = ["Activation", "Regularizer"]
    if len({b for _, b in cells}) > len({a for a, _ in cells}):
        cells, names = {(b, a): of for (a, b), of in cells.items()}, names[::-1]
    rows, columns = (_order(cells, side) for side in (0, 1))
    shown = rows[:MOST_ROWS], columns[:MOST_COLUMNS]
    left_out = len(rows) + len(columns) - len(shown[0]) - len(shown[1])
    grid = [
        (value(row), [_cell(cells.get((row, column)), ends) for column in shown[1]])
        for row in shown[0]
    ]
    return {
        "names": names,
        "columns": [value(column) for column in shown[1]],
        "grid": grid,
        "left_out": left_out,
    }


def _order(cells, side):
    """Return the names of rows or columns, those with the most trials first."""
    counts: dict[str, int] = {}
    for key, (_, _, count) in cells.items():
        counts[key[side]] = counts.get(key[side], 0) + count
    return sorted(counts, key=lambda name: -counts[name])


def _cell(found, ends):
    if found is None:
        return None
    mean, finished, count = found
    count = f"{count}" if finished == count else f"{finished} of {count}"
    if mean is None:
        return {"score": "–", "count": count, "fill": None}
    place = min(max((mean - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0)
    colors = needed("matplotlib.colors")
    color = needed("matplotlib").colormaps[COLORS](place)
    # Relative luminance; at 0.18 black and white text have equal contrast.
    shares = (0.2126, 0.7152, 0.0722)
    bright = sum(w * c**2.2 for w, c in zip(shares, color[:3], strict=True))
    ink = DARK if bright > 0.18 else LIGHT
    return {
        "score": number(mean),
        "count": count,
        "fill": colors.to_hex(color),
        "ink": ink,
    }


def _scale(ends):
    colors = needed("matplotlib").colormaps[COLORS]
    to_hex = needed("matplotlib.colors").to_hex
    stops = ", ".join(to_hex(colors(step / 10)) for step in range(11))
    return stops, [f"worse: {number(ends[0])}", f"better: {number(ends[1])}"]
