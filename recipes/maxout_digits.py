"""On digits, Maxout with dropout errs less than ReLU with as many parameters.

Claim: a Maxout unit learns its activation, and dropout, which averages many nets, suits
units that are linear but for a choice. With max-norm they err less than ReLU units.

What to expect: the paper has 94 errors in 10,000 (0.94 %), with two layers of 240 units
of 5 pieces, 60,000 digits and hundreds of epochs; for ReLU nets with dropout and
max-norm Srivastava et al. name 0.95 to 1.06 %. Here there are 8000 digits, 80 units and
60 epochs: 3 to 4 %, most of all for want of digits. Each net has about 348,000
parameters, ReLU never fewer. The better one of two learning rates, 0.03 and 0.1, was
taken for Maxout and for ReLU each: from one seed that is not used here and 20 epochs,
but by these same validation digits, so that all errors are a little too low. With 2000
digits the standard error is 0.4 points, which is about the gain: look at all seeds.

Source: Goodfellow et al., "Maxout networks", 2013, https://arxiv.org/abs/1302.4389;
Srivastava et al., "Dropout", table 2, https://jmlr.org/papers/v15/srivastava14a.html.

    python recipes/maxout_digits.py
"""

import keras
from recipe_data import images
from recipe_nets import compiled
from recipe_picture import curves, looks
from recipe_run import Recipe
from recipe_table import by, chosen, in_order, one, rows_by

from kcomponents.constraints import MaxNorm
from kcomponents.initializers import recommended_for
from kcomponents.layers import MaxoutDense

RATES = {"maxout": 0.03, "relu": 0.1, "relu, no max-norm": 0.1}  # See above.
PIECES = 5
COLUMNS = {
    "parameters": ("parameters", None),
    "validation error": ("error", "{:.2%}"),
    "training accuracy": ("train_accuracy", "{:.1%}"),
}
CLAIM = "Maxout has fewer errors than both ReLU nets"


def width_of_relu(units):
    """Return the least width at which ReLU has no fewer parameters than Maxout."""
    columns, width = units * PIECES, units
    while (796 + width) * width < 785 * columns + (units + 1) * columns + 10 * units:
        width += 1
    return width


def hidden(kind, units):
    """Return a hidden layer."""
    bound = None if "no max-norm" in kind else MaxNorm(1.9365)
    first = recommended_for(f"maxout:{PIECES}" if kind == "maxout" else "relu")
    given = {"kernel_initializer": first, "kernel_constraint": bound}
    if kind == "maxout":
        return MaxoutDense(units, PIECES, grouping="strided", **given)
    return keras.layers.Dense(width_of_relu(units), "relu", **given)


def net(kind, units, steps):
    """Return a compiled net of two hidden layers with dropout."""
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dropout(0.2)])
    for _ in range(2):
        model.add(hidden(kind, units))
        model.add(keras.layers.Dropout(0.5))
    model.add(keras.layers.Dense(10))
    rate = keras.optimizers.schedules.CosineDecay(RATES[kind], steps)
    return compiled(model, keras.optimizers.SGD(rate, momentum=0.9))


def measure(args, seed):
    """Train each net; what it ends with counts, not its best epoch."""
    (x, y), validation = images(args.data)
    units, epochs = (8, 1) if args.quick else (args.units, args.epochs)
    fit = {"epochs": epochs, "batch_size": 100, "validation_batch_size": 500}
    for kind in RATES:
        model = net(kind, units, epochs * -(-len(x) // 100))
        found = model.fit(x, y, validation_data=validation, verbose=0, **fit).history
        errors = [1 - accuracy for accuracy in found["val_accuracy"]]
        result = {"kind": kind, "parameters": model.count_params()}
        result |= {"train_accuracy": found["accuracy"][-1], "error": errors[-1]}
        yield result | {"errors": errors}


def rows(results):
    """Return a row for each net."""
    return rows_by(results, "kind", COLUMNS, "net")


def effect(results):
    """Return whether Maxout errs least."""
    maxout, *others = (one(results, kind=kind)["error"] for kind in RATES)
    return maxout < min(others)


def picture(results, figure):
    """Draw the errors by epoch, and the last ones seed by seed."""
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    curves(left, in_order(results, "kind", "errors"))
    for kind, look in looks(RATES):
        found = by(chosen(results, kind=kind), "seed", "error")
        right.plot(list(map(str, found)), list(found.values()), **look | {"ls": ""})
    left.set(ylabel="validation error", ylim=(0, 0.15), title="Thick: medians")
    right.set(xlabel="seed", ylabel="validation error at the end")
    left.legend()
    right.grid(alpha=0.3)


def options(add):
    """Add what only this recipe knows."""
    add("--units", type=int, default=80, help="of Maxout (default: %(default)s)")


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, options, epochs=60)
main = RECIPE.main


if __name__ == "__main__":
    main()
