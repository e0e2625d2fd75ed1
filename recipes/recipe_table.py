"""Results of recipes as tables: which ones, and how far seeds differ."""

import numpy as np


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


def chosen(results, **wanted):
    """Return the results that have these values."""
    return [r for r in results if all(r.get(k) == v for k, v in wanted.items())]


def one(results, **wanted):
    """Return the one result that has these values."""
    (found,) = chosen(results, **wanted)
    return found


def by(results, key, value):
    """Return of each value of one name, in order, the list of another one's."""
    found = {}
    for result in results:
        found.setdefault(result[key], []).append(result[value])
    return dict(sorted(found.items()))
