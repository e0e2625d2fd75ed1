"""Slow early-stopping criteria gain a little, at several times the epochs.

Claim: a validation loss has local minima before its lowest one. An impatient criterion,
such as GL(1), stops at one of these. A patient one, such as UP(8), finds the lowest,
and pays for it in epochs.

What to expect: the criteria are replayed on one recorded run for each seed and data
set, 284 samples of breast cancer (from scikit-learn) and 500 digits, with dropout. With
GL(1) the validation loss ends 0 to 126 % above its minimum. UP(2) finds the minimum in
three seeds of five, in 2 to 4 times the epochs; PQ(3) never stops within 120 epochs.

Not shown: that waiting longer than UP(2) gains anything. On the same curve, waiting
cannot raise the lowest validation loss, so the test loss decides. There the impatient
criteria win in three seeds of five: with 142 to 250 samples, noise is as large as the
effect.

Source: Prechelt, "Early stopping - but when?", https://doi.org/10.1007/3-540-49430-8_3,
1998: in 1296 runs slower criteria gained about 4 % and took about 4 times as long.

    python recipes/early_stopping.py
"""

import keras
import numpy as np
from lib.data import Shuffled, images
from lib.nets import compiled
from lib.picture import COLORS, MARKS, STYLES
from lib.run import Recipe, by, spread
from sklearn.datasets import load_breast_cancer

from kcomponents.callbacks import GL, PQ, UP, EarlyStopping, Patience

# Kind → its class, and the values of its argument. Strips have 5 epochs.
KINDS = {
    "GL": (GL, (1, 2, 3, 5)),
    "PQ": (PQ, (0.5, 0.75, 1, 2, 3)),
    "UP": (UP, (2, 3, 4, 6, 8)),
    "Patience": (Patience, (3, 10, 30)),
}
CRITERIA = {
    f"{kind}({value})": made(value)
    for kind, (made, values) in KINDS.items()
    for value in values
}
FAST, SLOW = ("GL(1)", "UP(2)"), ("PQ(3)", "UP(8)")
SHOWN = [*FAST, "GL(5)", "PQ(0.5)", *SLOW, "Patience(3)", "Patience(30)"]
PARTS = {"loss": "training", "val_loss": "validation", "test_loss": "test"}
COLUMNS = {
    "epochs": ("epochs", "{:.0f}"),
    "times the fastest": ("cost", "{:.1f}"),
    "validation loss, % above the least": ("val_loss", "{:.1f}"),
    "test loss, % above that epoch's": ("test_loss", "{:.1f}"),
}
CLAIM = (
    "Slow criteria take twice the epochs of fast ones or more, for no more test loss"
)


def record(model, x, y, epochs, seed):
    """Train a compiled model on half of the samples; return the losses by epoch.

    Args:
        model: Model whose loss takes logits of classes.
        x: NumPy array, the samples.
        y: NumPy array, their classes.
        epochs: Int, number of epochs.
        seed: Int, for the choice of the samples to train on.

    Returns:
        Dict of lists: `"loss"`, and `"val_loss"` and `"test_loss"`, each on a quarter
        of the samples.
    """
    order = np.random.default_rng(seed).permutation(len(x))
    x, y, half = x[order].astype("float32"), y[order], len(x) // 2
    answers = np.array_split(y[half:], 2)
    losses = {"loss": [], "val_loss": [], "test_loss": []}

    def look(epoch, logs):
        logits = np.array_split(model.predict_on_batch(x[half:]), 2)
        held = [model.loss(*pair) for pair in zip(answers, logits, strict=True)]
        for curve, value in zip(losses.values(), [logs["loss"], *held], strict=True):
            curve.append(float(value))

    looking = keras.callbacks.LambdaCallback(on_epoch_end=look)
    shuffled = Shuffled(x[:half], y[:half], 50)
    model.fit(shuffled, epochs=epochs, verbose=0, callbacks=[looking])
    return losses


def replay(criterion, losses):
    """Return after how many epochs a criterion stops, and the best epoch."""
    stopper = EarlyStopping("val_loss", mode="min", criterion=criterion)
    stopper.set_model(keras.Sequential([keras.layers.Dense(1)]))
    stopper.on_train_begin()
    for epoch, logs in enumerate(zip(*losses.values(), strict=True)):
        stopper.on_epoch_begin(epoch)
        stopper.on_epoch_end(epoch, dict(zip(losses, logs, strict=True)))
        if stopper.stop_reason:
            break
    return epoch + 1, stopper.best_epoch


def compare(criteria, losses):
    """Return the epochs that each criterion takes, and the losses it restores.

    Args:
        criteria: Dict, criteria by name.
        losses: Dict of lists, `"loss"`, `"val_loss"` and `"test_loss"` by epoch.

    Returns:
        Dict by name. `"cost"` is the number of epochs, divided by the fastest
        criterion's. Both losses are in percent above those of the epoch with the
        lowest validation loss.
    """
    found = {name: replay(criterion, losses) for name, criterion in criteria.items()}
    least, fastest = np.argmin(losses["val_loss"]), min(found.values())[0]
    compared = {}
    for name, (epochs, best) in found.items():
        compared[name] = {"epochs": epochs, "cost": epochs / fastest}
        for part in ("val_loss", "test_loss"):
            above = losses[part][best] / losses[part][least] - 1
            compared[name][part] = 100 * above
    return compared


def means(results, criteria, value):
    """Return the mean of a value over data sets and criteria, for each seed."""
    found = [r for r in results if r.get("criterion") in criteria]
    return [float(np.mean(values)) for values in by(found, "seed", value).values()]


def averages(results, criteria, value):
    """Return the mean of a value over data sets and seeds, for each criterion."""
    return [np.mean(means(results, [criterion], value)) for criterion in criteria]


def net(classes):
    """Return a compiled network with dropout."""
    model = keras.Sequential()
    for _ in range(2):
        model.add(keras.layers.Dense(64, "relu"))
        model.add(keras.layers.Dropout(0.5))
    model.add(keras.layers.Dense(classes))
    return compiled(model, keras.optimizers.Adam(3e-3))


def measure(args, seed):
    """Record a run on each data set, and replay each criterion on it."""
    (x, y), _ = images(args.data)
    some = np.random.default_rng(seed).permutation(len(x))[:1000]
    cancer, kind = load_breast_cancer(return_X_y=True)
    cancer = (cancer - cancer.mean(0)) / cancer.std(0)
    for name, data in (("cancer", (cancer, kind)), ("digits", (x[some], y[some]))):
        model, epochs = net(int(data[1].max()) + 1), 20 if args.quick else 120
        losses = record(model, *data, epochs, seed)
        yield {"data": name, **losses}
        for criterion, costs in compare(CRITERIA, losses).items():
            yield {"criterion": criterion, "data": name, **costs}


def rows(results):
    """Return a row for each of the criteria in `SHOWN`."""
    return [
        {"criterion": c}
        | {name: spread(means(results, [c], v), f) for name, (v, f) in COLUMNS.items()}
        for c in SHOWN
    ]


def effect(results):
    """Return whether waiting costs epochs, and no test loss."""
    epochs = [means(results, group, "epochs")[0] for group in (FAST, SLOW)]
    test = [means(results, group, "test_loss")[0] for group in (FAST, SLOW)]
    return epochs[1] >= 2 * epochs[0] and test[1] <= test[0]


def picture(results, figure):
    """Draw a recorded run, and the cost and gain of each criterion."""
    curve, costs = figure.subplots(1, 2)
    first = next(r for r in results if "loss" in r and r["data"] == "digits")
    for (key, name), color, style in zip(PARTS.items(), COLORS, STYLES, strict=False):
        curve.plot(first[key], style, color=color, label=name)
    curve.set(xlabel="epoch", ylabel="cross-entropy", title="500 digits, first seed")
    for kind, color, mark in zip(KINDS, COLORS[3:], MARKS, strict=False):
        names = [name for name in CRITERIA if name.startswith(kind)]
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
