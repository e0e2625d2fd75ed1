"""Train a deep sigmoid net on handwritten digits, then the same net with components.

Both nets have the same layers and the same plain `model.fit`. The second one takes
PReLU for the sigmoid, the initializer that suits it, and clips the gradient's norm. One
callback watches the gradients of both: in the first net they vanish on their way back.
Another one stops each training when validation gets no better, and brings the best
epoch back. The training doctor watches both, says in a sentence what is wrong with the
first, and writes a page for each. At last, what it proposes for the first net becomes a
search space, of which a few trials are run.
"""

import argparse
import inspect
import json
import logging
import os
import pathlib
import time

import keras
from lib.data import Shuffled, images
from matplotlib.figure import Figure

import kcomponents
from kcomponents import tuning
from kcomponents.callbacks import EarlyStopping, GradientNormLogger, TrainingDoctor
from kcomponents.layers import MaxoutDense, PReLU
from kcomponents.report import to_html, to_text

RESULTS = pathlib.Path("results")
SEARCH_EPOCHS = 3


def sigmoid_net(classes, depth, width):
    """Return a net that depth keeps from learning: a sigmoid's slope is at most ¼."""
    hidden = [keras.layers.Dense(width, "sigmoid") for _ in range(depth)]
    model = keras.Sequential([*hidden, keras.layers.Dense(classes)])
    return model, keras.optimizers.SGD(0.05)


def component_net(classes, depth, width):
    """Return the same net with components in place."""
    hidden = []
    for _ in range(depth):
        start = kcomponents.initializers.recommended_for("prelu")
        hidden += [keras.layers.Dense(width, kernel_initializer=start), PReLU()]
    model = keras.Sequential([*hidden, keras.layers.Dense(classes)])
    return model, kcomponents.optimizers.clipped(
        keras.optimizers.SGD(0.05), global_clipnorm=1.0
    )


NETS = {"sigmoid": sigmoid_net, "with kcomponents": component_net}


def progress(name, epochs):
    """Return a callback that draws one bar for the whole training."""
    print(f"Training: {name}")
    shown = "validation accuracy"
    bar = keras.utils.Progbar(epochs, stateful_metrics=[shown], unit_name="epoch")

    def draw(epoch, logs):
        bar.update(epoch + 1, [(shown, logs["val_accuracy"])])

    return keras.callbacks.LambdaCallback(on_epoch_end=draw)


def train(name, data, args):
    """Train one net; return its row of the table with the curves, and its doctor."""
    keras.utils.set_random_seed(args.seed)
    (x, y), validation = data
    model, optimizer = NETS[name](int(y.max()) + 1, args.depth, args.width)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    model.build((None, *x.shape[1:]))
    kernels = {"first": model.layers[0].kernel, "last": model.layers[-1].kernel}
    stopper = EarlyStopping(patience=args.patience, restore_best_weights=True)
    watching = GradientNormLogger(per_variable=True)
    doctor = TrainingDoctor(data=(x, y))
    begin = time.perf_counter()
    history = model.fit(
        Shuffled(x, y, 100),
        epochs=args.epochs,
        validation_data=validation,
        verbose=0,
        callbacks=[doctor, stopper, watching, progress(name, args.epochs)],
    ).history
    seconds = time.perf_counter() - begin
    print(f"\n{stopper.stop_message}")
    accuracy = model.evaluate(x, y, batch_size=1000, verbose=0)[1]
    row = {
        "net": name,
        "train_accuracy": accuracy,
        "val_accuracy": history["val_accuracy"][stopper.best_epoch],
        "epochs": len(history["val_accuracy"]),
        "restored_epoch": stopper.best_epoch + 1,
        "stop_reason": stopper.stop_reason.value,
        "verdict": doctor.diagnosis.verdict,
        "findings": [finding.label for finding in doctor.diagnosis.findings],
        "seconds": seconds,
        "curve": history["val_accuracy"],
        "grad_norms": {
            place: history[f"grad_norm/{kernel.path}"]
            for place, kernel in kernels.items()
        },
    }
    return row, doctor


def table(rows):
    """Return the rows as a table for people."""
    lines = [
        f"{'':<18}{'accuracy':>16}{'gradient, layer':>20}{'epochs':>18}",
        f"{'net':<18}{'train':>8}{'val':>8}{'first':>10}{'last':>10}"
        f"{'run':>8}{'restored':>10}{'seconds':>9}  stopped because",
    ]
    for row in rows:
        first, last = (norms[-1] for norms in row["grad_norms"].values())
        lines.append(
            f"{row['net']:<18}{row['train_accuracy']:>8.1%}{row['val_accuracy']:>8.1%}"
            f"{first:>10.2g}{last:>10.2g}{row['epochs']:>8}{row['restored_epoch']:>10}"
            f"{row['seconds']:>9.1f}  {row['stop_reason']}"
        )
    return "\n".join(lines)


def picture(rows, path):
    """Draw accuracy and gradient norms of each net over the epochs."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    accuracy, gradients = figure.subplots(1, 2)
    for color, row in enumerate(rows):
        epochs = range(1, len(row["curve"]) + 1)
        accuracy.plot(epochs, row["curve"], "o-", ms=3, label=row["net"])
        best = row["restored_epoch"]
        accuracy.plot(best, row["curve"][best - 1], "*", ms=14, color=f"C{color}")
        for place, style in (("first", "o-"), ("last", "s:")):
            label = f"{row['net']}, {place} layer"
            norms = row["grad_norms"][place]
            gradients.plot(epochs, norms, style, color=f"C{color}", label=label)
    accuracy.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1))
    accuracy.set_title("The same deep net; the star is the epoch restored")
    gradients.set(xlabel="epoch", ylabel="norm of the kernel's gradient")
    gradients.set_yscale("log")
    gradients.set_title("How much gradient gets back to the layers")
    for axes in (accuracy, gradients):
        axes.legend(loc="best")
        axes.grid(alpha=0.3)
    # Whole or not at all: an interrupted run leaves the last picture as it was.
    unfinished = path.with_suffix(".tmp")
    figure.savefig(unfinished, format="png", dpi=120)
    os.replace(unfinished, path)


def verdict(before, after, depth):
    """Say in one sentence what changed and by how much."""
    gain = 100 * (after["val_accuracy"] - before["val_accuracy"])
    shares = [
        row["grad_norms"]["first"][-1] / row["grad_norms"]["last"][-1]
        for row in (before, after)
    ]
    return (
        f"With PReLU, its matching initializer and a clipped gradient in place of the "
        f"sigmoid, the {depth}-layer net went from {before['val_accuracy']:.1%} to "
        f"{after['val_accuracy']:.1%} validation accuracy ({gain:+.1f} points). Of the "
        f"last layer's gradient norm, the first layer got {shares[0]:.2%} before and "
        f"{shares[1]:.0%} after."
    )


def hidden(x, kind, width):
    """Return the outputs of a hidden layer, which starts as suits its activation."""
    if kind == "sigmoid":
        return keras.layers.Dense(width, "sigmoid")(x)
    if kind == "maxout":
        return MaxoutDense(width, num_pieces=2)(x)
    start = kcomponents.initializers.recommended_for(kind)
    active = kcomponents.activations.get(kind, as_layer=True)
    return active(keras.layers.Dense(width, kernel_initializer=start)(x))


def cured_net(args, data, hidden_activation="sigmoid", residual=False):
    """Return the first net compiled, but for what a remedy changes."""
    (x, y), _ = data
    inputs = keras.Input(x.shape[1:])
    outputs = hidden(inputs, hidden_activation, args.width)
    for _ in range(args.depth - 1):
        new = hidden(outputs, hidden_activation, args.width)
        outputs = outputs + new if residual else new
    model = keras.Model(inputs, keras.layers.Dense(int(y.max()) + 1)(outputs))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05), loss, metrics=["accuracy"])
    return model


def search_remedies(diagnosis, data, args):
    """Try the doctor's remedies in a short search; return a summary of the best."""
    # Only settings that `cured_net` has; the other remedies are advice.
    known = inspect.signature(cured_net).parameters
    settings = tuning.space(diagnosis, settings=known)
    search = tuning.Search(
        lambda hp: cured_net(args, data, **settings(hp)),
        "val_accuracy",
        max_trials=args.trials,
        repeats=0,
        seed=args.seed,
        directory=args.results,
        project_name="quickstart_search",
        overwrite=True,
    )
    (x, y), validation = data
    epochs = min(args.epochs, SEARCH_EPOCHS)
    search.search(
        x, y, validation_data=validation, epochs=epochs, batch_size=100, verbose=0
    )
    search.report(args.results / "search.html")
    (best,) = search.oracle.get_best_trials()
    changed = settings(best.hyperparameters)
    chosen = ", ".join(f"{name}={value}" for name, value in changed.items())
    before = search.results["trials"][0]["score"]
    return (
        f"Best of {args.trials} short trials ({epochs} epochs): "
        f"{chosen or 'nothing changed'}, {best.score:.1%} validation accuracy "
        f"(unchanged model: {before:.1%})."
    )


def cure(diagnosis, data, args):
    """Search the doctor's remedies and print the result, or why there is no search."""
    try:
        summary = search_remedies(diagnosis, data, args)
    except ImportError:
        how = 'run `pip install "kcomponents[tuning]"` to enable it.'
        print(f"\nSkipping the search: {how}")
        return
    except ValueError as error:
        print(f"\nSkipping the search: {error}")
        return
    print(f"\n{summary}\nAll trials: {args.results / 'search.html'}")


def main(argv=None):
    """Train both nets, say what changed and what is wrong; search for the cure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        default="digits",
        help="digits (shipped, the default), mnist or fashion_mnist (downloaded by "
        "Keras), or an .npz file with arrays x (images) and y (integer labels)",
    )
    parser.add_argument(
        "--epochs", type=int, default=30, help="at most (default: %(default)s)"
    )
    parser.add_argument(
        "--patience",
        type=int,
        default=3,
        help="epochs without a better validation loss before training stops (3)",
    )
    parser.add_argument("--depth", type=int, default=6, help="hidden layers")
    parser.add_argument("--width", type=int, default=100, help="units of each")
    parser.add_argument(
        "--trials", type=int, default=4, help="of the search at the end (4), 0 for none"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS)
    args = parser.parse_args(argv)
    for name in ("epochs", "patience", "depth", "width", "trials"):
        least = 0 if name == "trials" else 1
        if getattr(args, name) < least:
            told = f"--{name} must be at least {least}, got {getattr(args, name)}"
            parser.error(told)
    try:
        data = images(args.data)
    except ValueError as error:
        parser.error(str(error))
    args.results.mkdir(parents=True, exist_ok=True)
    # What the doctor has to say comes at the end.
    logging.getLogger("kcomponents").setLevel(logging.ERROR)
    rows, doctors = zip(*(train(name, data, args) for name in NETS), strict=True)
    print(f"\n{table(rows)}\n")
    picture(rows, args.results / "quickstart.png")
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (args.results / "quickstart.jsonl").write_text(lines)
    print(f"Curves: {args.results / 'quickstart.png'}")
    print(verdict(*rows, args.depth))
    for name, doctor in zip(NETS, doctors, strict=True):
        page = args.results / f"{name.replace(' ', '_')}.html"
        to_html(doctor.diagnosis, doctor.record, page)
        print(f"\nThe doctor on the net {name!r}, with evidence in {page}:")
        print(to_text(doctor.diagnosis))
    if args.trials:
        cure(doctors[0].diagnosis, data, args)


if __name__ == "__main__":
    main()
