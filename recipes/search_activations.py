"""Search activation and regularization together on handwritten digits.

Which activation is best, and does the answer depend on the regularizer and the dropout
beside it? Each trial is a small network of two hidden layers with about the same number
of weights, whatever its activation. Trial 0 is the baseline, ReLU without a
regularizer. At the end the best trial and the baseline are repeated with other seeds,
to tell a real gain from luck.

Expect small differences: on these digits all activations reach about 94 %, the learning
rate matters more, and the best trial gains a point over the baseline or cannot be
distinguished from it, which is an answer too. Poor trials are pruned early, so the map
shows some pairs after only two epochs; it marks them.

    python recipes/search_activations.py --workers 2

It takes a minute or two on a CPU. The same command uses a GPU if there is one, and its
workers share it. The same command also resumes a search that was stopped or killed.
`kcomponents search run` accepts this file too, and can use several machines.
"""

import argparse
import functools
import json
import pathlib

import keras
from lib.data import images
from matplotlib.figure import Figure

from kcomponents import tuning
from kcomponents.__main__ import main as kcomponents

RESULTS = pathlib.Path("results")
NAME = "search_activations"
ACTIVATIONS = ["relu", "leaky_relu", "prelu", "gelu", "maxout"]
REGULARIZERS = ["none", "l1", "l2", "l1_l2"]


def build(hp, pixels=784, classes=10, units=64):
    """Return a compiled network whose choices are registered with `hp`."""
    hidden = tuning.activation(hp, "activation", ACTIVATIONS)
    rate = tuning.dropout(hp, "dropout")
    model = keras.Sequential([keras.Input((pixels,))])
    for fan_in, fan_out in ((pixels, units), (units, classes)):
        regularizer = tuning.regularizer(hp, "regularizer")
        fans = {"fan_in": fan_in, "fan_out": fan_out}
        for layer in hidden.dense(units, **fans, kernel_regularizer=regularizer):
            model.add(layer)
        model.add(hidden.dropout(rate))
    model.add(keras.layers.Dense(classes))
    optimizer = tuning.optimizer(hp, choices=["adam"], learning_rate=(1e-4, 1e-2))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def data(source="digits", rows=None):
    """Return images and labels, for training and for validation."""
    (x, y), validation = images(source)
    return (x[:rows], y[:rows]), validation


def cells(trials):
    """Return the best score, its state and the number of trials of each pair."""
    found = {}
    for trial in trials:
        if trial["score"] is not None and trial["kind"] != "repeat":
            pair = trial["values"]["activation"], trial["values"]["regularizer"]
            best, state, count = found.get(pair, (0.0, "", 0))
            best, state = max((best, state), (trial["score"], trial["state"]))
            found[pair] = best, state, count + (trial["kind"] != "full")
    return found


def picture(trials, path):
    """Draw the best score of each activation with each regularizer."""
    found = cells(trials)
    scores = [
        [found.get((kind, name), [float("nan")])[0] for name in REGULARIZERS]
        for kind in ACTIVATIONS
    ]
    axes = (figure := Figure((7, 5), layout="constrained")).subplots()
    shown = axes.imshow(scores, cmap="cividis", aspect="auto")
    for row, kind in enumerate(ACTIVATIONS):
        for column, name in enumerate(REGULARIZERS):
            score, state, count = found.get((kind, name), (0.0, "", 0))
            text = f"{score:.1%}, {state}\n{count} tried" if count else "not tried"
            back = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none"}
            axes.text(column, row, text, size=8, ha="center", va="center", bbox=back)
    axes.set_xticks(range(len(REGULARIZERS)), REGULARIZERS)
    axes.set_yticks(range(len(ACTIVATIONS)), ACTIVATIONS)
    axes.set(xlabel="regularizer", ylabel="activation", title="Best of each pair")
    figure.colorbar(shown, label="validation accuracy")
    figure.savefig(path, dpi=120)


def searched(args):
    """Run or resume the search, and return it."""
    give = functools.partial(data, args.data, 1000 if args.quick else None)
    (x, y), _ = give()
    search = tuning.Search(
        functools.partial(build, pixels=x.shape[1], classes=int(y.max()) + 1),
        "val_accuracy",
        max_trials=args.trials,
        seed=args.seed,
        workers=args.workers or None,
        repeats=0 if args.quick else 3,
        directory=args.results,
        project_name=NAME,
        overwrite=args.overwrite,
    )
    search.search(data=give, epochs=args.epochs, batch_size=100)
    return search


def main(argv=None):
    """Search, print the table, save the picture and the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", default="digits", help="digits, mnist, fashion_mnist or an .npz file")
    add(
        "--workers",
        type=int,
        default=2,
        help="worker processes; 0 to run in this one (default: 2)",
    )
    add("--trials", type=int, help="number of trials (default: 30)")
    add("--epochs", type=int, help="epochs per trial (default: 8)")
    add("--seed", type=int, default=0)
    add(
        "--quick",
        action="store_true",
        help="4 trials of 1 epoch, to check that it works",
    )
    add("--overwrite", action="store_true", help="delete an earlier search first")
    add("--results", type=pathlib.Path, default=RESULTS)
    args = parser.parse_args(argv)
    args.trials = args.trials or (4 if args.quick else 30)
    args.epochs = args.epochs or (1 if args.quick else 8)
    args.results.mkdir(parents=True, exist_ok=True)
    try:
        search = searched(args)
    except ValueError as error:
        parser.error(str(error))
    trials = search.results["trials"]
    place = args.results / NAME
    lines = "".join(json.dumps(trial) + "\n" for trial in trials)
    place.with_suffix(".jsonl").write_text(lines)
    picture(trials, place.with_suffix(".png"))
    kcomponents(["search", "status", search.project_dir])
    print(f"\nMap: {place.with_suffix('.png')}")
    print(f"Report: {search.report(place.with_suffix('.html'))}")


if __name__ == "__main__":
    main()
