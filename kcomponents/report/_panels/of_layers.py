"""Dead units, saturation, update ratios and weight norms, one line per layer."""

import math

from kcomponents.report import _series as of
from kcomponents.report._given import dicts, part
from kcomponents.report._panels.lines import Line, Scale, lines_drawing
from kcomponents.report._panels.panel import Key, Panel
from kcomponents.report._svg import BAND, SERIES
from kcomponents.report._words import labels

MOST_LINES = 8
HEALTHY = 1e-4, 1e-2


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
    series = of.of_matrices(record, of.reading_series(record, "update_ratio"))
    note = "Norm of an update divided by the norm of the weights."
    scale = Scale("log", band=HEALTHY)

    def extreme(values):
        # The distance from 1e-3, the middle of the healthy range, in powers of ten.
        return max(abs(math.log10(max(value, 1e-12)) + 3) for value in values)

    title = "Update ratio"
    return _panel(record, series, title, note, scale, extreme, where, key)


def weight_norms(record, where, key):
    """Return the panel of weight norms."""
    series = of.of_matrices(record, of.reading_series(record, "weight_norm"))
    note = "Euclidean norm of each weight matrix."

    def extreme(values):
        return max(values) / max(min(values), of.TINY)

    return _panel(record, series, "Weight norm", note, Scale(), extreme, where, key)


def _shares(record, statistic, title, note, where, key):
    series = of.reading_series(record, statistic)
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
        lines, scale, key=key, title=title, span=of.span(record) or (1, 1)
    )
    if scale.band:
        keys += (Key("healthy", "", BAND, shape="area"),)
    return [Panel(title, note, svg, keys)]


def _most_extreme(series, extreme, where):
    def score(path):
        known = [value for value in series[path].values() if of.is_finite(value)]
        broken = len(known) < len(series[path])
        worst = extreme(known) if known else 0
        return not of.concerns(where, path), not broken, -worst

    kept = set(sorted(series, key=score)[:MOST_LINES])
    return [path for path in series if path in kept]


def _lines(record, series, where):
    places = _places(record, series)
    near = {path for path in series if of.concerns(where, path)}
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
    facts = dicts(part(record.structure, "layers"))
    layers = [str(layer.get("path")) for layer in facts if layer.get("parameters")]
    owner = {path: path if path in layers else of.layer_of(path) for path in series}
    if len(layers) > MOST_LINES or len(set(owner.values())) < len(series):
        return {path: number for number, path in enumerate(series)}
    if not set(owner.values()) <= set(layers):
        return {path: number for number, path in enumerate(series)}
    return {path: layers.index(owner[path]) for path in series}
