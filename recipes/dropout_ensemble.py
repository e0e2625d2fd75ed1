"""Dropout's scaled net is its ensemble exactly if linear, nearly if not.

Claim: a net with dropout is an ensemble of thinned nets that share weights, and one
prediction with all units, scaled, stands for all. Without hidden nonlinearities it is
exactly the mean of their logits, and the normalized geometric mean of their
probabilities. For sigmoid, ReLU and Maxout units it is only near.

What to expect: of two hidden layers of 8 units all 65,536 thinned nets are run. For
linear units the gap is that of rounding, for the others the mean logit is off by 5 to
15 % (root mean square). The usual mean of probabilities is off by .35 and more even for
linear units. In a wide net one sample gets 91 to 92 % of the test digits right, the
mean of 50 94 to 95 %, as the scaled net does: sampling does not beat it.

Source: Srivastava et al., "Dropout", 2014, section 7.5 and figure 11 (about 50
samples), https://jmlr.org/papers/v15/srivastava14a.html; Gal and Ghahramani, "Dropout
as a Bayesian approximation", 2016, https://arxiv.org/abs/1506.02142.

    python recipes/dropout_ensemble.py
"""

import keras
import numpy as np
from recipe_data import images
from recipe_nets import compiled
from recipe_picture import COLORS, medians
from recipe_run import Recipe
from recipe_table import by, chosen, one, rows_by
from recipe_thinned import gaps

from kcomponents.inference import compare_dropout_inference
from kcomponents.layers import MaxoutDense

UNITS, COUNTS = 8, [1, 2, 5, 10, 20, 50]
KINDS = ["linear", "sigmoid", "relu", "maxout"]
COLUMNS = {
    "gap of mean logit": ("logit", "{:.2g}"),
    "of geometric mean": ("geometric", "{:.2g}"),
    "of mean probability": ("arithmetic", "{:.2g}"),
    "accuracy": ("right", "{:.1%}"),
}
CLAIM = (
    "Linear net equal to the mean of all to 1e-12, others not to 1e-3, and 50 samples "
    "within a point of the scaled net"
)


def net(kind, width, dropped, data, epochs):
    """Return a trained net with dropout of its inputs, if any, and hidden units."""
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dropout(dropped)])
    for _ in range(2):
        maxout = kind == "maxout"
        model.add(MaxoutDense(width) if maxout else keras.layers.Dense(width, kind))
        model.add(keras.layers.Dropout(0.5))
    model.add(keras.layers.Dense(10))
    compiled(model, keras.optimizers.Adam(1e-3))
    model.fit(*data, batch_size=100, epochs=epochs, verbose=0)
    return model


def measure(args, seed):
    """Run all thinned nets of small nets, and samples of those of a wide one."""
    train, (x, y) = images(args.data)
    epochs, width, digits = (1, 32, 10) if args.quick else (args.epochs, 256, 50)
    for kind in ["linear", "relu"] if args.quick else KINDS:
        model = net(kind, UNITS, 0.0, train, epochs)
        yield {"net": kind, **gaps(kind, model, x[:digits])}
    wide = net("relu", width, 0.2, train, epochs)
    found = compare_dropout_inference(wide, x, y, COUNTS, from_logits=True)
    yield {"net": "scaled", "right": found.weight_scaling.accuracy}
    for k, score in found.monte_carlo.items():
        yield {"net": "wide", "samples": k, "right": score.accuracy, "logit": score.gap}


def rows(results):
    """Return a row for each small net, and for some numbers of samples."""
    names = {"scaled": "wide relu, scaled", "wide": "wide relu, {samples} samples"}
    names |= {kind: f"{kind}, all nets" for kind in KINDS}
    shown = [r for r in results if r.get("samples") in (None, 1, 10, 50)]
    named = [r | {"net": names[r["net"]].format(**r)} for r in shown]
    return rows_by(named, "net", COLUMNS)


def effect(results):
    """Return whether linear units are exact, others not, and samples catch up."""
    small = {r["net"]: r for r in results if r["net"] in KINDS}
    linear = small.pop("linear")
    exact = max(linear["logit"], linear["geometric"]) < 1e-12
    bent = min(r["logit"] for r in small.values()) > 1e-3
    right = [one(results, net="scaled"), one(results, net="wide", samples=50)]
    return exact and bent and abs(right[0]["right"] - right[1]["right"]) <= 0.01


def picture(results, figure):
    """Draw the gaps of the small nets, and accuracy over the number of samples."""
    left, right = figure.subplots(1, 2)
    small = [r for r in results if r["net"] in KINDS]
    names = {"logit": "mean logit", "arithmetic": "mean of probabilities"}
    for gap, color, mark in zip(names, COLORS, "os", strict=False):
        left.plot([r["net"] for r in small], [r[gap] for r in small], mark, color=color)
    left.set(yscale="log", xlabel="hidden units", ylabel="gap to the scaled net")
    left.set_title(f"All {4**UNITS:,} thinned nets of small nets")
    left.grid(alpha=0.3)
    wide = by(chosen(results, net="wide"), "samples", "right")
    scaled = np.median([r["right"] for r in chosen(results, net="scaled")])
    right.axhline(scaled, color=COLORS[1], ls="--", label="scaled net")
    medians(right, wide, "mean of samples", COLORS[0], "o")
    right.set(xlabel="samples", ylabel="test accuracy", xscale="log")
    right.set_xticks(COUNTS, COUNTS)
    right.set_title("A wide ReLU net, medians over seeds")
    left.legend(list(names.values()), loc="lower right")
    right.legend(loc="lower right")


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, epochs=8)
main = RECIPE.main


if __name__ == "__main__":
    main()
