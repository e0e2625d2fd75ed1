"""Compare suggested learning rates with the best of a grid of 15 whole trainings.

Ten tasks with seven optimizers, on the data of the recipes and of scikit-learn. Each is
trained for some epochs at 15 rates, from 1e-5 to 10. A row gives what
`suggest_learning_rate` suggests, and the training loss of the last epoch at that rate
over that at the best of the 15: 1 is as good, below 1 is better. The same for the
suggestions that Lightning and fastai make from a range test of 100 steps. Exits with 1
if the median or the worst ratio of ours is beyond its bound.

    KERAS_BACKEND=jax python benchmarks/learning_rates.py
    KERAS_BACKEND=jax python benchmarks/learning_rates.py --only lstm gpt
"""

import argparse
import bisect
import math
import pathlib
import statistics
import sys
import time

import keras
import numpy as np
from sklearn import datasets

from kcomponents.treatment import suggest_learning_rate

DATA = pathlib.Path(__file__).parents[1] / "recipes" / "data"
RATES = np.logspace(-5, 1, 15)
MEDIAN, WORST = 1.05, 1.3
# Of the range tests: steps, the first and the last rate, and the weight of what was
# before in the smoothed loss. They end at so many times the lowest loss.
RANGE_STEPS, SMOOTHING, STOP = 100, 0.98, 4.0
LIGHTNING, FASTAI = (1e-8, 1.0), (1e-7, 10.0)
layers, optimizers = keras.layers, keras.optimizers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def digits(count):
    """Return images of digits and their labels."""
    with np.load(DATA / "mnist10k.npz") as arrays:
        x, y = arrays["x"][:count], arrays["y"][:count]
    return x.reshape(count, 28, 28, 1).astype("float32") / 255, y.astype("int32")


def text(count, length=32):
    """Return pieces of a text as ids, the following ids, and how many there are."""
    with np.load(DATA / "shakespeare10.npz") as arrays:
        letters = arrays["text"][:200_000]
    known, ids = np.unique(letters, return_inverse=True)
    starts = np.random.default_rng(0).integers(0, len(ids) - length - 1, count)
    pieces = np.stack([ids[s : s + length + 1] for s in starts]).astype("int32")
    return pieces[:, :-1], pieces[:, 1:], len(known)


def table(load):
    """Return a table of scikit-learn, with columns of mean 0 and deviation 1."""
    found = load()
    x = (found.data - found.data.mean(0)) / found.data.std(0)
    return x.astype("float32"), found.target.astype("float32")[:, None]


def chain(x, *parts):
    """Return a sequential model for such inputs."""
    return keras.Sequential([keras.Input(x.shape[1:], dtype=x.dtype), *parts])


def perceptron():
    """Return a task: digits, two ReLU layers, gradient descent."""
    x, y = digits(3000)
    hidden = [layers.Dense(128, "relu") for _ in range(2)]
    model = chain(x, layers.Flatten(), *hidden, layers.Dense(10))
    return model, LOSS, optimizers.SGD(), x, y, 32, 3


def convolutions():
    """Return a task: digits, a small convolutional network, Adam."""
    x, y = digits(1500)
    parts = layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D()
    more = layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()
    model = chain(x, *parts, *more, layers.Flatten(), layers.Dense(10))
    return model, LOSS, optimizers.Adam(), x, y, 32, 4


def normalized():
    """Return a task: digits, four layers with batch normalization, momentum."""
    x, y = digits(3000)
    hidden = []
    for _ in range(4):
        hidden += [layers.Dense(128, use_bias=False), layers.BatchNormalization()]
        hidden.append(layers.ReLU())
    model = chain(x, layers.Flatten(), *hidden, layers.Dense(10))
    return model, LOSS, optimizers.SGD(momentum=0.9), x, y, 64, 5


def lstm():
    """Return a task: the next letter of a text, an LSTM, Adam."""
    x, y, ids = text(1500)
    hidden = layers.Embedding(ids, 32), layers.LSTM(64, return_sequences=True)
    model = chain(x, *hidden, layers.Dense(ids))
    return model, LOSS, optimizers.Adam(), x, y, 32, 5


def gpt():
    """Return a task: the next letter of a text, two blocks of attention, AdamW."""
    x, y, ids = text(1000)
    inputs = keras.Input(x.shape[1:], dtype="int32")
    places = keras.ops.expand_dims(keras.ops.arange(x.shape[1]), 0)
    z = layers.Embedding(ids, 64)(inputs) + layers.Embedding(64, 64)(places)
    for _ in range(2):
        n = layers.LayerNormalization()(z)
        z = z + layers.MultiHeadAttention(4, 16)(n, n, use_causal_mask=True)
        n = layers.Dense(128, "gelu")(layers.LayerNormalization()(z))
        z = z + layers.Dense(64)(n)
    model = keras.Model(inputs, layers.Dense(ids)(z))
    return model, LOSS, optimizers.AdamW(), x, y, 32, 6


def autoencoder():
    """Return a task: digits from 16 numbers, Adam."""
    x = digits(3000)[0].reshape(3000, -1)
    parts = [layers.Dense(128, "relu"), layers.Dense(16), layers.Dense(128, "relu")]
    model = chain(x, *parts, layers.Dense(784, "sigmoid"))
    return model, "mse", optimizers.Adam(), x, x, 32, 4


def deep_tanh():
    """Return a task: digits, five layers of tanh, RMSprop."""
    x, y = digits(3000)
    hidden = [layers.Dense(64, "tanh") for _ in range(5)]
    model = chain(x, layers.Flatten(), *hidden, layers.Dense(10))
    return model, LOSS, optimizers.RMSprop(), x, y, 32, 4


def regression():
    """Return a task: progress of diabetes from a table, momentum."""
    x, y = table(datasets.load_diabetes)
    model = chain(x, layers.Dense(16, "relu"), layers.Dense(1))
    return model, "mse", optimizers.SGD(momentum=0.9), x, (y - 152) / 77, 32, 15


def vowels():
    """Return a task: speakers from series, a GRU, Nadam."""
    with np.load(DATA / "japanese_vowels.npz") as arrays:
        chosen = ~arrays["test"].astype(bool)
        x, y = arrays["x"][chosen], arrays["y"][chosen].astype("int32")
    x = x.astype("float32")
    model = chain(x, layers.GRU(32), layers.Dense(int(y.max()) + 1))
    return model, LOSS, optimizers.Nadam(), x, y, 16, 8


def dropped():
    """Return a task: two classes of tumors from a table, dropout, Adagrad."""
    x, y = table(datasets.load_breast_cancer)
    hidden = layers.Dense(16, "relu"), layers.Dropout(0.3)
    model = chain(x, *hidden, layers.Dense(1, "sigmoid"))
    return model, "binary_crossentropy", optimizers.Adagrad(), x, y, 32, 10


TASKS = (
    *(perceptron, convolutions, normalized, lstm, gpt),
    *(autoencoder, deep_tanh, regression, vowels, dropped),
)


def compiled(task, rate=1e-3):
    """Return a new compiled model of a task, its data, and its numbers."""
    keras.utils.set_random_seed(0)
    model, loss, optimizer, *data = task()
    optimizer.learning_rate = rate
    model.compile(optimizer, loss)
    return model, *data


def trained(task, rate):
    """Return the loss of the last epoch of a training, infinity if it diverged."""
    model, x, y, batch, epochs = compiled(task, rate)
    stop = keras.callbacks.TerminateOnNaN()
    options = {"batch_size": batch, "epochs": epochs, "verbose": 0}
    losses = model.fit(x, y, callbacks=[stop], **options).history["loss"]
    return losses[-1] if math.isfinite(losses[-1]) else math.inf


def range_test(task, low, high):
    """Return rates and smoothed losses of a range test."""
    model, x, y, batch, _ = compiled(task)
    random = np.random.default_rng(0)
    rates, losses, mean = [], [], 0.0
    for step in range(RANGE_STEPS):
        rate = low * (high / low) ** (step / (RANGE_STEPS - 1))
        model.optimizer.learning_rate = rate
        model.reset_metrics()
        rows = random.choice(len(x), batch, replace=False)
        loss = float(model.train_on_batch(x[rows], y[rows]))
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smooth = mean / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(smooth):
            break
        rates.append(rate)
        losses.append(smooth)
        if step and smooth > STOP * min(losses):
            break
    return rates, losses


def steepest(rates, losses):
    """Return Lightning's suggestion: where the loss falls steepest."""
    losses = np.array(losses[10:-1])
    return rates[10 + int(np.argmin(np.gradient(losses)))] if len(losses) > 1 else None


def valley(rates, losses):
    """Return fastai's suggestion: after half of the longest valley, about.

    The longest valley is the longest row of losses, not all of them next to each
    other, of which each is lower than the one before.
    """
    skipped = RANGE_STEPS // 10
    losses = losses[skipped:-5]
    if not losses:
        return None
    # Of valleys that end at a place: the number of losses, which is found in order.
    lowest, lengths = [], []
    for loss in losses:
        place = bisect.bisect_left(lowest, -loss)
        lowest[place : place + 1] = [-loss]
        lengths.append(place + 1)
    end = int(np.argmax(lengths))
    start, third = end - lengths[end], lengths[end] / 3
    return rates[skipped + max(0, start + int(third) + int(third / 2))]


def suggestions(task):
    """Return name → suggestion, and the seconds that ours took."""
    model, x, y, batch, _ = compiled(task)
    begin = time.perf_counter()
    ours = suggest_learning_rate(model, x, y, batch_size=batch).learning_rate
    seconds = time.perf_counter() - begin
    found = {
        "ours": ours,
        "Lightning": steepest(*range_test(task, *LIGHTNING)),
        "fastai": valley(*range_test(task, *FASTAI)),
    }
    return found, seconds


def main(argv=None):
    """Train, print a row for each task, and return whether the bounds hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [task.__name__ for task in TASKS]
    parser.add_argument("--only", nargs="+", choices=names, help="tasks (default: all)")
    chosen = parser.parse_args(argv).only or names
    tools = "ours", "Lightning", "fastai"
    print(f"{'task':14}{'best rate':>10}", *(f"{tool:>19}" for tool in tools))
    ratios = {tool: [] for tool in tools}
    for task in TASKS:
        if task.__name__ not in chosen:
            continue
        losses = [trained(task, rate) for rate in RATES]
        best = int(np.argmin(losses))
        found, seconds = suggestions(task)
        cells = []
        for tool in tools:
            rate = found[tool]
            loss = math.inf if rate is None else trained(task, rate)
            ratios[tool].append(loss / losses[best])
            cells.append(f"{rate or math.nan:>11.2g} {ratios[tool][-1]:>7.2f}")
        rows = f"{task.__name__:14}{RATES[best]:>10.2g}", *cells
        print(*rows, f"({seconds:.1f} s)", flush=True)
    missed = False
    for name, summary, bound in (
        ("median", statistics.median, MEDIAN),
        ("worst", max, WORST),
    ):
        values = [summary(ratios[tool]) for tool in tools]
        beyond = values[0] > bound
        missed |= beyond
        sign = f"MISSED, bound {bound}" if beyond else f"bound {bound}"
        cells = [f"{value:>19.2f}" for value in values]
        print(f"{name:24}", *cells, sign)
    return not missed


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
