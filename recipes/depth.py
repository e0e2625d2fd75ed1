"""Deeper sigmoid nets train worse; ReLU and Maxout nets do not.

Claim: a sigmoid passes at most a quarter of the gradient on, so that ten layers leave
a millionth of it for the first one, and a deep net stays where it began. A rectifier
and a Maxout unit pass it on whole, and depth does no harm.

What to expect: plain SGD on 8000 handwritten digits. With two hidden layers all three
learn. With six the sigmoid net is at chance, about 11 % of its *training* digits, where
the others are beyond 90 %. This is no overfitting: it is what the net comes to on what
it is trained on. With Adam the effect is weaker.

Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward
neural networks", 2010, https://proceedings.mlr.press/v9/glorot10a.html, figures 2 to 4;
Goodfellow et al., "Maxout networks", 2013, https://arxiv.org/abs/1302.4389.

    python recipes/depth.py
"""

import keras
from recipe_data import images
from recipe_nets import accuracy, compiled
from recipe_picture import COLORS, medians
from recipe_run import Recipe
from recipe_table import by, chosen, spread

from kcomponents.layers import MaxoutDense

KINDS = ["sigmoid", "relu", "maxout"]
CLAIM = "ReLU and Maxout at most 5 points worse for depth, sigmoid at least 40"


def net(kind, depth, width, rate):
    """Return a compiled net of some depth."""
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
            model.fit(x, y, batch_size=100, epochs=epochs, verbose=0)
            reached = accuracy(model, x, y)
            yield {"kind": kind, "depth": depth, "train_accuracy": reached}


def accuracies(results, kind):
    """Return the training accuracies of a kind by depth."""
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
    """Return whether depth harms the sigmoid net alone."""
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
    axes.set_title("Each point is a training; lines join the medians")
    axes.legend(loc="center right")
    axes.set_xticks(sorted({result["depth"] for result in results}))


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, size=(7, 4), epochs=10)
main = RECIPE.main


if __name__ == "__main__":
    main()
