"""report: list the weights of a model with their regularizers."""

from typing import NamedTuple

import keras

from kcomponents.regularizers._weight_rules import kind, weights_of


class Row(NamedTuple):
    """One weight and its regularizer, as plain values."""

    path: str
    kind: str
    shape: tuple
    trainable: bool
    regularizer: str | None


class Report(list):
    """List of rows that prints as a table."""

    def __str__(self):
        lines = [Row._fields] + [tuple(map(str, row)) for row in self]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        cells = [map(str.ljust, line, widths) for line in lines]
        return "\n".join("  ".join(line).rstrip() for line in cells)


def report(model: keras.layers.Layer) -> Report:
    """List the weights of a built model with the regularizer of each weight.

    Statistics, such as moving averages, are left out. Keras does not add the penalty of
    a weight that is not trainable to the loss.

    Args:
        model: Built Keras model or layer.

    Returns:
        List of rows `(path, kind, shape, trainable, regularizer)`: `kind` is one of the
        kinds in `apply`, `regularizer` a string such as `"L2(l2=0.01)"`, or `None`.
        `print` shows a table.

    Raises:
        ValueError: If the model is not built.

    Example:
        >>> import keras
        >>> from kcomponents.regularizers import L2, apply, report
        >>> dense = keras.layers.Dense(2, name="first")
        >>> model = keras.Sequential([keras.Input((3,)), dense])
        >>> paths = apply(model, L2(1e-4))
        >>> [(row.kind, row.shape, row.regularizer) for row in report(model)]
        [('kernels', (3, 2), 'L2(l2=0.0001)'), ('biases', (2,), None)]
    """
    return Report(
        Row(w.path, kind(w), tuple(w.shape), w.trainable, _text(w.regularizer))
        for w in weights_of(model)
    )


def _text(regularizer):
    if regularizer is None:
        return None
    name = getattr(regularizer, "__name__", type(regularizer).__name__)
    try:
        config = regularizer.get_config()
    except (AttributeError, NotImplementedError):
        return name
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in config.items())})"
