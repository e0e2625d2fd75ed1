"""Momentum leaves a local minimum; RMSProp and Adam cross plateaus SGD stands on.

Claim: momentum rolls on where the slope turns, and so out of a shallow local minimum.
RMSProp and Adam divide by the gradient's usual size, so that a plateau costs them few
steps. Adagrad divides by all there ever was, and is slow once a steep slope is over;
RMSProp forgets it. All five are written out, in recipe_rules.py, and equal Keras's.

What to expect: four landscapes of two weights, formulas with their minimum at the
origin. In the valley each takes 98 to 145 steps, for so its rate was chosen; momentum
has that of SGD and takes 47. It is out of the local minimum in 32; the others stay in
it, Adam too. Off the plateau SGD is not in 800 steps, momentum in 182 to 273, RMSProp
in about 75, Adam 50, Adagrad, whose first steps are long, in 18. Where a steep slope
ends RMSProp takes about 200 and Adagrad more than 800. What is told less often: Adam is
slow there as well, about 700, and SGD with 269 is not.

Source: Duchi et al., "Adaptive subgradient methods", 2011,
https://jmlr.org/papers/v12/duchi11a.html; Kingma and Ba, "Adam", 2014,
https://arxiv.org/abs/1412.6980; Sutskever et al., "On the importance of initialization
and momentum in deep learning", 2013, https://proceedings.mlr.press/v28/sutskever13.html

    python recipes/optimizers.py
"""

import numpy as np
from recipe_landscapes import contours, gradient, landscapes
from recipe_picture import looks
from recipe_rules import paths
from recipe_run import Recipe
from recipe_table import chosen, spread

CLAIM = "Momentum, RMSProp, Adam and Adagrad differ as told, and equal Keras's"
STARTS = {"valley": (-4, 1), "end of slope": (5, 1.5), "plateau": (3.2, 1.5)}
STARTS["local minimum"] = (4, 1)
RATES = {"SGD": 0.03, "momentum": 0.03, "Adagrad": 0.3, "RMSProp": 0.03, "Adam": 0.05}


def measure(args, seed):
    """Follow each rule and the optimizer of Keras, on all landscapes at once."""
    steps = 20 if args.quick else 800
    jitter = np.random.default_rng(seed).uniform(-0.1, 0.1, (len(STARTS), 2))
    start = (list(STARTS.values()) + jitter).astype("float32")
    for name, rate in RATES.items():
        own, theirs = paths(name, rate, start, steps, gradient)
        for i, landscape in enumerate(STARTS):
            x, y = path = own[:, i].T
            below = landscapes(x, y)[landscape][0] < 0.02
            off = np.abs(own[:, i] - theirs[:, i]).max() / np.abs(path).max()
            yield {
                "optimizer": name,
                "landscape": landscape,
                "steps": int(np.argmax(below)) if below.any() else None,
                "most": steps,
                "difference": round(float(off), 9),
            } | {"x": x.tolist(), "y": y.tolist()}


def told(found):
    """Return how many steps some runs took, as text."""
    steps = [r["steps"] for r in found if r["steps"]]
    missed, never = len(found) - len(steps), f"not in {found[0]['most']}"
    if not steps:
        return never
    return spread(steps, "{:.0f}") + (f", {missed} {never}" if missed else "")


def rows(results):
    """Return a row for each optimizer: the steps until the loss is below 0.02."""
    table = []
    for name in RATES:
        found = chosen(results, optimizer=name)
        row = {f"{k}, steps": told(chosen(found, landscape=k)) for k in STARTS}
        off = f"{max(r['difference'] for r in found):.1g}"
        table.append({"optimizer": name} | row | {"off Keras": off})
    return table


def effect(results):
    """Return whether each does what it is known for, and equals that of Keras."""
    most = results[0]["most"]
    local, plateau, end = (
        {r["optimizer"]: r["steps"] or most + 1 for r in chosen(results, landscape=k)}
        for k in ("local minimum", "plateau", "end of slope")
    )
    return (
        local["momentum"] <= most < local["SGD"]
        and max(plateau["RMSProp"], plateau["Adam"]) < plateau["SGD"]
        and end["Adagrad"] >= 2 * end["RMSProp"]
        and max(r["difference"] for r in results) < 1e-5
    )


def picture(results, figure):
    """Draw the paths of the first seed over the contours of each landscape."""
    first, look = chosen(results, seed=results[0]["seed"]), dict(looks(RATES))
    for axes, landscape in zip(figure.subplots(2, 2).flat, STARTS, strict=True):
        for r in chosen(first, landscape=landscape):
            name, end = r["optimizer"], r["steps"] and r["steps"] + 1
            x, y = r["x"][:end], r["y"][:end]
            axes.plot(x, y, **look[name], label=name, ms=4, markevery=10)
            axes.plot(x[-1], y[-1], **look[name], ms=10, mec="black")
        contours(axes, landscape)
        axes.set(title=landscape, xlabel="first weight", ylabel="second weight")
    figure.suptitle("A small mark every ten steps, a large one at the end")
    named = axes.get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center", ncols=len(RATES))


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, data=None, size=(9, 8))
main = RECIPE.main


if __name__ == "__main__":
    main()
