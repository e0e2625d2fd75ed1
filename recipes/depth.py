"""Deep sigmoid networks fail to train; deep ReLU and Maxout networks do not.

Claim: a sigmoid passes on at most a quarter of the gradient, so after ten layers a
millionth of it is left for the first one, and a deep network hardly moves from its
initial weights. ReLU and Maxout units pass it on undiminished, and depth does no harm.

What to expect: plain SGD on 8000 handwritten digits. With two hidden layers all three
networks learn. With six, the sigmoid network is at chance, about 11 % of its *training*
digits, while the others exceed 90 %. This is not overfitting: it fails on the data it
is trained on. With Adam the effect is weaker.

Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward
neural networks", 2010, https://proceedings.mlr.press/v9/glorot10a.html, figures 2 to 4;
Goodfellow et al., "Maxout networks", 2013, https://arxiv.org/abs/1302.4389.

    python recipes/depth.py
"""

import keras
from lib.data import Shuffled, images
from lib.nets import accuracy, compiled
from lib.picture import COLORS, medians
from lib.run import Recipe, by, chosen, spread

from kcomponents.layers import MaxoutDense

KINDS = ["sigmoid", "relu", "maxout"]
CLAIM = "Depth costs ReLU and Maxout at most 5 points, sigmoid at least 40"


def net(kind, depth, width, rate):
    """Return a compiled network with `depth` hidden layers."""
    model = keras.Sequential([keras.Input((784,))])
    for _ in range(depth):
        if kind == "maxout":
            model.add(MaxoutDense(width, num_pieces=2))
        else:
            first = "he_normal" if kind == "relu" else "glorot_uniform"
            model.add(keras.layers.Dense(width, kind, kernel_initializer=first))
    model.add(keras.layers.Dense(10))
    return compiled(model, keras.optimizers.SGD(rate))


def measure(args, seed):
    """Train each kind at each depth."""
    (x, y), _ = images(args.data)
    epochs, width = (1, 16) if args.quick else (args.epochs, 100)
    for kind in KINDS:
        for depth in (2, 3) if args.quick else (2, 4, 6):
            model = net(kind, depth, width, 0.05)
            model.fit(Shuffled(x, y, 100), epochs=epochs, verbose=0)
            reached = accuracy(model, x, y)
            yield {"kind": kind, "depth": depth, "train_accuracy": reached}


def accuracies(results, kind):
    """Return the training accuracies of one kind, by depth."""
    return by(chosen(results, kind=kind), "depth", "train_accuracy")


def rows(results):
    """Return a row for each kind."""
    return [
        {"activation": kind}
        | {f"{d} layers": spread(found, "{:.1%}") for d, found in reached.items()}
        for kind in KINDS
        if (reached := accuracies(results, kind))
    ]


def effect(results):
    """Return whether depth harms only the sigmoid network."""
    loss = {}
    for kind in KINDS:
        first, *_, last = accuracies(results, kind).values()
        loss[kind] = first[0] - last[0]
    return loss["sigmoid"] > 0.4 and max(loss["relu"], loss["maxout"]) < 0.05


def picture(results, figure):
    """Draw the training accuracy over the depth."""
    axes = figure.subplots()
    for kind, color, mark in zip(KINDS, COLORS, "os^", strict=False):
        medians(axes, accuracies(results, kind), kind, color, mark)
    axes.set(xlabel="hidden layers", ylabel="training accuracy", ylim=(0, 1.02))
    axes.set_title("Each point is a run; lines join the medians")
    axes.legend(loc="center right")
    axes.set_xticks(sorted({result["depth"] for result in results}))


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, size=(7, 4), epochs=10)
main = RECIPE.main


if __name__ == "__main__":
    main()
