"""A plain network of 56 layers is worse than one of 20; with bypasses it is not.

Claim: 56 layers can compute whatever 20 can: the others only need to pass it on. Yet
the deeper plain network has the larger error on its own *training* data. This is not
overfitting; optimization fails. A bypass around every two layers makes passing on easy.
The best bypass is unobstructed, with normalization and ReLU before the weights.

What to expect: dense networks of width 64 on 8000 digits, 3 epochs. With 20 plain
layers 13 to 27 % of the training digits are misclassified, with 56 about 90 %, which is
chance. With a bypass it is 4 to 6 and 8 to 11 % post-activation, 2 to 3 and 3 %
pre-activation. Validation shows the same order. The paper's networks are convolutional
and trained far longer; they differ by less, in the same direction.

Source: He et al., "Deep residual learning for image recognition", 2015,
https://arxiv.org/abs/1512.03385, figure 1 and table 6; He et al., "Identity mappings in
deep residual networks", 2016, https://arxiv.org/abs/1603.05027, table 2.

    python recipes/residual_depth.py
"""

import keras
from lib.data import Shuffled, images
from lib.nets import accuracy, compiled
from lib.picture import COLORS, medians
from lib.run import Recipe, by, chosen, spread

from kcomponents.layers import PreActivationResidual

CLAIM = "Depth adds 20 points of training error if plain, at most 5 if pre-activation"
BLOCKS = {
    "plain": {"bypass": False},
    "post-activation": {"order": "post"},
    "pre-activation": {"order": "pre"},
}
ERRORS = {"training": "train_error", "validation": "val_error"}


def net(kind, depth, width):
    """Return a compiled network: a first layer, blocks of two, and a last layer."""
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(width)])
    for _ in range(depth // 2 - 1):
        model.add(PreActivationResidual(width, **BLOCKS[kind]))
    if kind != "post-activation":
        model.add(keras.layers.BatchNormalization())
        model.add(keras.layers.ReLU())
    model.add(keras.layers.Dense(10))
    return compiled(model, keras.optimizers.SGD(0.05, momentum=0.9))


def measure(args, seed):
    """Train each kind at both depths."""
    (x, y), validation = images(args.data)
    epochs, width, depths = 3, 64, (20, 56)
    if args.quick:
        x, y, epochs, width, depths = x[:1000], y[:1000], 1, 8, (2, 4)
    for kind in BLOCKS:
        for depth in depths:
            model = net(kind, depth, width)
            model.fit(Shuffled(x, y, 100), epochs=epochs, verbose=0)
            found = {"kind": kind, "depth": depth}
            for key, data in zip(ERRORS.values(), [(x, y), validation], strict=True):
                found[key] = 1 - accuracy(model, *data)
            yield found


def rows(results):
    """Return a row for each kind."""
    table = []
    for kind in BLOCKS:
        row = {"error of nets": kind}
        for part, key in ERRORS.items():
            for depth, values in by(chosen(results, kind=kind), "depth", key).items():
                row[f"{part}, {depth} layers"] = spread(values, "{:.1%}")
        table.append(row)
    return table


def effect(results):
    """Return whether depth harms the training of the plain network only."""
    more = {}
    for kind in BLOCKS:
        few, many = sorted(chosen(results, kind=kind), key=lambda found: found["depth"])
        more[kind] = many["train_error"] - few["train_error"]
    return more["plain"] >= 0.2 and more["pre-activation"] <= 0.05


def picture(results, figure):
    """Draw the training errors, and the validation errors beside them."""
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (part, key) in zip(panels, ERRORS.items(), strict=True):
        for kind, color, mark in zip(BLOCKS, COLORS, "os^", strict=False):
            found = by(chosen(results, kind=kind), "depth", key)
            medians(axes, found, kind, color, mark)
        axes.set(xlabel="layers", ylabel=f"{part} error", ylim=(0, 1))
        axes.set_xticks(list(found))
    panels[0].legend(loc="upper left")


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture)
main = RECIPE.main


if __name__ == "__main__":
    main()
