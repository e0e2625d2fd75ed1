"""A recurrent net trains where plain training explodes, once gradients are clipped.

Claim: the gradient of a recurrent net is a product over its steps, so that at times it
is huge, and one such update undoes all that was learned. Clipping bounds the step and
keeps its direction: no run with clipping diverges, and each ends below plain training.
A run has diverged when its last loss is not finite, or over twice that of a constant.

What to expect: on Shakespeare, plain training of a ReLU net that begins as the identity
is NaN at its third or fourth update. Clipped to 1, it comes to 3.7 bits in 300 updates,
where letter counts give 4.8; on the way, in 2 of 5 runs, one validation is far off,
since the state can still grow as the net reads on. On the adding problem clipping keeps
the loss at that of a constant, 0.17: it prevents harm, but nothing is learned.

Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
networks", 2013, https://arxiv.org/abs/1211.5063, algorithm 1 and table 1: training
on characters of the Penn treebank ends at 1.34 bits with clipping, 1.46 without.

    python recipes/clipped_rnn.py
    python recipes/clipped_rnn.py --data my.txt --cell lstm --optimizer adam --rate .002
        --units 256 --updates 500 --epochs 40 --clip auto --seeds 1 --resume --sample 99

With `--resume`, the same command goes on after Ctrl-C. The best models are kept in
`<out>/clipped_rnn`.
"""

import argparse
import math

import numpy as np
from lib.clipping import CLIPS, FAR, Run, kinds, number, optimizer
from lib.picture import COLORS, STYLES
from lib.recurrent import LAYERS, UNITS, state_activation, task
from lib.run import Recipe, chosen, spread

CLAIM = "No run with clipping diverges, and each ends below plain training"
SGD = {"optimizer": "sgd", "batch": 32, "updates": 30, "epochs": 10, "gain": 1.0}
DEFAULTS = {
    "text": SGD | {"cell": "irnn", "rate": 1.0, "length": 50, "units": 100},
    "adding": SGD | {"cell": "rnn", "rate": 0.05, "length": 50, "units": 50},
    "series": SGD | {"cell": "irnn", "rate": 0.1, "length": 50, "units": 50},
    "vowels": SGD | {"cell": "irnn", "rate": 0.1, "length": 29, "units": 50},
}
QUICK = {"length": 10, "units": 8, "batch": 8, "updates": 4, "epochs": 2}


def settings(args):
    """Return the arguments with what the task and the cell bring along, checked."""
    own = DEFAULTS[args.task] | (QUICK if args.quick else {})
    given = {k: own.get(k) if v is None else v for k, v in vars(args).items()}
    s = argparse.Namespace(**given)
    s.activation = s.activation or ("relu" if s.cell == "irnn" else "tanh")
    if s.sample and s.task != "text":
        raise ValueError(f"--sample needs --task text. Received: --task {s.task}")
    allowed = {None: {*CLIPS}, "auto": {"none", "global", "auto"}}
    if {*s.clip} - allowed.get(s.threshold, {*CLIPS} - {"auto"}):
        rule = "--threshold auto goes with --clip global, a number not with --clip auto"
        raise ValueError(f"{rule}. Received: {s.threshold}, {','.join(s.clip)}")
    optimizer(s)
    state_activation(s.activation, s.units)
    return s


def measure(args, seed):
    """Train the same net with each kind of clipping."""
    s = settings(args)
    data = task(s.task, s.data, s.length, s.batch, s.updates, seed)
    for kind in s.clip:
        trained = Run(data, s, kind, seed, args.out / "clipped_rnn")
        try:
            trained.fit()
        except KeyboardInterrupt:
            if trained.curves.epochs:
                yield trained.result()
            raise
        yield trained.result()


def rows(results):
    """Return a row for each kind of clipping, and one for a constant prediction."""
    table = []
    for kind in dict.fromkeys(result["clip"] for result in results):
        found = chosen(results, clip=kind)
        bounds = [r["threshold"] for r in found if r["threshold"] is not None]
        row = {
            "clipping": f"{kind} {spread(bounds)}" if bounds else kind,
            "diverged": diverged(found),
            f"final {found[0]['unit']}": told(found, "final"),
            "best": told(found, "best"),
        }
        if "error" in found[0]:
            row["final error"] = told(found, "error", "{:.1%}")
        row["updates clipped"] = told(found, "clip_rate", "{:.0%}")
        row["s per epoch"] = told(found, "seconds", "{:.2f}", "-")
        table.append(row)
    constant = dict.fromkeys(table[0], "") | {"clipping": "(constant prediction)"}
    constant[f"final {results[0]['unit']}"] = told(results, "constant")
    return [*table, constant]


def diverged(results):
    """Return how many runs diverged, as text."""
    return f"{sum(result['diverged'] for result in results)} of {len(results)}"


def told(results, name, form="{:.3g}", otherwise="NaN"):
    """Return what is finite of some values as text, or what to say of none."""
    finite = [result[name] for result in results if result[name] is not None]
    return spread(finite, form) if finite else otherwise


def effect(results):
    """Return whether runs with clipping ended well, and below the plain one if any."""
    plain = chosen(results, clip="none")
    bound = math.inf if not plain or plain[0]["diverged"] else plain[0]["final"]
    clipped = (r for r in results if r["clip"] != "none")
    return all(not r["diverged"] and r["final"] < bound for r in clipped)


def picture(results, figure):
    """Draw the norms of the first seed, and the losses of all."""
    left, right = figure.subplots(1, 2)
    kinds = list(dict.fromkeys(result["clip"] for result in results))
    constant, top = results[0]["constant"], FAR * results[0]["constant"]
    right.axhline(constant, color="gray", ls=":", label="constant prediction")
    for kind, color, style in zip(kinds, COLORS, STYLES * 2, strict=False):
        found = chosen(results, clip=kind)
        draw_norms(left, found[0], color)
        label = f"{kind}: {diverged(found)} diverged"
        for result in found:
            steps, losses = over_updates(result, "losses")
            right.plot(steps, losses, style, marker=".", color=color, label=label)
            label = None
            # What is beyond the axes, or nowhere, is at their edge.
            edge = np.where(losses <= top, np.nan, top)
            right.plot(steps, edge, "x", ms=9, color=color, clip_on=False)
    right.set(ylim=(0, top), ylabel=f"validation loss, {results[0]['unit']}")
    right.set_xlabel("update (×: loss beyond the axes, or not finite)")
    left.set(xlabel="update", ylabel="norm of the gradient, first seed", yscale="log")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="upper right" if axes is left else "lower left")


def over_updates(result, name):
    """Return at which updates a list of values was taken, and the values."""
    values = np.array(result[name], "float")
    return np.linspace(0, result["updates"], len(values) + 1)[1:], values


def draw_norms(axes, result, color):
    """Draw the norms of a run over its updates, before and after clipping."""
    kind, (steps, before) = result["clip"], over_updates(result, "norms")
    axes.plot(steps, before, ".-", color=color, lw=0.7, ms=4, label=f"{kind}, before")
    for step in steps[~np.isfinite(before)][:1]:
        axes.axvline(step, color=color, ls="--", label=f"{kind}: not finite")
    if kind != "none":
        after = over_updates(result, "clipped")
        axes.plot(*after, color="black", lw=1, label=f"{kind}, after")
    if CLIPS[kind][0] == "global_clipnorm":
        axes.axhline(result["threshold"], color="gray", ls=":", label="threshold")


def options(add):
    """Add what only this recipe knows."""
    name = "name that kcomponents.activations.get knows; tanh, or relu for irnn. On a "
    name += "GPU only tanh lets lstm and gru run as one fused kernel (cuDNN)"
    add("--task", choices=UNITS, default="text", help="(default: %(default)s)")
    add("--data", metavar="FILE", help="of one's own, for all tasks but adding")
    add("--cell", choices=LAYERS, help="irnn: rnn of ReLU that begins as the identity")
    add("--activation", help=name)
    add("--gain", type=number(), help="scale of the recurrent weights at first (1)")
    add("--units", type=number(1), help="of the state")
    add("--length", type=number(2), help="steps of a sequence, and of its gradient")
    add("--clip", type=kinds, default="none,global", help=f"of {', '.join(CLIPS)}")
    add(
        "--threshold",
        type=number(word="auto"),
        help="number, or auto: from a short training",
    )
    add("--optimizer", help="name of one of Keras (sgd)")
    add("--rate", type=number(), help="of learning")
    add("--batch", type=number(1), help="sequences of an update")
    add("--updates", type=number(1), help="of an epoch (30)")
    add("--epochs", type=number(1), help="at most (10)")
    add("--patience", type=number(1), default=5, help="epochs without gain (5)")
    add("--resume", action="store_true", help="keep the state, and go on from it")
    add("--sample", type=number(0), default=0, metavar="N", help="characters to draw")
    add("--temperature", type=number(), default=1.0, help="of that sample (1)")


RECIPE = Recipe(__doc__, CLAIM, measure, rows, effect, picture, options, data=None)
main = RECIPE.main


if __name__ == "__main__":
    main()
