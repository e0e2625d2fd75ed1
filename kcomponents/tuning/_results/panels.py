"""The plots of a search's page: gains, importance, scores by family, and curves."""

import numpy

from kcomponents._optional import require
from kcomponents._pages.drawing import (
    BAD,
    BAND,
    DASHES,
    INK,
    LINE,
    MUTED,
    SERIES,
    Key,
    Panel,
    color_stops,
    drawing,
    epochs_below,
    left_margin,
    linear_axis,
    log_axis,
)
from kcomponents._text import is_finite, labels, number, one_line, quantity
from kcomponents.tuning._results.statistics import quartiles
from kcomponents.tuning._results.wording import described, metric, value

# The most gains, bars, rows of points, trials as curves, rows and columns of the map.
MOST_GAINS, MOST_BARS, MOST_STRIPS, MOST_TRIALS = 12, 12, 14, 120
MOST_COLUMNS, MOST_CELL_ROWS = 8, 20
# The number of trials whose curves are in color.
BEST = 3
CURVES_HEIGHT, ROW_HEIGHT = 280, 30
# Values this many interquartile ranges away are outliers.
FENCE = 4
COLORS = "viridis"
# Text on light and on dark cells.
LIGHT, DARK = "#ffffff", "#10151a"


# Gains over the baseline, with their intervals.


def gain_panels(results):
    """Return the panel of gains over the baseline, if any has an interval."""
    pairs = [pair for pair in results.gains if pair[1] and pair[1].interval]
    if not pairs:
        return []
    pairs = pairs[:MOST_GAINS]
    names, left = _row_names([_label(results, found) for found, _ in pairs], 22)
    over = [gain for _, gain in pairs]

    def draw(axes):
        spans = _limits([0.0, *(edge for gain in over for edge in gain.interval)])
        axes.axvline(0, color=INK, linewidth=1.4)
        for row, gain in enumerate(over):
            _draw_gain(axes, row, gain)
        _numbers_below(axes, *spans, f"gain in {metric(results)}")
        _names_left(axes, names)

    label = f"Gains over the baseline with 95% intervals: {', '.join(names)}"
    shape = {"height": _height(len(over)), "left": left}
    svg = drawing(draw, key="gains", label=label, **shape)
    note = "Difference from the baseline (at 0), with 95% intervals over seeds."
    return [Panel("Gain over the baseline", note, svg, _gain_keys(over))]


def _label(results, configuration):
    return described(results, configuration, 12).removeprefix("trial ")


def _gain_keys(over):
    kinds = {gain.is_significant for gain in over}
    sure = Key("significant", "", SERIES[0], shape="area")
    unsure = Key("not significant", "", MUTED, "dashed", "point")
    return (sure,) * (True in kinds) + (unsure,) * (False in kinds)


def _draw_gain(axes, row, gain):
    sure = gain.is_significant
    shape = {"color": SERIES[0] if sure else MUTED}
    axes.plot(gain.interval, [row] * 2, "-" if sure else "--", **shape)
    filled = shape["color"] if sure else "none"
    axes.plot(gain.mean, row, "o", markersize=7, markerfacecolor=filled, **shape)


# Importance of hyperparameters.


def importance_panels(results):
    """Return the panel of importance, if it is known."""
    shares, _ = results.importance
    if shares is None:
        return []
    shown = dict(list(shares.items())[:MOST_BARS])
    names, left = _row_names(shown, 18)

    def draw(axes):
        most = max(shown.values()) or 1.0
        for row, share in enumerate(shown.values()):
            axes.barh(row, share, height=0.56, color=SERIES[0])
            axes.text(share + most * 0.02, row, f"{share:.0%}", va="center", color=INK)
        axes.set_xlim(0, most * 1.15)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        _names_left(axes, names)

    label = f"Importance of hyperparameters: {', '.join(names)}"
    shape = {"height": _height(len(shown)), "left": left}
    svg = drawing(draw, key="importance", label=label, **shape)
    note = "Share of the scores' variance that each explains on its own (fANOVA)."
    note += f" {len(shown)} of {len(shares)} are shown." * (len(shares) > len(shown))
    return [Panel("Importance of hyperparameters", note, svg)]


# Scores of all configurations, one row of points per activation or regularizer.


def distribution_panels(results):
    """Return a panel for the activations and one for the regularizers."""
    scores = {t: results.family_scores(name) for t, name in results.roles.items()}
    return [_strips(results, title, found) for title, found in scores.items() if found]


def _strips(results, title, families):
    order = _strip_order(families, results.is_maximized)
    shown = [families[family] for family in order[:MOST_STRIPS]]
    names, left = _row_names(order[:MOST_STRIPS])
    scores = [s for finished, pruned in shown for s in (*finished, *pruned)]
    spans = _limits(scores, [s for finished, _ in shown for s in finished])
    objective = metric(results)

    def draw(axes):
        for row, (finished, pruned) in enumerate(shown):
            if finished:
                _draw_box(axes, row, finished, spans)
            _draw_points(axes, row, finished, spans, SERIES[0], SERIES[0])
            _draw_points(axes, row, pruned, spans, SERIES[1], "none")
        _numbers_below(axes, *spans, objective)
        _names_left(axes, names)

    key = f"strip-{title.lower()}"
    label = f"{objective} by {title.lower()}: {', '.join(names)}"
    rows = _height(len(shown))
    svg = drawing(draw, key=key, label=label, height=rows, left=left)
    beyond = sum(not spans[0] <= score <= spans[1] for score in scores)
    note = _note(beyond, len(order))
    return Panel(f"{title}: distribution of scores", note, svg, _strip_keys(shown))


def _note(beyond, count):
    note = "Each point is a configuration; rows are sorted by median, the best first."
    outliers = quantity(beyond, "outlier")
    if beyond:
        note += f" {outliers} drawn at the edge."
    if count > MOST_STRIPS:
        note += f" The first {MOST_STRIPS} of {count} are shown."
    return note


def _strip_order(families, most_is_best):
    """Return the families sorted by median, those without a score at the end."""
    sign = -1 if most_is_best else 1

    def place(family):
        finished, _ = families[family]
        return not finished, sign * quartiles(finished)[1] if finished else 0

    return sorted(families, key=place)


def _strip_keys(shown):
    keys = [Key("median and quartiles", "", BAND, shape="area")]
    keys += [Key("finished", "", SERIES[0], shape="area")]
    if not any(finished for finished, _ in shown):
        keys = []
    if any(pruned for _, pruned in shown):
        keys += [Key("pruned, best score before", "", SERIES[1], shape="point")]
    return tuple(keys)


def _draw_box(axes, row, scores, spans):
    first, median, third = (min(max(q, spans[0]), spans[1]) for q in quartiles(scores))
    axes.barh(row, third - first, left=first, height=0.62, color=BAND, zorder=1)
    ends = row - 0.31, row + 0.31
    axes.plot([median] * 2, ends, color=INK, linewidth=2.2, zorder=2)


def _draw_points(axes, row, scores, spans, color, filled):
    shape = {"color": color, "markersize": 5, "markerfacecolor": filled}
    for index, score in enumerate(sorted(scores)):
        # Points with similar scores get different heights, the same on every page.
        place = row + (0, -0.17, 0.17, -0.08, 0.08)[index % 5]
        near = min(max(score, spans[0]), spans[1])
        marker = "o" if near == score else "<" if score < near else ">"
        axes.plot(near, place, marker, clip_on=False, zorder=3, **shape)


# The table of activations and regularizers, with a mean score in each cell.


def interaction_map(results):
    """Return the parts of the table, or None with fewer than 2 cells."""
    cells = results.interaction(*results.roles.values())
    means = [mean for mean, _, _ in cells.values() if mean is not None]
    if len(means) < 2:
        return None
    low, high = _limits(means)
    ends = (low, high) if results.is_maximized else (high, low)
    return {**_grid(cells, ends), "scale": _scale(ends)}


def _grid(cells, ends):
    names = ["Activation", "Regularizer"]
    if len({b for _, b in cells}) > len({a for a, _ in cells}):
        cells, names = {(b, a): cell for (a, b), cell in cells.items()}, names[::-1]
    rows, columns = (_cell_order(cells, side) for side in (0, 1))
    shown = rows[:MOST_CELL_ROWS], columns[:MOST_COLUMNS]
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


def _cell_order(cells, side):
    """Return the names of rows or columns, those with the most trials first."""
    counts: dict[str, int] = {}
    for key, (_, _, count) in cells.items():
        counts[key[side]] = counts.get(key[side], 0) + count
    return sorted(counts, key=lambda name: -counts[name])


def _cell(mean_and_counts, ends):
    if mean_and_counts is None:
        return None
    mean, finished, total = mean_and_counts
    count = f"{total}" if finished == total else f"{finished} of {total}"
    if mean is None:
        return {"score": "–", "count": count, "fill": None}
    place = min(max((mean - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0)
    colors = require("matplotlib.colors")
    color = require("matplotlib").colormaps[COLORS](place)
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
    marks = [f"worse: {number(ends[0])}", f"better: {number(ends[1])}"]
    return color_stops(COLORS), marks


# Learning curves of all trials in one plot, the best ones in color.


def learning_curves(results):
    """Return a panel of the objective and one of the loss, over epochs."""
    names = dict.fromkeys((results.metric, "loss"))
    return [
        panel
        for number, name in enumerate(names)
        for panel in _curves(results, name, f"curves{number}")
    ]


def _curves(results, name, key):
    curves = {t["id"]: _curve(results, t, name) for t in results.trials}
    drawn = [t for t in results.trials if any(map(is_finite, curves[t["id"]]))]
    if not drawn:
        return []
    best = _best(results)
    # The best trials are drawn last, above the others.
    above = {name: place for place, name in enumerate(reversed(best), 1)}
    drawn.sort(key=lambda trial: above.get(trial["id"], 0))
    shown = drawn[-MOST_TRIALS:]
    numbers = [v for t in shown for v in curves[t["id"]] if is_finite(v)]
    longest = max(len(curves[trial["id"]]) for trial in shown)

    def draw(axes):
        _left_axis(axes, numbers)
        epochs_below(axes, (1, longest))
        for trial in shown:
            _draw_curve(axes, trial, curves[trial["id"]], best.get(trial["id"]))

    title = f"{_metric_title(name)} of all trials"
    svg = drawing(draw, key=key, label=f"{title} over epochs", height=CURVES_HEIGHT)
    is_cut = len(shown) < len(drawn)
    note = f"{len(shown)} of {len(drawn)} trials are shown." if is_cut else ""
    return [Panel(title, note, svg, _curve_keys(shown, best))]


def _metric_title(name):
    is_validation = name.startswith("val_")
    words = one_line(name.removeprefix("val_").replace("_", " "))
    title = f"validation {words}" if is_validation else words
    return title[:1].upper() + title[1:]


def _curve(results, trial, name):
    curves, spare = trial["curves"], None
    if name == results.metric:
        # Of a running trial, only the objective is known.
        spare = curves.get("objective")
    return curves.get(name) or spare or []


def _best(results):
    """Return `{id: (color, dash, label)}` for the best trials and the baseline."""
    best = [found for found in results.ranking if not found.is_baseline][:BEST]
    styles = {
        _completed_trial(found): (SERIES[n], list(DASHES)[n], described(results, found))
        for n, found in enumerate(best)
    }
    if results.baseline is not None:
        styles[_completed_trial(results.baseline)] = SERIES[3], "solid", "baseline"
    return styles


def _completed_trial(configuration):
    """Return the id of its first completed trial; its first may have been pruned."""
    states = ((trial["state"], trial["id"]) for trial in configuration.trials)
    return next(name for state, name in states if state == "completed")


def _left_axis(axes, numbers):
    low, high = _limits(numbers, spans=20)
    kept = [number for number in numbers if low <= number <= high]
    if min(kept) > 0 and max(kept) > 50 * min(kept):
        log_axis(axes, kept)
    else:
        linear_axis(axes, kept)


def _draw_curve(axes, trial, values, best):
    nan = float("nan")
    epochs = range(1, len(values) + 1)
    values = [value if is_finite(value) else nan for value in values]
    state = trial["state"]
    color, dash, _ = best or (MUTED, "dashed" if state == "pruned" else "solid", "")
    shape = {"color": color, "linewidth": 2.6 if best else 1.1}
    if DASHES[dash]:
        shape["dashes"] = [int(part) / 1.8 for part in DASHES[dash].split()]
    axes.plot(epochs, values, alpha=1 if best else 0.5, **shape)
    ends = [(e, v) for e, v in zip(epochs, values, strict=True) if v == v]
    if state == "failed":
        axes.plot(*ends[-1], "x", color=BAD, markersize=7, markeredgewidth=1.8)
    elif state == "pruned" or len(ends) == 1:
        filled = "none" if state == "pruned" else color
        axes.plot(*ends[-1], "o", color=color, markersize=5, markerfacecolor=filled)


def _curve_keys(shown, best):
    known = {trial["id"]: trial for trial in shown}
    keys = [
        Key(label, "", color, dash, strong=True)
        for name, (color, dash, label) in best.items()
        if name in known
    ]
    states = {trial["state"] for name, trial in known.items() if name not in best}
    keys += [Key("other trials", "", MUTED)] * bool(states & {"completed", "running"})
    keys += [Key("pruned (dashed)", "", MUTED, shape="point")] * ("pruned" in states)
    keys += [Key("failed", "", BAD, shape="cross")] * ("failed" in states)
    return tuple(keys)


# Axes of plots with one row per name and numbers on the x axis.


def _limits(values, among=None, spans=FENCE) -> tuple[float, float]:
    """Return the limits of an axis, without outliers.

    `among` are the values that define outliers. Defaults to `None`, all values.
    """
    first, third = numpy.quantile(among or values, (0.25, 0.75))
    fence = spans * (third - first) or numpy.inf
    kept = [v for v in values if first - fence <= v <= third + fence]
    low, high = float(min(kept)), float(max(kept))
    space = (high - low) * 0.05 or abs(high) * 0.1 or 0.5
    return low - space, high + space


def _numbers_below(axes, low, high, name):
    """Set up the x axis, with its name at the right."""
    axes.set_xlim(low, high)
    locator = require("matplotlib.ticker").MaxNLocator(4, steps=[1, 2, 5, 10])
    ticks = [float(tick) for tick in locator.tick_values(low, high)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    # Eight digits hide rounding errors.
    shown = [
        number(tick if abs(tick) > (high - low) / 1e6 else 0.0, 8) for tick in ticks
    ]
    axes.set_xticks(ticks, shown)
    axes.grid(axis="x", color=LINE)
    axes.set_xlabel(name, loc="right", fontsize=11)


def _names_left(axes, names):
    """Label the rows on the y axis, the first at the top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", pad=6, colors=MUTED)


def _row_names(names, width=16):
    """Return a short label for each name, and the width of the left margin."""
    short = list(labels(names, width).values())
    return short, max(left_margin(short), 54)


def _height(rows):
    """Return the height of a plot with this many rows."""
    return max(rows, 2) * ROW_HEIGHT + 52
