"""A sigmoid leaves at most a quarter of the gradient at each layer; others do not.

Claim: the slope of a sigmoid is at most 1/4. What is passed back through ten layers
shrinks by 4 at each of them, and the first one learns a million times more slowly than
the last. The slope of tanh, ReLU and PReLU comes up to 1, and their gradients arrive.

What to expect: nets of two to ten layers as they start, before any training, on 1000
handwritten digits. With ten layers a weight of the sigmoid's first one has about 1e-6
of the gradient of the last one's, with the others a half or more. No seed and no depth
is an exception: Glorot's weights neither widen nor narrow what flows, so that the slope
is all that is left. With two layers the factor is 8, as most pixels are black too.
Larger weights (`recommended_for("sigmoid")`) make up for a part of it. The last column
is what the training doctor finds after two epochs.

Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward
neural networks", 2010, https://proceedings.mlr.press/v9/glorot10a.html, figure 7.

    python recipes/vanishing_gradient.py
"""

import logging
import math

import keras
import numpy as np
from recipe_data import images
from recipe_run import COLORS, STEPS, STYLES, Recipe, run
from recipe_table import by, chosen, spread

from kcomponents import activations
from kcomponents.callbacks import GradientNormLogger, TrainingDoctor

KINDS = ["sigmoid", "tanh", "relu", "prelu"]
CLAIM = "sigmoid 4 times weaker at each layer in all nets, others less than twice"


def net(kind, depth, width, **compiling):
    """Return a compiled net whose weights keep the scale of what flows."""
    first = "he_normal" if kind in ("relu", "prelu") else "glorot_uniform"
    model = keras.Sequential([keras.Input((784,))])
    for _ in range(depth):
        model.add(keras.layers.Dense(width, kernel_initializer=first))
        model.add(activations.get(kind, as_layer=True))
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05), loss, metrics=["accuracy"], **compiling)
    return model


def steepest(kind):
    """Return the greatest slope of an activation."""
    z = np.linspace(-8, 8, 400, dtype="float32")
    f = keras.ops.convert_to_numpy(activations.get(kind, as_layer=True)(z[:, None]))
    return float(np.max(np.diff(f[:, 0]) / np.diff(z)))


def gradients(model, x, y):
    """Return the rms gradient of each hidden kernel in one step."""
    log = GradientNormLogger(per_variable=True)
    found = model.fit(x, y, batch_size=len(x), verbose=0, callbacks=[log]).history
    kernels = [layer.kernel for layer in model.layers[:-1:2]]
    return [
        found[f"grad_norm/{k.path}"][0] / math.prod(k.shape) ** 0.5 for k in kernels
    ]


def diagnosis(model, x, y):
    """Train a net; return what the doctor finds first."""
    doctor = TrainingDoctor()
    model.fit(x, y, batch_size=100, epochs=2, verbose=0, callbacks=[doctor])
    rules = [finding.rule for finding in doctor.diagnosis.findings]
    return rules[0] if rules else doctor.diagnosis.verdict


def measure(args, seed):
    """Measure each kind at each depth."""
    (x, y), _ = images(args.data)
    width, depths = (16, [2, 3]) if args.quick else (100, [2, 4, 6, 8, 10])
    for kind in KINDS:
        for depth in depths:
            # One step needs no compiling.
            model = net(kind, depth, width, run_eagerly=True)
            found = gradients(model, x[:1000], y[:1000])
            result = {"kind": kind, "depth": depth, "slope": steepest(kind)}
            result["ratio"] = found[-1] / found[0]
            result["per_layer"] = result["ratio"] ** (1 / (depth - 1))
            yield result | {"gradients": found}
        if kind == "sigmoid" or not args.quick:
            model = net(kind, depth, width, steps_per_execution=STEPS)
            yield {"diagnosed": kind, "doctor": diagnosis(model, x, y)}


def rows(results):
    """Return a row for each kind."""
    told = []
    for kind in KINDS:
        found, doctor = chosen(results, kind=kind), chosen(results, diagnosed=kind)
        depth, ratios = list(by(found, "depth", "ratio").items())[-1]
        row = {"activation": kind, "slope at most": f"{found[0]['slope']:.3g}"}
        row[f"gradient, last / first of {depth}"] = spread(ratios, "{:.2g}")
        row["per layer"] = spread([r["per_layer"] for r in found], "{:.2f}")
        row["doctor"] = ", ".join(sorted({r["doctor"] for r in doctor}))
        told.append(row)
    return told


def effect(results):
    """Return whether each layer costs the sigmoid, and it alone, a factor of 4."""
    nets = [r for r in results if "kind" in r]
    steep = max(by(nets, "kind", "slope")["sigmoid"])
    factors = by(nets, "kind", "per_layer")
    least = min(factors.pop("sigmoid"))
    return steep <= 1 / 4 and least >= 4 and max(map(max, factors.values())) < 2


def picture(results, figure):
    """Draw the gradient of each layer of the deepest nets, and the ratio by depth."""
    left, right = figure.subplots(1, 2)
    for kind, color, style, mark in zip(KINDS, COLORS, STYLES, "os^D", strict=False):
        look = {"label": kind, "color": color, "linestyle": style, "marker": mark}
        ratios = by(chosen(results, kind=kind), "depth", "ratio")
        deepest = max(ratios)
        found = chosen(results, kind=kind, depth=deepest)
        norms = np.array([r["gradients"] for r in found])
        layers = np.arange(deepest) + 1
        left.plot(layers, np.median(norms / norms[:, -1:], 0), **look)
        right.plot(list(ratios), [np.median(r) for r in ratios.values()], **look)
    left.plot(layers, 0.25 ** (deepest - layers), "k:", label="1/4 at each layer")
    left.set(xlabel=f"hidden layer, of {deepest}", ylabel="gradient / last layer's")
    right.set(xlabel="hidden layers", ylabel="gradient, last layer / first")
    for axes in (left, right):
        axes.set_yscale("log")
        axes.grid(alpha=0.3)
    left.legend(loc="lower right")


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture)


def main(argv=None):
    """Run the recipe."""
    # What the doctor says of each net stands in the table.
    logging.getLogger("kcomponents").setLevel(logging.ERROR)
    return run(RECIPE, __file__, argv)


if __name__ == "__main__":
    main()
