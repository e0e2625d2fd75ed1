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

import time

import keras
import numpy as np
from recipe_data import images
from recipe_run import COLORS, STEPS, Recipe, run
from recipe_table import by, chosen, one, spread

from kcomponents import activations
from kcomponents.callbacks import GradientNormLogger
from kcomponents.initializers import recommended_for

KINDS = "sigmoid tanh relu leaky_relu:0.01 prelu rrelu elu selu maxout:2".split()
COLUMNS = {
    "gradient": ("gradient, first / last", "{:.2g}"),
    "zeros": ("zeros", "{:.0%}"),
    "mean": ("mean / rms", "{:.2f}"),
    "loss": ("training loss", "{:.3f}"),
    "accuracy": ("accuracy", "{:.1%}"),
    "step_time": ("step time / ReLU's", "{:.2f}"),
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


def fit(model, x, y, callback, **compiling):
    """Train for an epoch; return its logs."""
    if compiling:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.01), loss, **compiling)
    fitted = model.fit(x, y, batch_size=100, verbose=0, callbacks=[callback])
    return {name: values[0] for name, values in fitted.history.items()}


def gradient(model, x, y):
    """Return the rms gradient of the first kernel over that of the last hidden one."""
    # Five steps need no compiling.
    logger = GradientNormLogger(per_variable=True)
    logs = fit(model, x[:500], y[:500], logger, run_eagerly=True)
    first, last = model.layers[0].kernel, model.layers[-3].kernel
    ratio = logs[f"grad_norm/{first.path}"] / logs[f"grad_norm/{last.path}"]
    return ratio * (last.shape[0] / first.shape[0]) ** 0.5


def timed(model, x, y, **compiling):
    """Train for an epoch; return its loss and the usual seconds of a step."""
    ticks = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: ticks.append(time.perf_counter()),
        on_train_batch_end=lambda batch, logs: ticks.append(time.perf_counter()),
    )
    loss = fit(model, x, y, clock, **compiling)["loss"]
    return loss, np.median(np.subtract(ticks[1::2], ticks[::2]))


def look(model, x, y):
    """Return what the hidden units put out, and how often the net is right."""
    seen = [*model.layers[1::2], model.layers[-1]]
    reader = keras.Model(model.inputs[0], [layer.output for layer in seen])
    *hidden, logits = map(keras.ops.convert_to_numpy, reader(x))
    mean, rms = np.mean(hidden), np.sqrt(np.mean(np.square(hidden)))
    return {
        "zeros": float(np.mean(np.equal(hidden, 0))),
        "mean": float(mean / rms),
        "accuracy": float(np.mean(logits.argmax(1) == y)),
    }


def measure(args, seed):
    """Train all nets side by side, an epoch of each in turn."""
    if args.epochs < 2:
        rule = "--epochs must be at least 2, as the first one compiles"
        raise ValueError(f"{rule}. Received: {args.epochs}")
    (x, y), validation = images(args.data)
    kinds = ["sigmoid", "relu", "elu"] if args.quick else KINDS
    depth, width, epochs = (2, 16, 2) if args.quick else (6, 128, args.epochs)
    x, y = (x[:2000], y[:2000]) if args.quick else (x, y)
    nets = {kind: net(kind, depth, width) for kind in kinds}
    found = {kind: {"gradient": gradient(nets[kind], x, y)} for kind in kinds}
    rounds = [
        {kind: timed(nets[kind], x, y, **how) for kind in kinds}
        for how in [{"steps_per_execution": STEPS}] + [{}] * (epochs - 1)
    ]
    for kind, model in nets.items():
        # Whatever else the machine does, it does to all nets of a round.
        ratios = [done[kind][1] / done["relu"][1] for done in rounds[1:]]
        found[kind] |= {"step_time": float(np.median(ratios))}
        found[kind] |= {"loss": rounds[-1][kind][0], **look(model, *validation)}
        yield {"kind": kind, **found[kind]}


def rows(results):
    """Return a row for each activation."""
    return [
        {"activation": kind}
        | {
            title: spread([r[name] for r in found], f)
            for name, (title, f) in COLUMNS.items()
        }
        for kind in KINDS
        if (found := chosen(results, kind=kind))
    ]


def effect(results):
    """Return whether sigmoid, ReLU and ELU differ as is claimed."""
    sigmoid, relu, elu = (one(results, kind=k) for k in ("sigmoid", "relu", "elu"))
    return (
        sigmoid["gradient"] < relu["gradient"] / 10
        and sigmoid["zeros"] == 0
        and relu["zeros"] >= 0.3
        and abs(elu["mean"]) < relu["mean"]
        and elu["loss"] < relu["loss"]
    )


def picture(results, figure):
    """Draw a point for each training, a row for each activation."""
    panels = figure.subplots(2, 3, sharey=True).flat
    for axes, (name, (title, _)) in zip(panels, COLUMNS.items(), strict=True):
        found = by(results, "kind", name)
        for kind in (kind for kind in KINDS if kind in found):
            values = found[kind]
            axes.plot(values, [kind] * len(values), "o", color=COLORS[0], alpha=0.5)
            axes.plot(np.median(values), [kind], "|", color="k", markersize=14)
        axes.set(xlabel=title, xscale="log" if name == "gradient" else "linear")
        axes.grid(alpha=0.3)
    axes.invert_yaxis()


def options(add):
    """Add what only this recipe knows."""
    add("--epochs", type=int, default=5, help="(default: %(default)s)")


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, options, size=(9, 6))


def main(argv=None):
    """Run the recipe."""
    return run(RECIPE, __file__, argv)


if __name__ == "__main__":
    main()
