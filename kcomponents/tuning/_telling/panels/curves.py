"""Learning curves of all trials in one plot, the best ones in color."""

from kcomponents.report._panels.axes import epochs_below, linear_axis, log_axis
from kcomponents.report._panels.panel import DASHES, Key, Panel
from kcomponents.report._series import is_finite
from kcomponents.report._svg import BAD, MUTED, SERIES, drawing
from kcomponents.report._words import one_line
from kcomponents.tuning._telling.page_words import described
from kcomponents.tuning._telling.panels import across
from kcomponents.tuning._telling.statistics import ranking

BEST, MOST_TRIALS, HEIGHT = 3, 120, 280


def learning_curves(results):
    """Return a panel of the objective and one of the loss, over epochs."""
    names = dict.fromkeys((results["objective"]["name"], "loss"))
    return [
        panel
        for number, name in enumerate(names)
        for panel in _curves(results, name, f"curves{number}")
    ]


def _curves(results, name, key):
    curves = {t["id"]: _curve(results, t, name) for t in results["trials"]}
    drawn = [t for t in results["trials"] if any(map(is_finite, curves[t["id"]]))]
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

    title = one_line(name.replace("_", " "))
    title = f"{title[:1].upper()}{title[1:]} of all trials"
    svg = drawing(draw, key=key, label=f"{title} over epochs", height=HEIGHT)
    note = f"{len(shown)} of {len(drawn)} trials are shown."
    note = "" if len(shown) == len(drawn) else note
    return [Panel(title, note, svg, _keys(shown, best))]


def _curve(results, trial, name):
    # Of a running trial, only the objective is known.
    known = "objective" if name == results["objective"]["name"] else name
    curves = trial["curves"]
    return curves.get(name) or curves.get(known) or []


def _best(results):
    """Return `{id: (color, dash, label)}` for the best trials and the baseline."""
    ranked = ranking(results)
    best = [found for found in ranked if not found.is_baseline][:BEST]
    drawn = {
        _whole(found): (SERIES[n], list(DASHES)[n], described(results, found))
        for n, found in enumerate(best)
    }
    base = [found for found in ranked if found.is_baseline]
    return drawn | {_whole(found): (SERIES[3], "solid", "baseline") for found in base}


def _whole(configuration):
    # The first of its trials may have been pruned.
    states = ((trial["state"], trial["id"]) for trial in configuration.trials)
    return next(name for state, name in states if state == "completed")


def _left_axis(axes, numbers):
    low, high = across.limits(numbers, spans=20)
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


def _keys(shown, best):
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
