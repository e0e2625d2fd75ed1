"""Slow criteria of early stopping gain a little and cost several times the epochs.

Claim: a validation loss has small minima before its least one. Who stops in a hurry, as
GL(1) does, takes one of these. Who waits, as UP(8) does, finds the least one, and pays
for it in epochs.

What to expect: the criteria are replayed on one recorded training for each seed and
set, 284 rows of breast cancer (from scikit-learn) and 500 digits, with dropout. GL(1)
comes to a validation loss 0 to 81 % above the least. UP(2) finds the least already, for
2 to 4 times the epochs; PQ(3) and UP(8) never stop in 120 epochs.

What does not show: that to wait longer than UP(2) gains anything. On one curve who
waits cannot have a higher validation loss, so that the test loss is what counts. There
the hurried gain in one seed of five: noise of 142 to 250 rows is as large as the
effect.

Source: Prechelt, "Early stopping - but when?", 1998,
https://doi.org/10.1007/3-540-49430-8_3: in 1296 trainings the slower criteria gained
about 4 % and took about 4 times as long.

    python recipes/early_stopping.py
"""

import keras
import numpy as np
from recipe_data import images
from recipe_run import COLORS, STEPS, STYLES, Recipe, run
from recipe_table import by, spread
from sklearn.datasets import load_breast_cancer

from kcomponents.callbacks import GL, PQ, UP, EarlyStopping, Patience

CRITERIA = [
    *(GL(alpha) for alpha in (1, 2, 3, 5)),
    *(PQ(alpha) for alpha in (0.5, 0.75, 1, 2, 3)),
    *(UP(strips) for strips in (2, 3, 4, 6, 8)),
    *(Patience(n) for n in (3, 10, 30)),
]
KINDS = ["GL", "PQ", "UP", "Patience"]
FAST, SLOW = ("GL(1)", "UP(2)"), ("PQ(3)", "UP(8)")
TOLD = [*FAST, "GL(5)", "PQ(0.5)", *SLOW, "Patience(3)", "Patience(30)"]
CLAIM = (
    "slow criteria take twice the epochs of fast ones or more, for no more test loss"
)


def name_of(criterion):
    """Return the name of a criterion without its strip, which is 5 for all."""
    return repr(criterion).replace(", strip=5", "")


def train(x, y, epochs, seed):
    """Train on half of the rows for too long; return the losses of each epoch."""
    order = np.random.default_rng(seed).permutation(len(x))
    x, y, half = x[order].astype("float32"), y[order], len(x) // 2
    model = keras.Sequential()
    for _ in range(2):
        model.add(keras.layers.Dense(64, "relu"))
        model.add(keras.layers.Dropout(0.5))
    model.add(keras.layers.Dense(int(y.max()) + 1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, steps_per_execution=STEPS)
    losses = {"loss": [], "val_loss": [], "test_loss": []}

    def look(epoch, logs):
        halves = [np.array_split(a, 2) for a in (y[half:], predict(x[half:]))]
        held = [float(loss(*pair)) for pair in zip(*halves, strict=True)]
        for curve, value in zip(losses.values(), [logs["loss"], *held], strict=True):
            curve.append(float(value))

    predict, look = model.predict_on_batch, keras.callbacks.LambdaCallback(None, look)
    size = {"batch_size": 50, "epochs": epochs}
    model.fit(x[:half], y[:half], verbose=0, callbacks=[look], **size)
    return losses


def replay(criterion, losses):
    """Return how many epochs a criterion takes, and which one comes back."""
    stopper = EarlyStopping("val_loss", mode="min", criterion=criterion)
    stopper.set_model(keras.Sequential([keras.layers.Dense(1)]))
    stopper.on_train_begin()
    for epoch, logs in enumerate(zip(*losses.values(), strict=True)):
        stopper.on_epoch_begin(epoch)
        stopper.on_epoch_end(epoch, dict(zip(losses, logs, strict=True)))
        if stopper.stop_reason:
            break
    return epoch + 1, stopper.best_epoch


def measure(args, seed):
    """Record a training on each set, and ask each criterion when to stop it."""
    (x, y), _ = images(args.data)
    some = np.random.default_rng(seed).permutation(len(x))[:1000]
    cancer, kind = load_breast_cancer(return_X_y=True)
    cancer = (cancer - cancer.mean(0)) / cancer.std(0)
    for name, pair in (("cancer", (cancer, kind)), ("digits", (x[some], y[some]))):
        losses = train(*pair, 20 if args.quick else 120, seed)
        yield {"data": name, **losses}
        found = {name_of(c): replay(c, losses) for c in CRITERIA}
        least, fastest = np.argmin(losses["val_loss"]), min(found.values())[0]
        for criterion, (epochs, best) in found.items():
            told = {"criterion": criterion, "data": name, "epochs": epochs}
            told["cost"] = epochs / fastest
            for part in ("val_loss", "test_loss"):
                told[part] = 100 * (losses[part][best] / losses[part][least] - 1)
            yield told


def means(results, criteria, value):
    """Return of each seed the mean of a value over sets and criteria."""
    found = [r for r in results if r.get("criterion") in criteria]
    return [float(np.mean(values)) for values in by(found, "seed", value).values()]


def rows(results):
    """Return a row for each of some criteria."""
    columns = {
        "epochs": ("epochs", "{:.0f}"),
        "times the fastest": ("cost", "{:.1f}"),
        "validation loss, % above the least": ("val_loss", "{:.1f}"),
        "test loss, % above that epoch's": ("test_loss", "{:.1f}"),
    }
    return [
        {"criterion": c}
        | {name: spread(means(results, [c], v), f) for name, (v, f) in columns.items()}
        for c in TOLD
    ]


def effect(results):
    """Return whether to wait costs, and does no harm."""
    epochs, test = (
        [means(results, group, value)[0] for group in (FAST, SLOW)]
        for value in ("epochs", "test_loss")
    )
    return epochs[1] >= 2 * epochs[0] and test[1] <= test[0]


def picture(results, figure):
    """Draw a recorded training, and what each criterion costs and gains."""
    curve, costs = figure.subplots(1, 2)
    first = next(r for r in results if "loss" in r and r["data"] == "digits")
    parts = {"loss": "training", "val_loss": "validation", "test_loss": "test"}
    for (key, name), color, style in zip(parts.items(), COLORS, STYLES, strict=False):
        curve.plot(first[key], style, color=color, label=name)
    curve.set(xlabel="epoch", ylabel="cross-entropy", title="500 digits, first seed")
    for kind, color, mark in zip(KINDS, COLORS[3:], "os^D", strict=True):
        names = [name_of(c) for c in CRITERIA if type(c).__name__ == kind]
        times, val, test = (
            [np.mean(means(results, [name], value)) for name in names]
            for value in ("cost", "val_loss", "test_loss")
        )
        costs.plot(times, val, mark + "-", color=color, label=f"{kind}, validation")
        label = f"{kind}, test"
        costs.plot(times, test, mark + ":", mfc="none", color=color, label=label)
    costs.set(xlabel="epochs, times those of the fastest", xscale="log")
    costs.set_xticks(ticks := [1, 2, 5, 10], ticks)
    costs.set_ylabel("loss above that of the best epoch, %")
    for axes in (curve, costs):
        axes.legend()
        axes.grid(alpha=0.3)


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, size=(9, 4))


def main(argv=None):
    """Run the recipe."""
    return run(RECIPE, __file__, argv)


if __name__ == "__main__":
    main()
