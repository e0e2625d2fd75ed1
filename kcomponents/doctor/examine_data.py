"""examine_data: what will make a training bad, seen before it begins."""

import numbers
from typing import Any

import numpy as np

from kcomponents._check import fail, positive_int
from kcomponents.doctor._data_baseline import baseline as baseline_scores
from kcomponents.doctor._data_columns import columns
from kcomponents.doctor._data_findings import diagnosis
from kcomponents.doctor._data_finite import finite_rows, not_finite, skipped
from kcomponents.doctor._data_labels import labels
from kcomponents.doctor._data_neighbors import neighbors
from kcomponents.doctor._data_pair import read_pair
from kcomponents.doctor._data_rows import conflicts, digests, leakage
from kcomponents.doctor._data_scale import scale
from kcomponents.doctor._data_size import size
from kcomponents.doctor._data_split import order, unlike_inputs, unlike_labels
from kcomponents.doctor._data_target import kind_of
from kcomponents.doctor._finding import Diagnosis


def examine_data(
    x: Any,
    y: Any = None,
    *,
    validation_data: tuple[Any, Any] | list[Any] | None = None,
    parameters: int | None = None,
    baseline: bool = True,
    seed: int = 0,
) -> Diagnosis:
    """Say what will make a training on these data bad, before it begins.

    A finding is what does harm whatever the model: NaN, one label only, inputs of
    10,000 and more, identical inputs with different labels, validation rows that stand
    in the training data. Notes are the rest: size against parameters, scale, columns
    that are constant, repeated or the target itself, how labels are written and how
    often each occurs, whether neighboring inputs correlate, so that convolutions are
    of use, and what simple models reach.

    Nothing is changed. NaN, duplicates and leakage are looked for in all rows, columns
    in up to 20,000, the simple models in up to 5,000 rows and 500 columns, drawn at
    random.

    Args:
        x: Inputs: an array, anything `numpy.asarray` understands, with the rows first;
            or a list, tuple or dict of several. In tables and sequences the last axis
            are the columns.
        y: Optional targets: integer labels, one-hot rows, rows of 0 and 1 for several
            labels, or floats for amounts. Defaults to `None`, inputs only.
        validation_data: Optional pair `(x, y)` of the same form. Defaults to `None`.
        parameters: Optional integer, trainable parameters of the model in mind.
            Defaults to `None`.
        baseline: Boolean, whether to fit simple models, with scikit-learn. Defaults to
            `True`.
        seed: Integer of at least 0, for what is drawn at random. Defaults to 0.

    Returns:
        A `Diagnosis`: `"inconsistent"` with one to three findings, or `"healthy"`.

    Raises:
        ValueError: If something is not an array of real numbers, numbers of rows
            differ, training and validation rows have different forms, or `parameters`
            or `seed` is out of range.

    Example:
        >>> import numpy as np
        >>> from kcomponents.doctor import examine_data
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> x[5, 1] = np.nan
        >>> print(examine_data(x, x[:, :1] > 0, baseline=False).findings[0])
        loss_nan (x): x is not finite: 1 NaN, in 1 row of 200 (rows 5; ...1).

    References:
        - Kaufman et al., "Leakage in Data Mining: Formulation, Detection, and
          Avoidance", 2012, https://doi.org/10.1145/2382577.2382579
        - LeCun, Bengio, "Convolutional Networks for Images, Speech, and Time Series",
          1995: why neighbors that correlate matter.
    """
    training, validation = read_pair(x, y, validation_data)
    if parameters is not None:
        parameters = positive_int("parameters", parameters)
    whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not whole or seed < 0:
        fail("`seed` must be an integer of at least 0.", seed=seed)
    said = [*not_finite(training)]
    if validation is not None:
        said += not_finite(validation)
        validation = finite_rows(validation)
    finite = finite_rows(training)
    if finite is None:
        return diagnosis([*said, skipped(training)])
    said += _said(finite, validation, parameters, baseline, int(seed))
    return diagnosis(said)


def _said(training, validation, parameters, baseline, seed):
    """Yield findings and notes on data that are finite."""
    generator = np.random.default_rng(seed)
    kind = None if training.target is None else kind_of(training.target)
    keys = digests(training.inputs.values())
    sample = training.some(generator)
    yield from size(training, kind, parameters)
    if kind is not None:
        yield from labels(training, kind)
    yield from conflicts(training, keys, kind, generator)
    if validation is None:
        yield from order(training, kind)
    else:
        yield from (apart := _apart(training, validation, keys, kind, generator))
        # Scores on rows that do not suit say nothing.
        validation = validation if all(isinstance(a, str) for a in apart) else None
    yield from scale(sample)
    yield from columns(training, sample, kind)
    yield from neighbors(training, generator)
    if baseline:
        yield from baseline_scores(training, validation, kind, seed)


def _apart(training, validation, keys, kind, generator):
    """Return findings and notes on how validation data differ."""
    samples = training.some(generator), validation.some(generator)
    return [
        *leakage(training, validation, keys, generator),
        *unlike_labels(training, validation, kind),
        *unlike_inputs(*samples),
    ]
