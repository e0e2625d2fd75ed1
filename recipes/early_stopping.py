"""Slow criteria of early stopping gain a little and cost several times the epochs.

Claim: a validation loss has small minima before its least one. Who stops in a hurry, as
GL(1), takes one of these. Who waits, as UP(8), finds the least, and pays in epochs.

What to expect: the criteria are replayed on one recorded training for each seed and
set, 284 rows of breast cancer (from scikit-learn) and 500 digits, with dropout. GL(1)
comes to a validation loss 0 to 81 % above the least. UP(2) finds the least already, for
2 to 4 times the epochs; PQ(3) and UP(8) never stop in 120 epochs.

What does not show: that to wait longer than UP(2) gains anything. On one curve who
waits cannot have a higher validation loss, so the test loss counts. There the hurried
gain in one seed of five: noise of 142 to 250 rows is as large as the effect.

Source: Prechelt, "Early stopping - but when?", https://doi.org/10.1007/3-540-49430-8_3,
1998: in 1296 trainings slower criteria gained about 4 % and took about 4 times as long.

    python recipes/early_stopping.py
"""

import keras
import numpy as np
from recipe_data import images
from recipe_nets import compiled
from recipe_picture import COLORS, MARKS, STYLES
from recipe_replay import averages, compare, means, name_of, record
from recipe_run import Recipe
from recipe_table import spread
from sklearn.datasets import load_breast_cancer

from kcomponents.callbacks import GL, PQ, UP, Patience

CRITERIA = [
    *(GL(alpha) for alpha in (1, 2, 3, 5)),
    *(PQ(alpha) for alpha in (0.5, 0.75, 1, 2, 3)),
    *(UP(strips) for strips in (2, 3, 4, 6, 8)),
    *(Patience(n) for n in (3, 10, 30)),
]
KINDS = ["GL", "PQ", "UP", "Patience"]
FAST, SLOW = ("GL(1)", "UP(2)"), ("PQ(3)", "UP(8)")
TOLD = [*FAST, "GL(5)", "PQ(0.5)", *SLOW, "Patience(3)", "Patience(30)"]
PARTS = {"loss": "training", "val_loss": "validation", "test_loss": "test"}
COLUMNS = {
    "epochs": ("epochs", "{:.0f}"),
    "times the fastest": ("cost", "{:.1f}"),
    "validation loss, % above the least": ("val_loss", "{:.1f}"),
    "test loss, % above that epoch's": ("test_loss", "{:.1f}"),
}
CLAIM = (
    "slow criteria take twice the epochs of fast ones or more, for no more test loss"
)


def net(classes):
    """Return a compiled net with dropout."""
    model = keras.Sequential()
    for _ in range(2):
        model.add(keras.layers.Dense(64, "relu"))
        model.add(keras.layers.Dropout(0.5))
    model.add(keras.layers.Dense(classes))
    return compiled(model, keras.optimizers.Adam(3e-3))


def measure(args, seed):
    """Record a training on each set, and ask each criterion when to stop it."""
    (x, y), _ = images(args.data)
    some = np.random.default_rng(seed).permutation(len(x))[:1000]
    cancer, kind = load_breast_cancer(return_X_y=True)
    cancer = (cancer - cancer.mean(0)) / cancer.std(0)
    for name, data in (("cancer", (cancer, kind)), ("digits", (x[some], y[some]))):
        model, epochs = net(int(data[1].max()) + 1), 20 if args.quick else 120
        losses = record(model, *data, epochs, seed)
        yield {"data": name, **losses}
        for criterion, told in compare(CRITERIA, losses).items():
            yield {"criterion": criterion, "data": name, **told}


def rows(results):
    """Return a row for each of some criteria."""
    return [
        {"criterion": c}
        | {name: spread(means(results, [c], v), f) for name, (v, f) in COLUMNS.items()}
        for c in TOLD
    ]


def effect(results):
    """Return whether to wait costs, and does no harm."""
    epochs = [means(results, group, "epochs")[0] for group in (FAST, SLOW)]
    test = [means(results, group, "test_loss")[0] for group in (FAST, SLOW)]
    return epochs[1] >= 2 * epochs[0] and test[1] <= test[0]


def picture(results, figure):
    """Draw a recorded training, and what each criterion costs and gains."""
    curve, costs = figure.subplots(1, 2)
    first = next(r for r in results if "loss" in r and r["data"] == "digits")
    for (key, name), color, style in zip(PARTS.items(), COLORS, STYLES, strict=False):
        curve.plot(first[key], style, color=color, label=name)
    curve.set(xlabel="epoch", ylabel="cross-entropy", title="500 digits, first seed")
    for kind, color, mark in zip(KINDS, COLORS[3:], MARKS, strict=False):
        names = [c for c in map(name_of, CRITERIA) if c.startswith(kind)]
        times = averages(results, names, "cost")
        for value, line, fill in (("val_loss", "-", color), ("test_loss", ":", "none")):
            look = {"color": color, "mfc": fill, "label": f"{kind}, {PARTS[value]}"}
            costs.plot(times, averages(results, names, value), mark + line, **look)
    costs.set(xlabel="epochs, times those of the fastest", xscale="log")
    costs.set_xticks([1, 2, 5, 10], [1, 2, 5, 10])
    costs.set_ylabel("loss above that of the best epoch, %")
    for axes in (curve, costs):
        axes.legend()


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture)
main = RECIPE.main


if __name__ == "__main__":
    main()
