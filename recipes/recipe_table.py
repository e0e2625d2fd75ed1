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
