"""Heat map of the gradient norms of all layers over epochs."""

import math

from kcomponents.report import _series as of
from kcomponents.report._optional import needed
from kcomponents.report._panels.axes import epochs_below
from kcomponents.report._panels.panel import Key, Panel
from kcomponents.report._svg import BAD, INK, drawing
from kcomponents.report._words import labels, number, room

COLORS = "viridis"
MOST_LABELS = 20
ROW, LEAST_HEIGHT, MOST_HEIGHT = 24, 132, 380


def gradient_map(record, where, key):
    """Return the panel of gradient norms: one row per layer, the input at the top."""
    series = of.by_layer(of.reading_series(record, "gradient_norm"))
    if not series:
        return []
    known = [
        value
        for values in series.values()
        for value in values.values()
        if of.is_finite(value) and value > of.TINY
    ]
    low, high = (min(known), max(known)) if known else (1.0, 1.0)
    rows = min(max(len(series) * ROW, LEAST_HEIGHT), MOST_HEIGHT)
    title = "Gradient norm by layer"
    label = f"{title}, from {number(low)} to {number(high)}, over epochs"
    short = labels(series, 18)
    left = round(max(map(room, short.values())) * 6.6 + 20)

    def draw(axes):
        _draw_cells(axes, series, low, high)
        epochs_below(axes, of.span(record) or (1, 1))
        axes.set_xlim(*_edges(series)[:: len(_edges(series)) - 1])
        _name_rows(axes, series, short, where)

    svg = drawing(draw, key=key, label=label, height=rows + 52, left=left)
    keys = (Key("NaN or infinite", "", BAD, shape="area"),) * _any_broken(series)
    note = "One row per layer, the input at the top. The color scale is logarithmic."
    return [Panel(title, note, svg, keys, _scale(low, high) if known else ())]


def _draw_cells(axes, series, low, high):
    numpy, colors = needed("numpy"), needed("matplotlib.colors")
    epochs = sorted({epoch for values in series.values() for epoch in values})
    grid = numpy.full((len(series), len(epochs)), numpy.nan)
    broken = numpy.zeros(grid.shape, bool)
    for row, values in enumerate(series.values()):
        for column, epoch in enumerate(epochs):
            value = values.get(epoch)
            if of.is_finite(value):
                # The logarithm of 0 is undefined.
                grid[row, column] = max(value, low)
            broken[row, column] = value is not None and not of.is_finite(value)
    rows = numpy.arange(len(series) + 1) - 0.5
    norm = colors.LogNorm(low, high if high > low else low * 10)
    flat = {"rasterized": True, "antialiased": False, "linewidth": 0}
    hidden = numpy.ma.masked_invalid(grid)
    axes.pcolormesh(_edges(series), rows, hidden, cmap=COLORS, norm=norm, **flat)
    if broken.any():
        # The cells are a bitmap, which cannot use the page's colors.
        red = colors.ListedColormap(["#d03b3b"])
        shown = numpy.ma.masked_where(~broken, broken.astype(float))
        axes.pcolormesh(_edges(series), rows, shown, cmap=red, **flat)


def _edges(series):
    """Return the edges of the columns: halfway between measured epochs."""
    epochs = sorted({epoch for values in series.values() for epoch in values})
    inner = [(a + b) / 2 for a, b in zip(epochs, epochs[1:], strict=False)]
    return [epochs[0] - 0.5, *inner, epochs[-1] + 0.5]


def _name_rows(axes, series, short, where):
    count = len(series)
    near = [row for row, path in enumerate(series) if of.concerns(where, path)]
    near = near if len(near) < count else []
    step = math.ceil(count / MOST_LABELS)
    rows = [r for r in range(0, count, step) if all(abs(r - n) >= step for n in near)]
    rows = sorted(rows + near[:: max(len(near) // 3, 1)])
    paths = list(series)
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_yticks(rows, [short[paths[row]] for row in rows])
    axes.tick_params(axis="y", pad=6)
    axes.spines["bottom"].set_visible(False)
    for text, row in zip(axes.get_yticklabels(), rows, strict=True):
        if row in near:
            text.set(color=INK, fontweight="bold")


def _scale(low, high):
    colors = needed("matplotlib").colormaps[COLORS]
    stops = [colors(step / 10) for step in range(11)]
    shown = ", ".join(needed("matplotlib.colors").to_hex(stop) for stop in stops)
    middle = math.sqrt(low) * math.sqrt(high)
    marks = (number(low), number(middle), number(high))
    return shown, marks if high > low else (number(low),)


def _any_broken(series):
    values = [value for layer in series.values() for value in layer.values()]
    return any(not of.is_finite(value) for value in values)
