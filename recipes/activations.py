"""Sigmoids starve the first layers, ReLU puts out zeros, ELU's mean is nearer to 0.

Claim: through a sigmoid little of the gradient comes to the first layers. ReLU lets it
through and puts out zeros, so that each input uses a part of the net only. ELU lets it
through too; its mean output is nearer to 0, and so it learns faster.

What to expect: six hidden layers, the initial weights recommended for each activation,
five epochs of slow SGD on 8000 handwritten digits. To the sigmoid's first layer comes
about 1/20 of the last one's gradient, to others' between 0.7 and 1.2. About 40 % of
what ReLU puts out is zeros. ELU's mean is about 0.27 of its rms, ReLU's 0.56, and its
loss 0.29 against 0.39. That the mean is the cause does not show: tanh has mean 0 and
learns more slowly than ReLU. ReLU, leaky, PReLU and RReLU cannot be told apart by their
accuracy. The time of a step is a ratio within one run. RReLU takes longer, as it draws;
Maxout, as it has twice the weights. It rises and falls with what else the machine does.

Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
exponential linear units (ELUs)", 2016, https://arxiv.org/abs/1511.07289, figure 2, with
eight layers and 300 epochs; Xu, Wang, Chen and Li, "Empirical evaluation of rectified
activations in convolutional network", 2015, https://arxiv.org/abs/1505.00853.

    python recipes/activations.py
"""

import keras
import numpy as np
from recipe_data import images
from recipe_flow import gradients, outputs
from recipe_nets import compiled
from recipe_picture import points
from recipe_run import Recipe
from recipe_table import in_order, one, rows_by
from recipe_timing import side_by_side

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
    "Sigmoid passes under 1/10 of ReLU's gradient, ReLU puts out 30 % zeros, ELU's "
    "mean is nearer to 0 than ReLU's, and its loss lower"
)


def net(kind, depth, width):
    """Return a net with the initial weights that suit the activation."""
    model = keras.Sequential([keras.Input((784,))])
    units = 2 * width if kind == "maxout:2" else width
    for _ in range(depth):
        first = recommended_for(kind)
        model.add(keras.layers.Dense(units, kernel_initializer=first))
        model.add(activations.get(kind, as_layer=True))
    model.add(keras.layers.Dense(10))
    return model


def look(model, x, y):
    """Return what the hidden units put out, and how often the net is right."""
    hidden, logits = outputs(model, x)
    return {
        "zeros": float(np.mean(hidden == 0)),
        "mean": float(np.mean(hidden) / np.sqrt(np.mean(np.square(hidden)))),
        "accuracy": float(np.mean(logits.argmax(1) == y)),
    }


def measure(args, seed):
    """Train all nets side by side, at the rate at which gradients are measured."""
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
    """Return whether sigmoid, ReLU and ELU differ as is claimed."""
    sigmoid, relu, elu = (one(results, kind=k) for k in ("sigmoid", "relu", "elu"))
    starved = sigmoid["gradient"] < relu["gradient"] / 10 and sigmoid["zeros"] == 0
    nearer = abs(elu["mean"]) < relu["mean"] and elu["loss"] < relu["loss"]
    return starved and relu["zeros"] >= 0.3 and nearer


def picture(results, figure):
    """Draw a point for each training, a row for each activation."""
    panels = figure.subplots(2, 3, sharey=True).flat
    for axes, (title, (name, _)) in zip(panels, COLUMNS.items(), strict=True):
        points(axes, in_order(results, "kind", name))
        axes.set(xlabel=title, xscale="log" if name == "gradient" else "linear")


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, size=(9, 6), epochs=5)
main = RECIPE.main


if __name__ == "__main__":
    main()
