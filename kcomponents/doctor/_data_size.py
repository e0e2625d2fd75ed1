"""The number of samples, compared with classes and parameters."""

import numpy as np

from kcomponents.doctor._data_target import classes_of, outputs_of
from kcomponents.doctor._data_words import counted, listed

ROWS, ROWS_OF_A_CLASS = 50, 10
# A model with this many parameters per target value can memorize the data.
SPARE = 10


def size(data, kind, parameters):
    """Yield notes on too few samples."""
    if data.rows < ROWS:
        yield (
            f"Only {counted(data.rows, 'sample')}, too few: a network memorizes them, "
            "and held-out scores say little."
        )
    classes = None if kind is None else classes_of(data.target, kind)
    if classes is not None and data.rows >= ROWS:
        values, counts = np.unique(classes, return_counts=True)
        rare = values[counts < ROWS_OF_A_CLASS]
        if len(rare):
            yield (
                f"Classes with less than {ROWS_OF_A_CLASS} samples, too few: "
                f"{len(rare):,} of {len(values):,} ({listed(rare)})."
            )
    if parameters is not None:
        yield from _against(data, kind, parameters)


def _against(data, kind, parameters):
    if kind is None:
        outputs = sum(int(array[0].size) for array in data.inputs.values())
    else:
        outputs = outputs_of(data.target, kind)
    ratio = parameters / (data.rows * outputs)
    if ratio > SPARE:
        yield (
            f"{parameters:,} parameters are {ratio:,.0f} times as many as "
            f"{counted(data.rows, 'sample')} x {counted(outputs, 'output')}: expect "
            "overfitting; use a smaller model, regularize, or stop early."
        )
