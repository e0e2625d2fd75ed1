"""High learning rates and bad initial weights kill ReLUs; reinitializing revives them.

Claim: a ReLU whose input is negative for all data has gradient 0 and never recovers.
One large step can push a unit there, and so can biases that start far below 0. A lower
learning rate, He initialization and PReLU keep units alive; a dead unit needs new
weights.

What to expect: at a learning rate of 0.03 a third to a half of the units are dead, at
little cost: the training accuracy is 91 to 94 %. At 0.1 nine of ten are dead, and the
rest reach anything from 11 to 59 %, so the threshold of 50 % is missed in 1 of 5 seeds.
Lowering the learning rate afterwards hardly helps; once revived, the same network
reaches 94 % or more in all seeds. PReLU units that never fire still learn. Biases of -1
kill all units but some of the first layer.

Source: Lu et al., "Dying ReLU and initialization", https://arxiv.org/abs/1903.06733; He
et al., "Delving deep into rectifiers", https://arxiv.org/abs/1502.01852.

    python recipes/dead_relu.py
"""

import keras
import numpy as np
from keras.optimizers import Adagrad, Adam
from lib.data import Shuffled, images
from lib.nets import accuracy, compiled
from lib.picture import COLORS
from lib.run import Recipe, by, one, rows_by

from kcomponents.callbacks import DeadReLUMonitor
from kcomponents.initializers import recommended_for
from kcomponents.layers import PReLU
from kcomponents.surgery import revive

CLAIM = (
    "More units die at higher learning rates; at 0.1 the accuracy is below 50 %, after "
    "reviving above 80 %"
)
RATES = {f"Adam {rate}": (Adam, rate, "relu", 0.0) for rate in (0.001, 0.03, 0.1)}
OTHERS = {
    "PReLU, Adam 0.1": (Adam, 0.1, "prelu", 0.0),
    "Adagrad 0.1": (Adagrad, 0.1, "relu", 0.0),
    "biases -1, Adam 0.001": (Adam, 0.001, "relu", -1.0),
}
AGAIN, REVIVED = "net of 0.1, then 0.001", "net of 0.1, revived, then 0.001"
SHARES = {"dead": "units that never fire", "train_accuracy": "training accuracy"}


def net(depth, width, activation, bias):
    """Return a network of hidden layers whose units may die."""
    model = keras.Sequential([keras.Input((784,))])
    for _ in range(depth):
        start = recommended_for(activation), keras.initializers.Constant(bias)
        model.add(keras.layers.Dense(width, None, True, *start))
        model.add(PReLU() if activation == "prelu" else keras.layers.ReLU())
    model.add(keras.layers.Dense(10))
    return model


def train(case, model, optimizer, x, y, epochs):
    """Train a network; return its accuracy and its share of dead units."""
    compiled(model, optimizer)
    options = {"epochs": epochs, "verbose": 0, "callbacks": [DeadReLUMonitor()]}
    logs = model.fit(Shuffled(x, y, 100), **options).history
    dead, reached = logs["dead_relu"][-1], accuracy(model, x, y)
    return {"case": case, "dead": dead, "train_accuracy": reached}


def measure(args, seed):
    """Train each case, then continue with the one a high learning rate has killed."""
    (x, y), _ = images(args.data)
    cases, epochs, depth, width = OTHERS | RATES, 5, 4, 100
    if args.quick:
        x, y, cases, epochs, depth, width = x[:1000], y[:1000], RATES, 1, 2, 16
    for case, (optimizer, rate, *kind) in cases.items():
        model = net(depth, width, *kind)
        yield train(case, model, optimizer(rate), x, y, epochs)
    weights = model.get_weights()  # Of the highest learning rate, the last case.
    yield train(AGAIN, model, Adam(0.001), x, y, epochs)
    model.set_weights(weights)
    revive(model, x, seed=seed)
    yield train(REVIVED, model, Adam(0.001), x, y, epochs)


def rows(results):
    """Return a row for each case."""
    columns = {told: (key, "{:.0%}") for key, told in SHARES.items()}
    ordered = sorted(results, key=lambda result: result["case"])
    return rows_by(ordered, "case", columns, "training")


def effect(results):
    """Return whether high rates kill units, and reviving makes the network learn."""
    low, mid, high, new = (one(results, case=case) for case in (*RATES, REVIVED))
    rising = low["dead"] < mid["dead"] < high["dead"]
    return rising and high["train_accuracy"] < 0.5 and new["train_accuracy"] > 0.8


def picture(results, figure):
    """Draw the share of dead units and the accuracy of each case."""
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (key, label), color in zip(panels, SHARES.items(), COLORS, strict=False):
        for case, values in by(results, "case", key).items():
            axes.barh(case, np.median(values), 0.6, color=color, alpha=0.6)
            axes.plot(values, [case] * len(values), "o", color="black", ms=4)
        axes.set(xlabel=f"{label}, share", xlim=(0, 1.03))
    panels[0].invert_yaxis()
    figure.suptitle("Each point is a run; bars are medians")


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture)
main = RECIPE.main


if __name__ == "__main__":
    main()
