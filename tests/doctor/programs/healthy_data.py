"""Data of the healthy programs: clouds of points, half moons, digits, waves."""

import pathlib

import numpy as np

DIGITS = pathlib.Path(__file__).parents[3] / "recipes" / "data" / "mnist10k.npz"


def blobs(rows, features, classes, spread=1.0, seed=0):
    """Return points around one center per class, and the classes."""
    generator = np.random.default_rng(seed)
    centers = 2.0 * generator.normal(size=(classes, features))
    labels = generator.integers(0, classes, rows)
    noise = spread * generator.normal(size=(rows, features))
    return (centers[labels] + noise).astype("float32"), labels.astype("int32")


def moons(rows, noise=0.15, seed=0):
    """Return two half moons that interlock, and which moon a point is on."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, rows)
    angle = np.pi * generator.random(rows)
    across = np.where(labels, 1 - np.cos(angle), np.cos(angle))
    up = np.where(labels, 0.5 - np.sin(angle), np.sin(angle))
    points = np.stack([across, up], 1) + noise * generator.normal(size=(rows, 2))
    return points.astype("float32"), labels.astype("int32")


def digits(rows, classes=10):
    """Return images of the digits below `classes`, uint8 of 28 by 28, and labels."""
    with np.load(DIGITS) as arrays:
        x, y = arrays["x"], arrays["y"]
    chosen = np.flatnonzero(y < classes)[:rows]
    return x[chosen], y[chosen].astype("int32")


def smooth(rows, features=4, noise=0.1, seed=0):
    """Return standard normal inputs and a smooth function of three of them."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, features)).astype("float32")
    y = x[:, 0] + np.sin(2 * x[:, 1]) + 0.5 * x[:, 2] ** 2
    y = y + noise * generator.normal(size=rows)
    return x, y.astype("float32")[:, None]


def waves(rows, steps=20, seed=0):
    """Return noisy sequences, slow or fast sines, and whether each is fast."""
    generator = np.random.default_rng(seed)
    fast = generator.integers(0, 2, rows)
    phase = 2 * np.pi * generator.random((rows, 1))
    speed = np.where(fast, 1.0, 0.4)[:, None]
    x = np.sin(speed * np.arange(steps) + phase)
    x = x + 0.1 * generator.normal(size=x.shape)
    return x[..., None].astype("float32"), fast.astype("int32")
