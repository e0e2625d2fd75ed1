"""A convolution needs neighboring pixels that belong together, or it loses its lead.

Claim: data may not suit a network. A convolution looks at neighboring pixels. If the
pixels of all images are permuted in the same way, a dense network loses nothing, but
the convolutional one has no neighbors to look at. Too few images are memorized, and
shuffled labels cannot be learned at all. The doctor sees all of this before training.

What to expect: after training on 8000 digits, a small convolutional network classifies
95 to 96 % of the validation digits correctly, a dense one 92 %. With permuted pixels it
is 86 % against 92 %: a lead of 3 points becomes a lag of 6. With 40 digits both
memorize these and reach less than 60 % on the others. With shuffled labels both are at
chance. The doctor reports notes, not findings, because such data are not wrong. Its
note on shuffled labels needs scikit-learn.

Source: LeCun and Bengio, "Convolutional networks for images, speech, and time series",
1995; Zhang et al., 2017, https://arxiv.org/abs/1611.03530: permuted pixels and labels.

    python recipes/data_suitability.py
"""

import itertools

import keras
import numpy as np
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from lib.data import Shuffled, images
from lib.nets import accuracy, compiled
from lib.picture import COLORS
from lib.run import Recipe, by, chosen, one, spread

from kcomponents.doctor import examine_data

CLAIM = "Permuted pixels halve the convolutional lead or more, and the doctor notes it"
NETS = ("convolutional", "dense")
# Parts of the doctor's notes on data that do not suit a network.
FAULTS = ["too few", "little to use", "no signal found"]


def sets(x, y, held_x, held_y, generator):
    """Yield the name, training images and validation images of each data set."""
    side, order = round(x.shape[1] ** 0.5), generator.permutation(x.shape[1])
    both = x, held_x, x[:, order], held_x[:, order]
    x, held_x, mixed, held_mixed = (p.reshape(len(p), side, side, 1) for p in both)
    yield "all rows", (x, y), (held_x, held_y)
    yield "permuted pixels", (mixed, y), (held_mixed, held_y)
    yield "first 40 rows", (x[:40], y[:40]), (held_x, held_y)
    yield "shuffled labels", (x, generator.permutation(y)), (held_x, held_y)


def net(kind, shape):
    """Return a compiled network."""
    hidden = [Flatten(), Dense(64, "relu")]
    if kind == "convolutional":
        first, second = (Conv2D(filters, 3, activation="relu") for filters in (8, 16))
        hidden = [first, MaxPooling2D(), second, MaxPooling2D(), Flatten()]
    model = keras.Sequential([keras.Input(shape), *hidden, Dense(10)])
    return compiled(model, keras.optimizers.Adam(0.002))


def measure(args, seed):
    """Let the doctor examine each data set, then train both networks on it."""
    asked, size, epochs, most = (100, 1000, 1, 2) if args.quick else (1000, 8000, 4, 4)
    train, validation = images(args.data)
    tried = sets(*train, *validation, np.random.default_rng(seed))
    for name, (x, y), held in itertools.islice(tried, most):
        notes = examine_data(x[:asked], y[:asked], seed=seed).notes
        said = ", ".join(fault for fault in FAULTS if fault in " ".join(notes))
        # Repeat samples of small sets, so all networks take the same number of steps.
        x, y = (np.resize(array, (size, *array.shape[1:])) for array in (x, y))
        found = {"set": name, "said": said or "nothing", "notes": list(notes)}
        for kind in NETS:
            model = net(kind, x.shape[1:])
            model.fit(Shuffled(x, y, 100), epochs=epochs, verbose=0)
            found[f"{kind}_train"] = accuracy(model, x, y)
            found[f"{kind}_val"] = accuracy(model, *held)
        lead = found["convolutional_val"] - found["dense_val"]
        yield found | {"lead": 100 * lead}


def rows(results):
    """Return a row for each data set."""
    table = []
    for name, leads in by(results, "set", "lead").items():
        found = chosen(results, set=name)
        row = {"validation": name, "doctor": " / ".join(by(found, "said", "set"))}
        for kind in NETS:
            row[kind] = spread([result[f"{kind}_val"] for result in found], "{:.1%}")
        table.append(row | {"lead, points": spread(leads, "{:.1f}")})
    return table


def effect(results):
    """Return whether permuted pixels cost the lead, and the doctor predicted it."""
    real, mixed = (one(results, set=name) for name in ("all rows", "permuted pixels"))
    foretold = [real["said"], mixed["said"]] == ["nothing", "little to use"]
    return foretold and real["lead"] > 0 and mixed["lead"] <= real["lead"] / 2


def picture(results, figure):
    """Draw the accuracies of both networks on each data set."""
    axes = figure.subplots()
    for number, kind in enumerate(NETS):
        trained, held = (by(results, "set", f"{kind}_{p}") for p in ("train", "val"))
        at, bars = np.arange(len(held)) - 0.2, np.median(list(held.values()), axis=1)
        look = {"color": COLORS[number], "alpha": 0.6, "hatch": "//" * number}
        axes.bar(at + 0.4 * number, bars, 0.36, label=f"{kind}, validation", **look)
        axes.plot(at + 0.4 * number, list(trained.values()), "kD", mfc="none")
    axes.lines[0].set_label("training")
    axes.set_xticks(range(len(held)), list(held))
    axes.set(ylabel="accuracy, share", ylim=(0, 1.05))
    figure.legend(loc="outside upper center", ncols=3)


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture)
main = RECIPE.main


if __name__ == "__main__":
    main()
