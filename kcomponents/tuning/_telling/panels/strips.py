"""Scores of all configurations, one row of points per family."""

from kcomponents.report._panels.panel import Key, Panel
from kcomponents.report._svg import BAND, INK, SERIES, drawing
from kcomponents.report._words import one_line
from kcomponents.tuning._telling.groups import family_scores, quartiles
from kcomponents.tuning._telling.panels import across

MOST_ROWS = 14


def distribution_panels(results):
    """Return a panel for the activations and one for the regularizers."""
    roles = {"Activation": results["activation"], "Regularizer": results["regularizer"]}
    found = []
    for title, name in roles.items():
        families = family_scores(results, name) if name else {}
        if families:
            found.append(_panel(results, title, families))
    return found


def _panel(results, title, families):
    order = _order(families, results["objective"]["direction"] == "max")
    shown = [families[family] for family in order[:MOST_ROWS]]
    names, left = across.short_names(order[:MOST_ROWS])
    scores = [s for finished, pruned in shown for s in (*finished, *pruned)]
    spans = across.limits(scores, [s for finished, _ in shown for s in finished])
    objective = one_line(results["objective"]["name"])

    def draw(axes):
        for row, (finished, pruned) in enumerate(shown):
            if finished:
                _draw_box(axes, row, finished, spans)
            _draw_points(axes, row, finished, spans, SERIES[0], SERIES[0])
            _draw_points(axes, row, pruned, spans, SERIES[1], "none")
        across.numbers_below(axes, *spans, objective)
        across.names_left(axes, names)

    key = f"strip-{title.lower()}"
    label = f"{objective} by {title.lower()}: {', '.join(names)}"
    rows = across.height(len(shown))
    svg = drawing(draw, key=key, label=label, height=rows, left=left)
    beyond = sum(not spans[0] <= score <= spans[1] for score in scores)
    note = _note(beyond, len(order))
    return Panel(f"{title}: distribution of scores", note, svg, _keys(shown))


def _note(beyond, count):
    note = "Each point is a configuration; rows are sorted by median, the best first."
    outliers = f"{beyond} outlier{'s' * (beyond != 1)}"
    note += f" {outliers} drawn at the edge." * bool(beyond)
    return note + f" The first {MOST_ROWS} of {count} are shown." * (count > MOST_ROWS)


def _order(families, most_is_best):
    """Return the families sorted by median, those without a score at the end."""
    sign = -1 if most_is_best else 1

    def place(family):
        finished, _ = families[family]
        return not finished, sign * quartiles(finished)[1] if finished else 0

    return sorted(families, key=place)


def _keys(shown):
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
    for number, score in enumerate(sorted(scores)):
        # Points with similar scores get different heights, the same on every page.
        place = row + (0, -0.17, 0.17, -0.08, 0.08)[number % 5]
        near = min(max(score, spans[0]), spans[1])
        marker = "o" if near == score else "<" if score < near else ">"
        axes.plot(near, place, marker, clip_on=False, zorder=3, **shape)
