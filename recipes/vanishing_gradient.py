"""A sigmoid passes on at most a quarter of the gradient per layer; others pass on all.

Claim: the slope of a sigmoid is at most 1/4. On its way back through ten layers the
gradient shrinks by 4 at each, and the first layer learns a million times more slowly
than the last. The slopes of tanh, ReLU and PReLU reach 1, and their gradients arrive.

What to expect: untrained networks of two to ten layers, on 1000 handwritten digits.
With ten layers, a weight in the sigmoid network's first layer gets about 1e-6 of the
gradient of one in the last layer, in the other networks a half or more. No seed or
depth is an exception: Glorot's weights keep the scale of gradients, and only the slope
is left. With two layers the factor is 8, partly because most pixels are black. Larger
weights compensate partly, see `recommended_for("sigmoid")`. The last column is the
doctor's first finding after two epochs.

Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward
neural networks", 2010, https://proceedings.mlr.press/v9/glorot10a.html, figure 7.

    python recipes/vanishing_gradient.py
"""

import logging

import keras
import numpy as np
from lib.data import Shuffled, images
from lib.nets import compiled, gradients, steepest
from lib.picture import looks, medians
from lib.run import Recipe, by, chosen, spread

from kcomponents import activations
from kcomponents.callbacks import TrainingDoctor

KINDS = ["sigmoid", "tanh", "relu", "prelu"]
CLAIM = (
    "Each sigmoid layer weakens the gradient 4 times or more, others less than twice"
)


def net(kind, depth, width):
    """Return a network whose initial weights keep the scale of gradients."""
    first = "he_normal" if kind in ("relu", "prelu") else "glorot_uniform"
    model = keras.Sequential([keras.Input((784,))])
    for _ in range(depth):
        model.add(keras.layers.Dense(width, kernel_initializer=first))
        model.add(activations.get(kind, as_layer=True))
    model.add(keras.layers.Dense(10))
    return model


def finding(model, x, y):
    """Train a network; return the doctor's first finding, else its verdict."""
    doctor = TrainingDoctor(data=(x, y))
    compiled(model, keras.optimizers.SGD(0.05))
    model.fit(Shuffled(x, y, 100), epochs=2, verbose=0, callbacks=[doctor])
    rules = [found.label for found in doctor.diagnosis.findings]
    return rules[0] if rules else doctor.diagnosis.verdict


def measure(args, seed):
    """Measure the gradients of each kind at each depth."""
    # The table has the doctor's findings, so its warnings are not needed.
    logging.getLogger("kcomponents").setLevel(logging.ERROR)
    (x, y), _ = images(args.data)
    width, depths = (16, [2, 3]) if args.quick else (100, [2, 4, 6, 8, 10])
    for kind in KINDS:
        for depth in depths:
            found = gradients(net(kind, depth, width), 0.05, x[:1000], y[:1000], 1000)
            ratio = found[-1] / found[0]
            result = {"kind": kind, "depth": depth, "slope": steepest(kind)}
            result |= {"ratio": ratio, "per_layer": ratio ** (1 / (depth - 1))}
            yield result | {"gradients": found}
        if kind == "sigmoid" or not args.quick:
            yield {"diagnosed": kind, "doctor": finding(net(kind, depth, width), x, y)}


def rows(results):
    """Return a row for each kind."""
    table = []
    for kind in KINDS:
        found, doctor = chosen(results, kind=kind), chosen(results, diagnosed=kind)
        depth, ratios = list(by(found, "depth", "ratio").items())[-1]
        row = {"activation": kind, "slope at most": f"{found[0]['slope']:.3g}"}
        row[f"gradient, last / first of {depth}"] = spread(ratios, "{:.2g}")
        row["per layer"] = spread([r["per_layer"] for r in found], "{:.2f}")
        row["doctor"] = ", ".join(sorted({r["doctor"] for r in doctor}))
        table.append(row)
    return table


def effect(results):
    """Return whether each layer costs a factor of 4, for the sigmoid only."""
    nets = [r for r in results if "kind" in r]
    steep = max(by(nets, "kind", "slope")["sigmoid"])
    factors = by(nets, "kind", "per_layer")
    least = min(factors.pop("sigmoid"))
    return steep <= 1 / 4 and least >= 4 and max(map(max, factors.values())) < 2


def picture(results, figure):
    """Draw the gradients in the deepest networks, and the ratio by depth."""
    left, right = figure.subplots(1, 2)
    deepest = max(r.get("depth", 0) for r in results)
    layers = np.arange(deepest) + 1
    for kind, look in looks(KINDS):
        found = chosen(results, kind=kind)
        norms = np.array(by(found, "depth", "gradients")[deepest])
        left.semilogy(layers, np.median(norms / norms[:, -1:], 0), label=kind, **look)
        medians(right, by(found, "depth", "ratio"), kind, look["color"], look["marker"])
    left.semilogy(layers, 0.25 ** (deepest - layers), "k:", label="1/4 at each layer")
    left.set(xlabel=f"hidden layer, of {deepest}", ylabel="gradient / last layer's")
    right.set(xlabel="hidden layers", ylabel="gradient, last / first", yscale="log")
    left.legend()


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture)
main = RECIPE.main


if __name__ == "__main__":
    main()
