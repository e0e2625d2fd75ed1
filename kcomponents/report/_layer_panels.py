"""The panels of a report: lines per layer, the map of gradients, and their choice."""

import math

import numpy

from kcomponents._optional import require
from kcomponents._pages.drawing import (
    BAD,
    BAND,
    INK,
    SERIES,
    Key,
    Panel,
    color_stops,
    drawing,
    epochs_below,
    left_margin,
)
from kcomponents._text import is_finite, labels, number
from kcomponents.report._contents import (
    concerns,
    dicts,
    epoch_span,
    layer_norms,
    layer_of,
    matrix_series,
    reading_series,
)
from kcomponents.report._curve_panels import (
    TINY,
    Line,
    Scale,
    lines_drawing,
    loss_curves,
    metric_curves,
)

# The most lines of a plot, and the most labels of the map.
MOST_LINES, MOST_LABELS = 8, 20
# Update ratios that are healthy.
HEALTHY = 1e-4, 1e-2
COLORS = "viridis"
ROW_HEIGHT, LEAST_HEIGHT, MOST_HEIGHT = 24, 132, 380


# One line per layer or weight matrix.


def dead_shares(record, where, key):
    """Return the panel of dead units."""
    note = "Share of ReLU units that are 0 for every sample of the epoch."
    return _shares(record, "dead_units", "Dead units", note, where, key)


def saturated_shares(record, where, key):
    """Return the panel of saturated outputs."""
    note = "Share of outputs where the activation passes almost no gradient."
    return _shares(record, "saturated", "Saturated outputs", note, where, key)


def update_ratios(record, where, key):
    """Return the panel of update ratios, with the healthy range shaded."""
    series = matrix_series(record, reading_series(record, "update_ratio"))
    note = "Norm of an update divided by the norm of the weights."
    scale = Scale("log", band=HEALTHY)

    def extreme(values):
        # The distance from 1e-3, the middle of the healthy range, in powers of ten.
        return max(abs(math.log10(max(value, 1e-12)) + 3) for value in values)

    title = "Update ratio"
    return _panel(record, series, title, note, scale, extreme, where, key)


def weight_norms(record, where, key):
    """Return the panel of weight norms."""
    series = matrix_series(record, reading_series(record, "weight_norm"))
    note = "Euclidean norm of each weight matrix."

    def extreme(values):
        return max(values) / max(min(values), TINY)

    return _panel(record, series, "Weight norm", note, Scale(), extreme, where, key)


def _shares(record, statistic, title, note, where, key):
    series = reading_series(record, statistic)
    return _panel(record, series, title, note, Scale("share"), max, where, key)


def _panel(record, series, title, note, scale, extreme, where, key):
    if not series:
        return []
    kept = _most_extreme(series, extreme, where)
    if len(kept) < len(series):
        note = f"{note} The {len(kept)} most extreme of {len(series)} are shown."
    values = [value for path in kept for value in series[path].values()]
    if scale.kind == "log" and any(value <= 0 for value in values):
        note = f"{note} Values of 0 are drawn at the bottom."
    lines = _lines(record, {path: series[path] for path in kept}, where)
    svg, keys = lines_drawing(
        lines, scale, key=key, title=title, span=epoch_span(record) or (1, 1)
    )
    if scale.band:
        keys += (Key("healthy", "", BAND, shape="area"),)
    return [Panel(title, note, svg, keys)]


def _most_extreme(series, extreme, where):
    def score(path):
        known = [value for value in series[path].values() if is_finite(value)]
        broken = len(known) < len(series[path])
        worst = extreme(known) if known else 0
        return not concerns(where, path), not broken, -worst

    kept = set(sorted(series, key=score)[:MOST_LINES])
    return [path for path in series if path in kept]


def _lines(record, series, where):
    places = _places(record, series)
    near = {path for path in series if concerns(where, path)}
    strong = near if len(near) < len(series) else set()
    short = labels(series)
    return [
        Line(
            short[path],
            path,
            values,
            SERIES[places[path] % MOST_LINES],
            "dashed" if places[path] % 2 else "solid",
            path in strong,
        )
        for path, values in series.items()
    ]


def _places(record, series):
    """Return a color number for each path, its layer's index in a small model."""
    facts = dicts(record.structure.get("layers"))
    layers = [str(layer.get("path")) for layer in facts if layer.get("parameters")]
    owner = {path: path if path in layers else layer_of(path) for path in series}
    if len(layers) > MOST_LINES or len(set(owner.values())) < len(series):
        return {path: number for number, path in enumerate(series)}
    if not set(owner.values()) <= set(layers):
        return {path: number for number, path in enumerate(series)}
    return {path: layers.index(owner[path]) for path in series}


# The map of the gradient norms of all layers over epochs.


def gradient_map(record, where, key):
    """Return the panel of gradient norms: one row per layer, the input at the top."""
    series = layer_norms(reading_series(record, "gradient_norm"))
    if not series:
        return []
    known = [
        value
        for values in series.values()
        for value in values.values()
        if is_finite(value) and value > TINY
    ]
    low, high = (min(known), max(known)) if known else (1.0, 1.0)
    rows = min(max(len(series) * ROW_HEIGHT, LEAST_HEIGHT), MOST_HEIGHT)
    title = "Gradient norm by layer"
    label = f"{title}, from {number(low)} to {number(high)}, over epochs"
    short = labels(series, 18)
    left = left_margin(short.values())

    def draw(axes):
        _draw_cells(axes, series, low, high)
        epochs_below(axes, epoch_span(record) or (1, 1))
        axes.set_xlim(*_edges(series)[:: len(_edges(series)) - 1])
        _name_rows(axes, series, short, where)

    svg = drawing(draw, key=key, label=label, height=rows + 52, left=left)
    keys = (Key("NaN or infinite", "", BAD, shape="area"),) * _any_broken(series)
    note = "One row per layer, the input at the top. The color scale is logarithmic."
    return [Panel(title, note, svg, keys, _scale(low, high) if known else ())]


def _draw_cells(axes, series, low, high):
    colors = require("matplotlib.colors")
    epochs = sorted({epoch for values in series.values() for epoch in values})
    grid = numpy.full((len(series), len(epochs)), numpy.nan)
    broken = numpy.zeros(grid.shape, bool)
    for row, values in enumerate(series.values()):
        for column, epoch in enumerate(epochs):
            value = values.get(epoch)
            if is_finite(value):
                # The logarithm of 0 is undefined.
                grid[row, column] = max(value, low)
            broken[row, column] = value is not None and not is_finite(value)
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
    near = [row for row, path in enumerate(series) if concerns(where, path)]
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
    middle = math.sqrt(low) * math.sqrt(high)
    marks = (number(low), number(middle), number(high))
    return color_stops(COLORS), marks if high > low else (number(low),)


def _any_broken(series):
    values = [value for layer in series.values() for value in layer.values()]
    return any(not is_finite(value) for value in values)


# All panels of a report, and the choice of one for a finding.

PANELS = {
    "loss": loss_curves,
    "metrics": metric_curves,
    "gradients": gradient_map,
    "dead": dead_shares,
    "saturated": saturated_shares,
    "updates": update_ratios,
    "weights": weight_norms,
}
# Label of a finding → the plots that show it, the best first; the default is loss.
SHOWN_BY = {
    "bad_initialization": ("gradients", "weights"),
    "class_imbalance": ("metrics",),
    "dead_relu": ("dead", "gradients"),
    "exploding_gradient": ("gradients",),
    "learning_rate_too_high": ("updates",),
    "learning_rate_too_low": ("updates",),
    "over_regularized": ("weights",),
    "saturated_activation": ("saturated", "gradients"),
    "slow_learning": ("updates",),
    "vanishing_gradient": ("gradients",),
    "wrong_optimizer_setting": ("updates",),
}


def panels_of(record):
    """Return all panels that the record has numbers for."""
    return [
        panel
        for kind, make in PANELS.items()
        for panel in make(record, "", f"all-{kind}")
    ]


def panel_for(record, finding, number):
    """Return the panel for a finding, with its layer highlighted, or None.

    `number` is the finding's number on the page, which keeps ids unique.
    """
    for kind in (*SHOWN_BY.get(finding.label, ()), "loss"):
        found = PANELS[kind](record, finding.where, f"finding{number}-{kind}")
        if found:
            return found[0]
    return None
