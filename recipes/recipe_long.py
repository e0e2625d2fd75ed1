"""Two tasks of long sequences: numbers to add, and digits read pixel by pixel."""

from collections.abc import Callable
from typing import NamedTuple

import keras
from recipe_data import images


class Task(NamedTuple):
    """What a net answers at the end of a sequence, and how wrong that is.

    Args:
        outputs: Int, numbers in an answer.
        loss: String or loss, what to train with.
        error: Function of what is true and what was answered, an error for each row.
        label: String, what that error is called along an axis.
    """

    outputs: int
    loss: object
    error: Callable
    label: str


def wrong(labels, scores):
    """Return 1 where a digit is taken for another one."""
    return 1 - keras.metrics.sparse_categorical_accuracy(labels, scores)


SURPRISE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SQUARE = keras.metrics.mean_squared_error
TASKS = {
    "adding": Task(1, "mse", SQUARE, "mean squared error in training"),
    "pixels": Task(10, SURPRISE, wrong, "share of wrong digits in training"),
}


def pixels(source, tiny=False):
    """Return labeled images as sequences of pixels, halved in width and height.

    Args:
        source: String, name or file, see `images`.
        tiny: Boolean, whether to return 5 pixels of 100 images only.

    Returns:
        Two pairs `(x, y)`, training and validation: `x` float32 of shape
        `(images, pixels, 1)`, `y` int32 of shape `(images,)`.
    """
    found = []
    for x, y in images(source):
        side = int(x.shape[1] ** 0.5) // 2
        halved = x.reshape(-1, side, 2, side, 2).mean((2, 4)).reshape(-1, side**2, 1)
        found.append((halved[:100, :5], y[:100]) if tiny else (halved, y))
    return found
