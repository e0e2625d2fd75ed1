"""An LSTM works without tanh; that its gates need the sigmoid does not show here.

Claim: the gates of an LSTM are the share of a value to keep, which must lie between 0
and 1. So they need the sigmoid. The two tanh, of the candidate state and of the output,
only shape values, and other functions can replace them.

What to expect: the task is to recognize nine speakers by vowels of at most 29 steps,
with Adam at 0.01 and gradients clipped to a norm of 1. The first half of the claim
shows: ReLU, softsign and ELU come within 5 points of tanh, all from 92 to 97 %. The
second half does not, so the effect as a whole is not there: tanh gates reach 94 to
97 %, ReLU gates 90 to 94 %. In few steps, unbounded values have little time to grow.
With `--repeat 4`, each step given four times, one seed: a linear state fails (20 %),
ELU falls to 87 %, ReLU gates to 86 %, and tanh gates keep 92 %.

Source: Greff et al., "LSTM: a search space odyssey", 2015,
https://arxiv.org/abs/1503.04069, figure 3. They remove activations but do not exchange
them, so there is no figure to compare with.

    python recipes/lstm_activations.py
"""

import keras
import numpy as np
from lib.data import Shuffled
from lib.nets import accuracy, compiled
from lib.picture import COLORS, points
from lib.run import Recipe, in_order, rows_by
from lib.sequences import vowels

from kcomponents.optimizers import clipped

# State and gates. Keras has one argument for both tanh.
USUAL = "tanh, sigmoid"
STATES = ["relu, sigmoid", "softsign, sigmoid", "elu, sigmoid"]
GATES = ["tanh, relu", "tanh, tanh"]
# A linear state is for comparison: the claim does not include it.
KINDS = [USUAL, *STATES, "linear, sigmoid", *GATES]
CLAIM = "ReLU, softsign, ELU at most 5 points below tanh, other gates at least 10"


def net(kind, units, shape, speakers):
    """Return a compiled LSTM that recognizes speakers."""
    state, gates = kind.split(", ")
    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Masking(),
            keras.layers.LSTM(units, state, recurrent_activation=gates),
            keras.layers.Dense(speakers),
        ]
    )
    return compiled(model, clipped(keras.optimizers.Adam(0.01), global_clipnorm=1.0))


def measure(args, seed):
    """Train an LSTM with each pair of activations."""
    (x, _, y), (x_test, _, y_test) = vowels(args.data)
    epochs, units, steps = (1, 4, 4) if args.quick else (args.epochs, 32, None)
    x, x_test = (np.repeat(part[:, :steps], args.repeat, 1) for part in (x, x_test))
    for kind in (USUAL, STATES[0], GATES[0]) if args.quick else KINDS:
        model = net(kind, units, x.shape[1:], int(max(y.max(), y_test.max())) + 1)
        seen = model.fit(Shuffled(x, y, 30), epochs=epochs, verbose=0).history
        found = {"kind": kind, "test_accuracy": accuracy(model, x_test, y_test)}
        yield found | {"curve": seen["loss"], "train_loss": seen["loss"][-1]}


def rows(results):
    """Return a row for each pair of activations."""
    columns = {"test accuracy": ("test_accuracy", "{:.1%}")}
    columns["training loss"] = ("train_loss", "{:.2g}")
    return rows_by(results, "kind", columns, "state, gates")


def effect(results):
    """Return whether the gates need the sigmoid, and the state no tanh."""
    found = {r["kind"]: r["test_accuracy"] for r in results}
    states = [found[USUAL] - found[kind] for kind in STATES if kind in found]
    gates = [found[USUAL] - found[kind] for kind in GATES if kind in found]
    return max(states) <= 0.05 and min(gates) >= 0.1


def picture(results, figure):
    """Draw the test accuracy of each run."""
    axes, found = figure.subplots(), in_order(results, "kind", "test_accuracy")
    gates = {kind: found[kind] for kind in GATES if kind in found}
    points(axes, {kind: found[kind] for kind in found if kind not in gates})
    points(axes, gates, COLORS[1])
    for share, style in ((0.05, "--"), (0.1, ":")):
        label = f"{100 * share:.0f} points below the usual"
        place = np.median(found[USUAL]) - share
        axes.axvline(place, color="gray", linestyle=style, label=label)
    axes.set(xlabel="test accuracy of each seed (bar: median)", ylabel="state, gates")
    figure.legend(loc="outside upper center", ncols=2)


def options(add):
    """Add the arguments of this recipe."""
    add(
        "--repeat", type=int, default=1, help="times each step is repeated (default: 1)"
    )


DATA = "japanese_vowels"
RECIPE = Recipe(
    __doc__, CLAIM, measure, rows, effect, picture, options, DATA, (7, 4), epochs=30
)
main = RECIPE.main


if __name__ == "__main__":
    main()
