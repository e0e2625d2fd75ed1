"""Sigmoids starve the first layers, ReLU puts out zeros, ELU's mean is closer to 0.

Claim: through sigmoid layers, little of the gradient reaches the first layers. ReLU
passes it on, but many of its outputs are zero, so each input uses only a part of the
network. ELU passes it on too; its mean output is closer to 0, and it learns faster.

What to expect: six hidden layers, the initial weights recommended for each activation,
five epochs of slow SGD on 8000 handwritten digits. The sigmoid network's first layer
gets about 1/20 of the last layer's gradient, the other networks' first layer between
0.7 and 1.2 times as much as the last. About 40 % of ReLU's outputs are zero. ELU's mean
is about 0.27 of its rms, ReLU's 0.56, and ELU's loss is 0.29 against 0.39.

Not shown: that the mean is the cause. The mean of tanh is 0, and it learns more slowly
than ReLU. ReLU, leaky ReLU, PReLU and RReLU do not differ in accuracy. The time of a
step is a ratio within one run, and varies with the load of the machine. RReLU takes
longer because it draws random numbers, Maxout because it has twice the weights.

Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
exponential linear units (ELUs)", 2016, https://arxiv.org/abs/1511.07289, figure 2, with
eight layers and 300 epochs; Xu, Wang, Chen and Li, "Empirical evaluation of rectified
activations in convolutional network", 2015, https://arxiv.org/abs/1505.00853.

    python recipes/activations.py
"""

import time

import keras
import numpy as np
from lib.data import Shuffled, images
from lib.nets import compiled, gradients, outputs
from lib.picture import points
from lib.run import Recipe, in_order, one, rows_by

from kcomponents import activations
from kcomponents.initializers import recommended_for

KINDS = "sigmoid tanh relu leaky_relu:0.01 prelu rrelu elu selu maxout:2".split()
COLUMNS = {
    "gradient, first / last": ("gradient", "{:.2g}"),
    "zeros": ("zeros", "{:.0%}"),
    "mean / rms": ("mean", "{:.2f}"),
    "training loss": ("loss", "{:.3f}"),
    "accuracy": ("accuracy", "{:.1%}"),
    "step time / ReLU's": ("step_time", "{:.2f}"),
}
CLAIM = (
    "Sigmoid passes on under 1/10 of ReLU's gradient, 30 % of ReLU's outputs are zero, "
    "ELU's mean is closer to 0 than ReLU's, and its loss is lower"
)


def side_by_side(nets, usual, x, y, epochs, batch_size=100):
    """Train networks in turn, one epoch at a time, and compare the time of a step.

    Args:
        nets: Dict, compiled networks by name.
        usual: String, the name of the network that the others are compared with.
        x: Array, inputs.
        y: Array, labels.
        epochs: Int, at least 2: the first epoch compiles and is not timed.
        batch_size: Int, samples per step. Defaults to 100.

    Returns:
        Dict by name of dicts: `"step_time"`, the time of a step divided by the usual
        network's, as the median over epochs, and `"loss"` of the last epoch.
    """
    if epochs < 2:
        rule = "--epochs must be at least 2, because the first one compiles"
        raise ValueError(f"{rule}. Received: {epochs}")
    rounds = [
        {name: _timed(model, x, y, batch_size) for name, model in nets.items()}
        for _ in range(epochs)
    ]
    found = {}
    for name, (loss, _) in rounds[-1].items():
        # Other load of the machine affects all networks of a round alike.
        ratios = [done[name][1] / done[usual][1] for done in rounds[1:]]
        found[name] = {"step_time": float(np.median(ratios)), "loss": loss}
    return found


def _timed(model, x, y, batch_size):
    """Train for one epoch; return its loss and the median seconds of a step."""
    ticks = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: ticks.append(time.perf_counter()),
        on_train_batch_end=lambda batch, logs: ticks.append(time.perf_counter()),
    )
    data = Shuffled(x, y, batch_size)
    logs = model.fit(data, verbose=0, callbacks=[clock]).history
    return logs["loss"][0], np.median(np.subtract(ticks[1::2], ticks[::2]))


def net(kind, depth, width):
    """Return a network with the initial weights recommended for its activation."""
    model = keras.Sequential([keras.Input((784,))])
    units = 2 * width if kind == "maxout:2" else width
    for _ in range(depth):
        first = recommended_for(kind)
        model.add(keras.layers.Dense(units, kernel_initializer=first))
        model.add(activations.get(kind, as_layer=True))
    model.add(keras.layers.Dense(10))
    return model


def look(model, x, y):
    """Return statistics of the hidden units' outputs, and the accuracy."""
    hidden, logits = outputs(model, x)
    return {
        "zeros": float(np.mean(hidden == 0)),
        "mean": float(np.mean(hidden) / np.sqrt(np.mean(np.square(hidden)))),
        "accuracy": float(np.mean(logits.argmax(1) == y)),
    }


def measure(args, seed):
    """Measure the gradients of each network, then train all of them in turn."""
    (x, y), validation = images(args.data)
    kinds, depth, width, epochs = KINDS, 6, 128, args.epochs
    if args.quick:
        x, y, depth, width, epochs = x[:2000], y[:2000], 2, 16, 2
        kinds = ["sigmoid", "relu", "elu"]
    nets = {kind: net(kind, depth, width) for kind in kinds}
    ratios = {}
    for kind, model in nets.items():
        first, *_, last = gradients(model, 0.01, x[:500], y[:500], 100)
        ratios[kind] = first / last
        compiled(model, keras.optimizers.SGD(0.01), metrics=None)
    trained = side_by_side(nets, "relu", x, y, epochs)
    for kind, model in nets.items():
        result = {"kind": kind, "gradient": ratios[kind], **trained[kind]}
        yield result | look(model, *validation)


def rows(results):
    """Return a row for each activation."""
    return rows_by(results, "kind", COLUMNS, "activation")


def effect(results):
    """Return whether sigmoid, ReLU and ELU differ as claimed."""
    sigmoid, relu, elu = (one(results, kind=k) for k in ("sigmoid", "relu", "elu"))
    starved = sigmoid["gradient"] < relu["gradient"] / 10 and sigmoid["zeros"] == 0
    nearer = abs(elu["mean"]) < relu["mean"] and elu["loss"] < relu["loss"]
    return starved and relu["zeros"] >= 0.3 and nearer


def picture(results, figure):
    """Draw a point for each run, a row for each activation."""
    panels = figure.subplots(2, 3, sharey=True).flat
    for axes, (title, (name, _)) in zip(panels, COLUMNS.items(), strict=True):
        points(axes, in_order(results, "kind", name))
        axes.set(xlabel=title, xscale="log" if name == "gradient" else "linear")


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, size=(9, 6), epochs=5)
main = RECIPE.main


if __name__ == "__main__":
    main()
