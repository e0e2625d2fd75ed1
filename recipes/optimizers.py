"""Momentum escapes a local minimum; RMSProp and Adam cross plateaus where SGD stalls.

Claim: momentum keeps rolling where the slope turns, and so out of a shallow local
minimum. RMSProp and Adam divide by the gradient's usual size, so a plateau costs them
few steps. Adagrad divides by all past gradients, and is slow once a steep slope is
over; RMSProp forgets it. All five rules are written out here, and match Keras.

What to expect: four landscapes of two weights, formulas with their minimum at the
origin. In the valley each rule takes 98 to 145 steps, because its learning rate was
chosen so; momentum has SGD's and takes 47. It leaves the local minimum in 32; the
others stay there, Adam too. SGD does not leave the plateau in 800 steps; momentum takes
182 to 273, RMSProp about 75, Adam 50, and Adagrad, whose first steps are long, 18.
Where a steep slope ends, RMSProp takes about 200 steps and Adagrad more than 800. Less
well known: Adam is slow there as well, about 700, and SGD with 269 is not.

Source: Duchi et al., "Adaptive subgradient methods", 2011,
https://jmlr.org/papers/v12/duchi11a.html; Kingma and Ba, "Adam", 2014,
https://arxiv.org/abs/1412.6980; Sutskever et al., "On the importance of initialization
and momentum in deep learning", 2013, https://proceedings.mlr.press/v28/sutskever13.html

    python recipes/optimizers.py
"""

import functools

import keras
import numpy as np
from keras import optimizers
from lib.picture import looks
from lib.run import Recipe, chosen, spread

CLAIM = "Momentum, RMSProp, Adam and Adagrad differ as described, and match Keras"
STARTS = {"valley": (-4, 1), "end of slope": (5, 1.5), "plateau": (3.2, 1.5)}
STARTS["local minimum"] = (4, 1)
RATES = {"SGD": 0.03, "momentum": 0.03, "Adagrad": 0.3, "RMSProp": 0.03, "Adam": 0.05}


def landscapes(x, y):
    """Return the loss of two weights on each landscape, and its slopes along both.

    Each landscape has its minimum, near 0, at the origin: a narrow valley, a slope
    whose steep part ends, a plateau around a hole, and a bowl with a bump in it, which
    makes a local minimum.
    """
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


def gradient(points):
    """Return the gradient of each landscape at its point, one point for each."""
    found = landscapes(*points.T).values()
    return np.array([[x[i], y[i]] for i, (_, x, y) in enumerate(found)], "float32")


def contours(axes, landscape):
    """Draw the loss behind the paths, and a cross at the minimum."""
    axes.plot(0, 0, "k+", ms=12)
    axes.margins(0.1)
    ends = np.transpose([axes.get_xlim(), axes.get_ylim()])
    x, y = np.meshgrid(*np.linspace(*ends, 200).T)
    loss = landscapes(x, y)[landscape][0]
    levels = np.quantile(loss, np.linspace(0.02, 0.98, 14))
    axes.contour(x, y, loss, levels, colors="0.75", linewidths=0.8, zorder=0)


# The update rules. Each takes the weights, their gradient, a dict for its state and
# the learning rate, and returns the new weights.


def sgd(w, grad, state, rate):
    """Step against the gradient."""
    return w - rate * grad


def momentum(w, grad, state, rate, share=0.9):
    """Add nine tenths of the last step."""
    state["step"] = share * state.get("step", 0) - rate * grad
    return w + state["step"]


def adagrad(w, grad, state, rate):
    """Divide by the root of the sum of all squared gradients so far."""
    state["sum"] = state.get("sum", 0) + grad**2
    return w - rate * grad / np.sqrt(state["sum"] + 1e-7)


def rmsprop(w, grad, state, rate, rho=0.9):
    """Divide by the root of the running mean of squared gradients."""
    state["mean"] = rho * state.get("mean", 0) + (1 - rho) * grad**2
    return w - rate * grad / np.sqrt(state["mean"] + 1e-7)


def adam(w, grad, state, rate, beta_1=0.9, beta_2=0.999):
    """Divide the running mean by the root of the running mean of squares, unbiased."""
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = beta_1 * state.get("m", 0) + (1 - beta_1) * grad
    v = state["v"] = beta_2 * state.get("v", 0) + (1 - beta_2) * grad**2
    # In float32, as in Keras, where 1 - 0.999 has a relative error of 5e-5.
    left_m, left_v = 1 - np.float32([beta_1, beta_2]) ** t
    return w - rate * np.sqrt(left_v) / left_m * m / (np.sqrt(v) + 1e-7)


# Name → rule, and a function that makes Keras's optimizer from a learning rate.
RULES = {
    "SGD": (sgd, optimizers.SGD),
    "momentum": (momentum, functools.partial(optimizers.SGD, momentum=0.9)),
    "Adagrad": (
        adagrad,
        functools.partial(optimizers.Adagrad, initial_accumulator_value=0.0),
    ),
    "RMSProp": (rmsprop, optimizers.RMSprop),
    "Adam": (adam, optimizers.Adam),
}


def paths(name, rate, start, steps, gradient):
    """Return the path of a rule, and the path of Keras's optimizer.

    Args:
        name: String, one of `RULES`.
        rate: Float, the learning rate.
        start: Float32 array, the initial weights.
        steps: Integer, number of steps.
        gradient: Function of weights, returns their gradient.

    Returns:
        Two arrays `(steps + 1, *start.shape)`.
    """
    rule, made = RULES[name]
    own, theirs, state = [start], [start], {}
    optimizer, variable = made(rate), keras.Variable(start)
    for _ in range(steps):
        own.append(rule(own[-1], gradient(own[-1]), state, rate))
        grad = keras.ops.convert_to_tensor(gradient(theirs[-1]))
        optimizer.apply([grad], [variable])
        theirs.append(np.array(keras.ops.convert_to_numpy(variable)))
    return np.array(own), np.array(theirs)


def measure(args, seed):
    """Follow each rule and Keras's optimizer, on all landscapes at once."""
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


def steps_text(found):
    """Return the number of steps of some runs, as text."""
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
        row = {f"{k}, steps": steps_text(chosen(found, landscape=k)) for k in STARTS}
        off = f"{max(r['difference'] for r in found):.1g}"
        table.append({"optimizer": name} | row | {"off Keras": off})
    return table


def effect(results):
    """Return whether the rules differ as claimed, and match Keras."""
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
    """Draw the first seed's paths over the contours of each landscape."""
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
