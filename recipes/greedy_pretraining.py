"""Layer-wise pretraining rescues a sigmoid network; batch normalization does more.

Claim: plain SGD cannot train four sigmoid layers that start from small random weights:
too little of the gradient reaches the first ones. Better initial weights are enough,
such as those found layer by layer, where each layer is trained as an autoencoder of the
previous layer's outputs. This needs no labels.

What to expect: training accuracy on 8000 handwritten digits after ten epochs of plain
SGD, the same for all. Without help the network stays at chance, about 11 %. Greedy
pretraining, five epochs of Adam for each layer, raises it to 86 %. Initial weights of a
suitable scale do less: 69 to 78 % with Glorot's weights times four, 30 to 47 % with
LSUV. Batch normalization does more, 94 %, without pretraining. Adam, which is not
shown, trains the network without any of these.

Source: Bengio et al., "Greedy layer-wise training of deep networks", 2006,
https://proceedings.neurips.cc/paper/2006/hash/5da713a690c067105aeb2fae32403405-Abstract.html;
Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks",
2006, https://doi.org/10.1126/science.1127647.

    python recipes/greedy_pretraining.py
"""

import keras
from lib.data import Shuffled, images
from lib.nets import accuracy, compiled
from lib.picture import curves
from lib.run import Recipe, in_order, rows_by

from kcomponents.initializers import lsuv
from kcomponents.training import greedy_pretrain

RESCUES = ["none", "LSUV", "Glorot x 4", "greedy pretraining", "batch normalization"]
CLAIM = "Below 20 % without help, above 70 % pretrained, more with batch normalization"


def net(rescue, depth, width):
    """Return a deep sigmoid network."""
    first = "glorot_uniform"
    if rescue == "Glorot x 4":
        # A sigmoid needs four times the weights, that is, 16 times the variance.
        first = keras.initializers.VarianceScaling(16.0, "fan_avg", "uniform")
    model = keras.Sequential([keras.Input((784,))])
    for _ in range(depth):
        model.add(keras.layers.Dense(width, kernel_initializer=first))
        if rescue == "batch normalization":
            model.add(keras.layers.BatchNormalization(momentum=0.9))
        model.add(keras.layers.Activation("sigmoid"))
    model.add(keras.layers.Dense(10))
    return model


def pretrain(model, x, epochs):
    """Train layer by layer."""
    adam = keras.optimizers.Adam(0.003)
    options = {"optimizer": adam, "epochs": epochs, "batch_size": 100}
    # Pixels and outputs of sigmoids lie between 0 and 1, so a sigmoid can decode them.
    options["decoder"] = lambda shape: keras.layers.Dense(shape[-1], "sigmoid")
    greedy_pretrain(model, x, **options)


def measure(args, seed):
    """Train the network with each rescue."""
    (x, y), _ = images(args.data)
    x, y = (x[:500], y[:500]) if args.quick else (x, y)
    epochs, depth, width = (2, 1, 16) if args.quick else (10, 4, 100)
    for rescue in RESCUES:
        model = net(rescue, depth, width)
        if rescue == "LSUV":
            lsuv(model, x[:1000])
        if rescue == "greedy pretraining":
            pretrain(model, x, epochs // 2)
        compiled(model, keras.optimizers.SGD(0.05))
        curve = model.fit(Shuffled(x, y, 100), epochs=epochs, verbose=0).history
        found = {"rescue": rescue, "train_accuracy": accuracy(model, x, y)}
        yield found | {"curve": curve["accuracy"]}


def rows(results):
    """Return a row for each rescue."""
    columns = {"training accuracy": ("train_accuracy", "{:.1%}")}
    return rows_by(results, "rescue", columns)


def effect(results):
    """Return whether pretraining rescues a network that fails without it."""
    reached = {r["rescue"]: r["train_accuracy"] for r in results}
    pretrained = reached["greedy pretraining"]
    return reached["none"] < 0.2 and 0.7 < pretrained < reached["batch normalization"]


def picture(results, figure):
    """Draw the training accuracy over the epochs."""
    axes = figure.subplots()
    curves(axes, in_order(results, "rescue", "curve"))
    axes.set(xlabel="epoch of SGD", ylabel="training accuracy, mean over the epoch")
    axes.set_ylim(0, 1.02)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=4)


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, size=(8, 4))
main = RECIPE.main


if __name__ == "__main__":
    main()
