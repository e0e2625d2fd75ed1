"""Sequences for the recipes: the adding problem, text, a series, spoken vowels."""

import pathlib

import numpy as np

DATA = pathlib.Path(__file__).parents[1] / "data"
SERIES = ("sunspots", "co2")


def adding(count, length, seed):
    """Return sequences of the adding problem, and what is to be said of each.

    Each step has a number from 0 to 1 and a mark; two steps are marked, one in each
    half. The target is the sum of their numbers. To say 1 each time gives a mean
    squared error of 1/6.

    Args:
        count: Integer, how many sequences.
        length: Integer, steps of each, at least 2.
        seed: Integer.

    Returns:
        Float32 of shape `(count, length, 2)`, and of shape `(count, 1)`.

    Reference: Hochreiter and Schmidhuber, "Long short-term memory", 1997,
    https://doi.org/10.1162/neco.1997.9.8.1735
    """
    if length < 2:
        raise ValueError(f"The length must be at least 2. Received: {length=}")
    rng = np.random.default_rng(seed)
    x = np.zeros((count, length, 2), "float32")
    x[..., 0] = rng.random((count, length))
    rows, half = np.arange(count), length // 2
    marked = rng.integers(0, half, count), rng.integers(half, length, count)
    y = sum(x[rows, steps, 0] for steps in marked)
    for steps in marked:
        x[rows, steps, 1] = 1.0
    return x, y[:, None]


def text(source="shakespeare"):
    """Return a text as integers, and the characters that they stand for.

    Args:
        source: `"shakespeare"`, ten plays that are shipped here, or a text file's path.

    Returns:
        Int32 of shape `(characters,)`, nine tenths to train on and one to validate, and
        a string of all characters that occur.
    """
    if source == "shakespeare":
        found = _arrays(DATA / "shakespeare10.npz", "text")[0].tobytes().decode("ascii")
    else:
        found = _file(source).read_text(encoding="utf-8", errors="replace")
    if len(set(found)) < 2:
        rule = "The text must have at least two different characters"
        raise ValueError(f"{rule}. Received: {len(found)} characters of {source!r}")
    characters = "".join(sorted(set(found)))
    numbers = {character: number for number, character in enumerate(characters)}
    coded = np.array([numbers[character] for character in found], "int32")
    split = len(coded) * 9 // 10
    return (coded[:split], coded[split:]), characters


def series(source="sunspots"):
    """Return a series of real numbers, with mean 0 and deviation 1 where it is learned.

    Args:
        source: `"sunspots"`, monthly numbers of 1749 to 2008; `"co2"`, weekly parts per
            million at Mauna Loa; or the path of a text file with one number a line.

    Returns:
        Two arrays, float32 of shape `(steps,)`: the first four fifths and the rest.
    """
    if source == "sunspots":
        values = _arrays(DATA / "series.npz", "sunspots_monthly")[0]
    elif source == "co2":
        values = _arrays(DATA / "series.npz", "co2")[0][:, 1]
    else:
        try:
            values = np.loadtxt(_file(source), ndmin=1)
        except ValueError as error:
            rule = "A series must be a text file with one number a line"
            raise ValueError(f"{rule}. Reading {source!r} gave: {error}") from error
    values = np.asarray(values, "float64").ravel()
    values = values[np.isfinite(values)]
    split = len(values) * 4 // 5
    if split < 2 or np.std(values[:split]) == 0:
        rule = "A series must have several numbers that are not all equal"
        raise ValueError(f"{rule}. Received: {len(values)} of {source!r}")
    mean, deviation = np.mean(values[:split]), np.std(values[:split])
    scaled = ((values - mean) / deviation).astype("float32")
    return scaled[:split], scaled[split:]


def vowels(source="japanese_vowels"):
    """Return spoken vowels of nine speakers, and who spoke, to train on and to test.

    Args:
        source: `"japanese_vowels"`, shipped here, or the path of an `.npz` file with
            arrays `x` (sequences, steps, features; padded with zeros), `length`, `y`
            (integer labels) and `test` (booleans).

    Returns:
        Two triples `(x, length, y)`: float32, int32 and int32.
    """
    path = DATA / f"{source}.npz" if source == "japanese_vowels" else _file(source)
    x, length, y, test = _arrays(path, "x", "length", "y", "test")
    if x.ndim != 3 or not len(x) == len(length) == len(y) == len(test):
        rule = "`x` must be sequences x steps x features, and all arrays as long"
        raise ValueError(f"{rule}. Received: {x.shape=}, {y.shape=}, {length.shape=}")
    whole = x.astype("float32"), length.astype("int32"), y.astype("int32")
    test = test.astype(bool)
    return [tuple(part[rows] for part in whole) for rows in (~test, test)]


def _file(source):
    path = pathlib.Path(source)
    if not path.is_file():
        raise ValueError(f"There is no such file. Received: {str(source)!r}")
    return path


def _arrays(path, *names):
    try:
        with np.load(path) as arrays:
            return [arrays[name] for name in names]
    except (KeyError, ValueError, OSError) as error:
        rule = f"{path} must be an .npz file with arrays {', '.join(names)}"
        raise ValueError(f"{rule}. Reading it gave: {error}") from error
