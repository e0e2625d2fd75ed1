"""What all recipes have in common: arguments, JSON lines, a table and a picture."""

import argparse
import importlib.metadata
import inspect
import io
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from matplotlib.figure import Figure

INTERRUPTED = 130


class Recipe(NamedTuple):
    """A claim, and how to see whether it holds.

    Args:
        doc: String, the docstring of the recipe.
        claim: String, what must be true of a seed for the effect to be there.
        measure: Function of the arguments and a seed, yields a dict for each run. It
            is called with all random numbers seeded.
        rows: Function of all results, returns the rows of the table, dicts.
        effect: Function of the results of one seed, returns whether the claim holds.
        picture: Function of all results and a figure, draws on it.
        options: Function of the parser, adds arguments. Defaults to none.
        data: String or None, where data come from unless told. Defaults to `"digits"`.
        size: Pair, width and height of the picture in inches. Defaults to `(9, 4)`.
        epochs: Int or None, default of `--epochs`. Defaults to no such argument.
    """

    doc: str
    claim: str
    measure: Callable
    rows: Callable
    effect: Callable
    picture: Callable
    options: Callable = lambda add: None
    data: str | None = "digits"
    size: tuple = (9, 4)
    epochs: int | None = None

    def main(self, argv=None):
        """Run the recipe, which has the name of the file of `measure`."""
        return run(self, inspect.getfile(self.measure), argv)


def run(recipe, file, argv):
    """Run a recipe from the command line; return its summary."""
    parser = _parser(recipe)
    args = parser.parse_args(argv)
    if args.seeds is None:
        args.seeds = 1 if args.quick else 5
    if args.seeds < 1:
        parser.error(f"--seeds must be at least 1. Received: {args.seeds}")
    place = args.out / pathlib.Path(file).stem
    begin, results, whole = time.perf_counter(), [], []
    try:
        for seed in range(args.seed, args.seed + args.seeds):
            for result in _results(recipe, args, seed, begin):
                results.append({"recipe": place.name, **result})
            whole = list(results)
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("\nInterrupted: here is what was found so far.", file=sys.stderr)
        _write_lines(place, results)
        if whole:
            _finish(recipe, args, place, whole, begin)
        elif results:
            _draw_part(recipe, place, results)
        sys.exit(INTERRUPTED)
    _write_lines(place, results)
    return _finish(recipe, args, place, results, begin)


def _parser(recipe):
    parser = argparse.ArgumentParser(
        description=recipe.doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    if recipe.data is not None:
        add("--data", default=recipe.data, help="name or file (default: %(default)s)")
    add("--seed", type=int, default=0, help="the first one (default: %(default)s)")
    add("--seeds", type=int, help="how many, one after the other (5, or 1 if quick)")
    add("--out", type=pathlib.Path, default=pathlib.Path("results"), metavar="DIR")
    add("--quick", action="store_true", help="tiny, to see that it runs")
    if recipe.epochs is not None:
        add(
            "--epochs",
            type=_epochs,
            default=recipe.epochs,
            help="(default: %(default)s)",
        )
    recipe.options(add)
    return parser


def _epochs(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number above 0. Received: {text}")
    return int(text)


def _results(recipe, args, seed, begin):
    """Yield what is found of a seed, as soon as it is known."""
    keras.utils.set_random_seed(seed)
    for done, result in enumerate(recipe.measure(args, seed), 1):
        told = {name: v for name, v in result.items() if not isinstance(v, list)}
        print(json.dumps({"seed": seed, **told}))
        took = f"{time.perf_counter() - begin:.0f} s"
        number = seed - args.seed + 1
        progress(f"seed {number} of {args.seeds}, {done} runs, {took}")
        yield {"seed": seed, **result}
    progress("")


def progress(message):
    """Show on one line of a terminal how far a run is."""
    if sys.stderr.isatty():
        print(f"\r\033[K{message}", end="", file=sys.stderr, flush=True)


def _finish(recipe, args, place, results, begin):
    """Write picture and summary of seeds that have said all; print the table."""
    by_seed = {}
    for result in results:
        by_seed.setdefault(result["seed"], []).append(result)
    summary = {
        "recipe": place.name,
        "claim": recipe.claim,
        "shown": sum(bool(recipe.effect(found)) for found in by_seed.values()),
        "seeds": len(by_seed),
        "quick": args.quick,
        "first_seed": args.seed,
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("keras", keras.backend.backend())
        },
        "seconds": round(time.perf_counter() - begin, 1),
        "rows": recipe.rows(results),
    }
    _draw(recipe, place, results)
    write(place.with_suffix(".json"), json.dumps(summary, indent=1).encode())
    print(f"\n{table(summary['rows'])}\n")
    if args.quick:
        print("That was a tiny run, to see that it works: it shows nothing else.")
    else:
        print(f"{recipe.claim}: {summary['shown']} of {summary['seeds']} seeds.")
    print(f"Picture: {place.with_suffix('.png')}")
    return summary


def _draw(recipe, place, results):
    figure = Figure(recipe.size, layout="constrained")
    recipe.picture(results, figure)
    figure.savefig(drawn := io.BytesIO(), format="png", dpi=120)
    write(place.with_suffix(".png"), drawn.getvalue())


def _draw_part(recipe, place, results):
    """Draw the runs of a seed that was interrupted, where they are enough to."""
    try:
        _draw(recipe, place, results)
    except Exception as error:
        print(f"They are too few for a picture: {error}", file=sys.stderr)
    else:
        print(f"Picture: {place.with_suffix('.png')}")


def _write_lines(place, results):
    lines = "".join(json.dumps(result) + "\n" for result in results)
    write(place.with_suffix(".jsonl"), lines.encode())


def write(path, content):
    """Write a file whole or not at all: if this fails, the last one stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(path.suffix + ".tmp")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


# Results of recipes as tables: which ones, and how far seeds differ.


def table(rows):
    """Return rows, dicts of the same names, as a table for people."""
    lines = [
        [str(cell) for cell in line] for line in (rows[0], *map(dict.values, rows))
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join("  ".join(line).rstrip() for line in padded)


def spread(values, form="{:.3g}"):
    """Return median, least and most of some numbers as text."""
    values = [float(value) for value in values]
    told = form.format(np.median(values))
    if len(values) == 1 or min(values) == max(values):
        return told
    return f"{told} ({form.format(min(values))} to {form.format(max(values))})"


def rows_by(results, key, columns, title=None):
    """Return a row for each value of a name, in the order in which they came.

    Args:
        results: List of dicts. Those without the name are left out.
        key: String, the name.
        columns: Dict, by the title of a column the name of its value and the form of
            it, such as `"{:.1%}"`, or None for the first value as it is. Of results
            without such a value a cell is empty.
        title: String, title of the first column. Defaults to `key`.
    """
    table = []
    for value in dict.fromkeys(r[key] for r in results if key in r):
        row, found = {title or key: value}, chosen(results, **{key: value})
        for name, (what, form) in columns.items():
            values = [r[what] for r in found if what in r]
            if form is None:
                row[name] = values[0] if values else ""
            else:
                row[name] = spread(values, form) if values else ""
        table.append(row)
    return table


def chosen(results, **wanted):
    """Return the results that have these values."""
    return [r for r in results if all(r.get(k) == v for k, v in wanted.items())]


def one(results, **wanted):
    """Return the one result that has these values."""
    (found,) = chosen(results, **wanted)
    return found


def by(results, key, value):
    """Return of each value of one name, in order, the list of another one's."""
    return dict(sorted(in_order(results, key, value).items()))


def in_order(results, key, value):
    """Return the same as `by`, in the order in which they came."""
    found = {}
    for result in results:
        found.setdefault(result[key], []).append(result[value])
    return found
