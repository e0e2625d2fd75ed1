"""A recurrent ReLU network that starts from an identity matrix has a long memory.

Claim: in a tanh network the gradient vanishes on its way back through time. A ReLU
network whose recurrent kernel starts as the identity matrix copies its state at first,
so gradients keep their length: it learns long sequences where tanh and even LSTM do not
learn yet.

What to expect: networks of 64 units learn to add the two marked ones of 100 numbers, in
30 epochs of 50 updates on new sequences. Always answering 1 gives a mean squared error
of 0.167. The IRNN reaches 0.004 to 0.020, below 0.01 in four of five seeds; tanh and
LSTM stay near 0.16. At first the IRNN makes huge errors, so it needs clipping. With
`--length 150`, one seed, it reaches 0.003, tanh and LSTM 0.16. The paper (baseline
0.177) finds the IRNN as good as the LSTM, and says that LSTM and tanh start to struggle
at 150. Here all have little time, and Adam, not SGD. Input weights have a standard
deviation of 0.1: with the paper's 0.001 the IRNN stayed at 0.169 (one seed). PyTorch is
by far the slowest, because it runs step by step.

Not shown: the paper reads digits pixel by pixel, with up to a million updates, and
reports 97 % for the IRNN, 35 % for tanh. With `--task pixels --epochs 6`, images of 14
x 14 and 750 updates, all are near each other: IRNN 57 %, LSTM 55 %, tanh 50 %, one
seed.

Source: Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of
rectified linear units", 2015, https://arxiv.org/abs/1504.00941, figures 2 to 5.

    python recipes/irnn.py
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
from lib.data import Shuffled, images
from lib.nets import STEPS
from lib.picture import curves
from lib.run import Recipe, chosen, in_order, rows_by
from lib.sequences import adding

from kcomponents.initializers import IRNN
from kcomponents.optimizers import clipped

KINDS = ["IRNN", "tanh", "LSTM"]
CLAIM = "The IRNN's error is at most a tenth of tanh's and LSTM's"
BATCH = 64


class Task(NamedTuple):
    """A task of long sequences: numbers to add, or digits read pixel by pixel.

    Args:
        outputs: Int, number of outputs at the end of a sequence.
        loss: String or loss, to train with.
        error: Function of targets and outputs, returns the error of each sample.
        label: String, name of the error along an axis.
    """

    outputs: int
    loss: object
    error: Callable
    label: str


def wrong(labels, scores):
    """Return 1 for each misclassified digit, else 0."""
    return 1 - keras.metrics.sparse_categorical_accuracy(labels, scores)


CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SQUARED_ERROR = keras.metrics.mean_squared_error
TASKS = {
    "adding": Task(1, "mse", SQUARED_ERROR, "mean squared error in training"),
    "pixels": Task(10, CROSS_ENTROPY, wrong, "share of misclassified training digits"),
}


def pixels(source, tiny=False):
    """Return labeled images as sequences of pixels, halved in width and height.

    Args:
        source: String, name or file, see `images`.
        tiny: Boolean, whether to return 5 pixels of 100 images only.

    Returns:
        Two pairs `(x, y)`, training and validation: `x` float32 of shape
        `(images, pixels, 1)`, `y` int32 of shape `(images,)`.
    """
    found = []
    for x, y in images(source):
        side = int(x.shape[1] ** 0.5) // 2
        halved = x.reshape(-1, side, 2, side, 2).mean((2, 4)).reshape(-1, side**2, 1)
        found.append((halved[:100, :5], y[:100]) if tiny else (halved, y))
    return found


def net(kind, args, shape):
    """Return a compiled network with an output at the end of a sequence."""
    units, layers = 8 if args.quick else 64, keras.layers
    first = keras.initializers.RandomNormal(stddev=args.input)
    start = {"kernel_initializer": first, "recurrent_initializer": IRNN()}
    recurrent = {
        "IRNN": lambda: layers.SimpleRNN(units, "relu", **start),
        "tanh": lambda: layers.SimpleRNN(units, "tanh"),
        "LSTM": lambda: layers.LSTM(units),
    }[kind]()
    task, adam = TASKS[args.task], keras.optimizers.Adam(0.001)
    read = [keras.Input(shape), recurrent, layers.Dense(task.outputs)]
    error = keras.metrics.MeanMetricWrapper(task.error, "error")
    model, adam = keras.Sequential(read), clipped(adam, global_clipnorm=1.0)
    model.compile(adam, task.loss, metrics=[error], steps_per_execution=STEPS)
    return model


def lessons(args, seed):
    """Return the training data of each epoch, and the test data."""
    epochs, length = (2, 5) if args.quick else (args.epochs, args.length)
    if args.task == "pixels":
        train, test = pixels(args.data, tiny=args.quick)
        return [train] * epochs, test
    count, tests = (3 * BATCH, 100) if args.quick else (50 * BATCH, 2000)
    made = (adding(count, length, 1000 * seed + epoch + 1) for epoch in range(epochs))
    return made, adding(tests, length, 1000 * seed)


def measure(args, seed):
    """Train each kind on the same sequences."""
    for kind in KINDS:
        epochs, (x, y) = lessons(args, seed)
        model = net(kind, args, x.shape[1:])
        logs = [model.fit(Shuffled(*e, BATCH), verbose=0).history for e in epochs]
        error = model.evaluate(x, y, batch_size=500, verbose=0)[1]
        found = {"task": args.task, "steps": x.shape[1], "kind": kind, "error": error}
        yield found | {"curve": [log["error"][0] for log in logs]}


def rows(results):
    """Return a row for each kind."""
    columns = {"steps": ("steps", None), "test error": ("error", "{:.3g}")}
    table = rows_by(results, "kind", columns, "net")
    for row in table:
        errors = [r["error"] for r in chosen(results, kind=row["net"])]
        row["below 0.01"] = f"{sum(e < 0.01 for e in errors)} of {len(errors)}"
    return table


def effect(results):
    """Return whether the IRNN is far better than both other networks."""
    error = {r["kind"]: r["error"] for r in results}
    return error["IRNN"] <= min(error["tanh"], error["LSTM"]) / 10


def picture(results, figure):
    """Draw the error of each run over its epochs."""
    axes = figure.subplots()
    curves(axes, in_order(results, "kind", "curve"))
    axes.set(ylabel=TASKS[results[0]["task"]].label, yscale="log", ylim=(None, 1))
    axes.legend(loc="lower left")


def options(add):
    """Add the arguments of this recipe."""
    shown = "(default: %(default)s)"
    add("--task", choices=TASKS, default="adding", help=shown)
    add("--length", type=int, default=100, help=f"steps of a sequence to add {shown}")
    add(
        "--input",
        type=float,
        default=0.1,
        help=f"standard deviation of input weights {shown}",
    )


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, options, epochs=30)
main = RECIPE.main


if __name__ == "__main__":
    main()
