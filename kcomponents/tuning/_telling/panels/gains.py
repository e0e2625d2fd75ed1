"""Gains over the baseline with their intervals, and bars of importance."""

from kcomponents.report._panels.panel import Key, Panel
from kcomponents.report._svg import INK, MUTED, SERIES, drawing
from kcomponents.report._words import one_line
from kcomponents.tuning._telling.importance import importance
from kcomponents.tuning._telling.page_words import described
from kcomponents.tuning._telling.panels import across
from kcomponents.tuning._telling.statistics import gains

MOST_GAINS, MOST_BARS = 12, 12


def gain_panels(results):
    """Return the panel of gains over the baseline, if any has an interval."""
    known = [pair for pair in gains(results) if pair[1] and pair[1].interval]
    if not known:
        return []
    known = known[:MOST_GAINS]
    names, left = across.short_names([_label(results, found) for found, _ in known], 22)
    over = [gain for _, gain in known]
    objective = f"gain in {one_line(results['objective']['name'])}"

    def draw(axes):
        spans = across.limits([0.0, *(edge for of in over for edge in of.interval)])
        axes.axvline(0, color=INK, linewidth=1.4)
        for row, found in enumerate(over):
            _draw_gain(axes, row, found)
        across.numbers_below(axes, *spans, objective)
        across.names_left(axes, names)

    label = f"Gains over the baseline with 95% intervals: {', '.join(names)}"
    shape = {"height": across.height(len(over)), "left": left}
    svg = drawing(draw, key="gains", label=label, **shape)
    note = "Difference from the baseline (at 0), with 95% intervals over seeds."
    return [Panel("Gain over the baseline", note, svg, _keys(over))]


def _label(results, configuration):
    return described(results, configuration, 12).removeprefix("trial ")


def _keys(over):
    kinds = {found.is_significant for found in over}
    sure = Key("significant", "", SERIES[0], shape="area")
    unsure = Key("not significant", "", MUTED, "dashed", "point")
    return (sure,) * (True in kinds) + (unsure,) * (False in kinds)


def _draw_gain(axes, row, found):
    sure = found.is_significant
    shape = {"color": SERIES[0] if sure else MUTED}
    axes.plot(found.interval, [row] * 2, "-" if sure else "--", **shape)
    filled = shape["color"] if sure else "none"
    axes.plot(found.mean, row, "o", markersize=7, markerfacecolor=filled, **shape)


def importance_panels(results):
    """Return the panel of importance, and the reason if there is none."""
    shares, reason = importance(results)
    if shares is None:
        return [], reason
    shown = dict(list(shares.items())[:MOST_BARS])
    names, left = across.short_names(shown, 18)

    def draw(axes):
        most = max(shown.values()) or 1.0
        for row, share in enumerate(shown.values()):
            axes.barh(row, share, height=0.56, color=SERIES[0])
            axes.text(share + most * 0.02, row, f"{share:.0%}", va="center", color=INK)
        axes.set_xlim(0, most * 1.15)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        across.names_left(axes, names)

    label = f"Importance of hyperparameters: {', '.join(names)}"
    shape = {"height": across.height(len(shown)), "left": left}
    svg = drawing(draw, key="importance", label=label, **shape)
    note = "Share of the scores' variance that each explains on its own (fANOVA)."
    note += f" {len(shown)} of {len(shares)} are shown." * (len(shares) > len(shown))
    return [Panel("Importance of hyperparameters", note, svg)], ""
