"""A training recorded to its end, and when criteria would have stopped it."""

import keras
import numpy as np
from recipe_table import by

from kcomponents.callbacks import EarlyStopping


def record(model, x, y, epochs, seed):
    """Train a compiled model on half of the rows; return the losses of each epoch.

    Args:
        model: Model whose loss takes logits of classes.
        x: NumPy array, a row for each example.
        y: NumPy array, the classes.
        epochs: Int, how long to train.
        seed: Int, which rows are held back.

    Returns:
        Dict of lists: `"loss"`, and of a quarter of the rows each, `"val_loss"` and
        `"test_loss"`.
    """
    order = np.random.default_rng(seed).permutation(len(x))
    x, y, half = x[order].astype("float32"), y[order], len(x) // 2
    answers = np.array_split(y[half:], 2)
    losses = {"loss": [], "val_loss": [], "test_loss": []}

    def look(epoch, logs):
        told = np.array_split(model.predict_on_batch(x[half:]), 2)
        held = [model.loss(*pair) for pair in zip(answers, told, strict=True)]
        for curve, value in zip(losses.values(), [logs["loss"], *held], strict=True):
            curve.append(float(value))

    looking = keras.callbacks.LambdaCallback(on_epoch_end=look)
    model.fit(x[:half], y[:half], 50, epochs, verbose=0, callbacks=[looking])
    return losses


def name_of(criterion):
    """Return the name of a criterion without its strip, which is 5 for all."""
    return repr(criterion).replace(", strip=5", "")


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


def compare(criteria, losses):
    """Return of each criterion its epochs, and the losses of what it brings back.

    Args:
        criteria: List of criteria.
        losses: Dict of lists, `"loss"`, `"val_loss"` and `"test_loss"` of each epoch.

    Returns:
        Dict by name. `"cost"` is the epochs in times those of the fastest; both losses
        are in percent above those of the epoch of the least validation loss.
    """
    found = {name_of(criterion): replay(criterion, losses) for criterion in criteria}
    least, fastest = np.argmin(losses["val_loss"]), min(found.values())[0]
    compared = {}
    for name, (epochs, best) in found.items():
        compared[name] = {"epochs": epochs, "cost": epochs / fastest}
        for part in ("val_loss", "test_loss"):
            above = losses[part][best] / losses[part][least] - 1
            compared[name][part] = 100 * above
    return compared


def means(results, criteria, value):
    """Return of each seed the mean of a value over sets and criteria."""
    found = [r for r in results if r.get("criterion") in criteria]
    return [float(np.mean(values)) for values in by(found, "seed", value).values()]


def averages(results, criteria, value):
    """Return of each criterion the mean of a value over sets and seeds."""
    return [np.mean(means(results, [criterion], value)) for criterion in criteria]
