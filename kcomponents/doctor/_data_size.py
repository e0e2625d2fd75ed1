"""How much data there is, against classes and parameters."""

import numpy as np

from kcomponents.doctor._data_target import classes_of, outputs_of
from kcomponents.doctor._data_words import counted, listed

ROWS, ROWS_OF_A_CLASS = 50, 10
# A model with more parameters than this times the numbers it learns from can hold them.
SPARE = 10


def size(data, kind, parameters):
    """Yield where the data are too few."""
    if data.rows < ROWS:
        yield (
            f"Only {counted(data.rows, 'row')}, too few: a net learns them by heart, "
            "and what is held back says little."
        )
    classes = None if kind is None else classes_of(data.target, kind)
    if classes is not None and data.rows >= ROWS:
        values, counts = np.unique(classes, return_counts=True)
        rare = values[counts < ROWS_OF_A_CLASS]
        if len(rare):
            yield (
                f"Classes of less than {ROWS_OF_A_CLASS} rows, too few: {len(rare):,} "
                f"of {len(values):,} ({listed(rare)})."
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
            f"{counted(data.rows, 'row')} x {counted(outputs, 'output')}: expect "
            "overfitting; take a smaller model, regularize, or stop early."
        )
