"""Momentum leaves a local minimum; RMSProp and Adam cross plateaus SGD stands on.

Claim: momentum rolls on where the slope turns, and so out of a shallow local minimum.
RMSProp and Adam divide by the gradient's usual size, so that a plateau costs them few
steps. Adagrad divides by all there ever was, and is slow once a steep slope is over;
RMSProp forgets it. All five are the rules below, which equal those of Keras.

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

import keras
import numpy as np
from recipe_run import COLORS, Recipe, run
from recipe_table import chosen, one, spread

CLAIM = "Momentum, RMSProp, Adam and Adagrad differ as told, and equal Keras's"
STARTS = {"valley": (-4, 1), "end of slope": (5, 1.5), "plateau": (3.2, 1.5)}
STARTS["local minimum"] = (4, 1)
LOOKS = zip(COLORS, ["-", "--", "-.", ":", "-"], "os^Dv", strict=False)
STYLE = dict(zip(["SGD", "momentum", "Adagrad", "RMSProp", "Adam"], LOOKS, strict=True))


def landscapes(x, y):
    """Return the loss on each landscape, and its slopes along x and y."""
    root, over = np.sqrt(1 + x * x), np.logaddexp(0, 5 * (x - 4))
    steep = 10 + 10 * np.tanh(2.5 * (x - 4))
    hole = np.exp(-(x * x + y * y) / 2)
    bump, bowl = 0.3 * np.exp(-12.5 * (x - 2) ** 2), x * x / 10 + y * y / 2
    return {
        "valley": ((x * x + 50 * y * y) / 2, x, 50 * y),
        "end of slope": ((root - 1 + y * y) / 2 + 4 * over, x / root / 2 + steep, y),
        "plateau": (1 - hole, x * hole, y * hole),
        "local minimum": (bowl + bump, x / 5 - 25 * (x - 2) * bump, y),
    }


def sgd(w, grad, state, rate):
    """Step down the gradient."""
    return w - rate * grad


def momentum(w, grad, state, rate, share=0.9):
    """Keep nine tenths of the last step."""
    state["step"] = share * state.get("step", 0) - rate * grad
    return w + state["step"]


def adagrad(w, grad, state, rate):
    """Divide by the root of the sum of all squares there were."""
    state["sum"] = state.get("sum", 0) + grad**2
    return w - rate * grad / np.sqrt(state["sum"] + 1e-7)


def rmsprop(w, grad, state, rate, rho=0.9):
    """Divide by the root of the running mean of squares."""
    state["mean"] = rho * state.get("mean", 0) + (1 - rho) * grad**2
    return w - rate * grad / np.sqrt(state["mean"] + 1e-7)


def adam(w, grad, state, rate, beta_1=0.9, beta_2=0.999):
    """Divide the running mean by the root of that of squares, both unbiased."""
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = beta_1 * state.get("m", 0) + (1 - beta_1) * grad
    v = state["v"] = beta_2 * state.get("v", 0) + (1 - beta_2) * grad**2
    # In float32, as Keras has it: 1 - 0.999 is 5e-5 of itself off there.
    left_m, left_v = 1 - np.float32([beta_1, beta_2]) ** t
    return w - rate * np.sqrt(left_v) / left_m * m / (np.sqrt(v) + 1e-7)


def rules():
    """Return each rule with its rate and the optimizer of Keras that it equals."""
    of = keras.optimizers
    return {
        "SGD": (sgd, 0.03, of.SGD(0.03)),
        "momentum": (momentum, 0.03, of.SGD(0.03, momentum=0.9)),
        "Adagrad": (adagrad, 0.3, of.Adagrad(0.3, initial_accumulator_value=0.0)),
        "RMSProp": (rmsprop, 0.03, of.RMSprop(0.03)),
        "Adam": (adam, 0.05, of.Adam(0.05)),
    }


def gradient(points):
    """Return the gradient of the first landscape at the first point, and so on."""
    found = landscapes(*points.T).values()
    return np.array([[x[i], y[i]] for i, (_, x, y) in enumerate(found)], "float32")


def paths(start, steps, rule, rate, optimizer):
    """Return the path of a rule and Keras's, each `(steps + 1, landscapes, 2)`."""
    own, theirs, state, variable = [start], [start], {}, keras.Variable(start)
    for _ in range(steps):
        own.append(rule(own[-1], gradient(own[-1]), state, rate))
        grad = keras.ops.convert_to_tensor(gradient(theirs[-1]))
        optimizer.apply([grad], [variable])
        theirs.append(np.array(keras.ops.convert_to_numpy(variable)))
    return np.array(own), np.array(theirs)


def measure(args, seed):
    """Follow each rule and the optimizer of Keras, on all landscapes at once."""
    steps = 20 if args.quick else 800
    jitter = np.random.default_rng(seed).uniform(-0.1, 0.1, (len(STARTS), 2))
    start = (list(STARTS.values()) + jitter).astype("float32")
    for name, rule_rate_optimizer in rules().items():
        own, theirs = paths(start, steps, *rule_rate_optimizer)
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
    steps = [r["steps"] for r in found if r["steps"] is not None]
    missed, never = len(found) - len(steps), f"not in {found[0]['most']}"
    if not steps:
        return never
    return spread(steps, "{:.0f}") + (f", {missed} {never}" if missed else "")


def rows(results):
    """Return a row for each optimizer: the steps until the loss is below 0.02."""
    return [
        {"optimizer": name}
        | {f"{k}, steps": told(chosen(found, landscape=k)) for k in STARTS}
        | {"off Keras": f"{max(r['difference'] for r in found):.1g}"}
        for name in STYLE
        if len(found := chosen(results, optimizer=name)) >= len(STARTS)
    ]


def effect(results):
    """Return whether each does what it is known for, and equals that of Keras."""

    def steps(name, landscape):
        found = one(results, optimizer=name, landscape=landscape)
        return found["most"] + 1 if found["steps"] is None else found["steps"]

    most, plateau, end = results[0]["most"], "plateau", "end of slope"
    return (
        steps("momentum", "local minimum") <= most < steps("SGD", "local minimum")
        and max(steps("RMSProp", plateau), steps("Adam", plateau))
        < steps("SGD", plateau)
        and steps("Adagrad", end) >= 2 * steps("RMSProp", end)
        and max(r["difference"] for r in results) < 1e-5
    )


def picture(results, figure):
    """Draw the paths of the first seed over the contours of each landscape."""
    first = chosen(results, seed=results[0]["seed"])
    for axes, landscape in zip(figure.subplots(2, 2).flat, STARTS, strict=True):
        for r in chosen(first, landscape=landscape):
            name, end = r["optimizer"], r["steps"] and r["steps"] + 1
            x, y, (color, style, mark) = r["x"][:end], r["y"][:end], STYLE[name]
            axes.plot(x, y, mark + style, color=color, label=name, ms=4, markevery=10)
            axes.plot(x[-1], y[-1], mark, color=color, ms=10, mec="black")
        axes.plot(0, 0, "k+", ms=12)
        axes.margins(0.1)
        ends = np.transpose([axes.get_xlim(), axes.get_ylim()])
        x, y = np.meshgrid(*np.linspace(*ends, 200).T)
        loss = landscapes(x, y)[landscape][0]
        levels = np.quantile(loss, np.linspace(0.02, 0.98, 14))
        axes.contour(x, y, loss, levels, colors="0.75", linewidths=0.8, zorder=0)
        axes.set(title=landscape, xlabel="first weight", ylabel="second weight")
    figure.suptitle("A small mark every ten steps, a large one at the end")
    named = axes.get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center", ncols=5)


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, data=None, size=(9, 8))


def main(argv=None):
    """Run the recipe."""
    return run(RECIPE, __file__, argv)


if __name__ == "__main__":
    main()
