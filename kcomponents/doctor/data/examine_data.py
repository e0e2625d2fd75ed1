"""examine_data: find problems in the data before training."""

import numbers
from typing import Any

import numpy as np

from kcomponents._checks import fail, positive_int
from kcomponents._scoring.features import digests
from kcomponents.doctor.data.arrays import kind_of, read_pair
from kcomponents.doctor.data.baselines import baseline as baseline_scores
from kcomponents.doctor.data.baselines import neighbors
from kcomponents.doctor.data.findings import diagnosis
from kcomponents.doctor.data.rows import (
    conflicts,
    leakage,
    order,
    size,
    unlike_inputs,
    unlike_labels,
)
from kcomponents.doctor.data.targets import labels
from kcomponents.doctor.data.values import (
    columns,
    finite_rows,
    not_finite,
    scale,
    skip_note,
)
from kcomponents.doctor.diagnosis import Diagnosis, Finding


def examine_data(
    x: Any,
    y: Any = None,
    *,
    validation_data: tuple[Any, Any] | list[Any] | None = None,
    parameters: int | None = None,
    baseline: bool = True,
    seed: int = 0,
) -> Diagnosis:
    """Find problems in the data before training.

    A finding is a problem unless the model solves it: NaN, a single label, inputs that
    are too large for a model that does not normalize them, identical inputs with
    different labels, validation samples that are also in the training data. A finding
    on the scale of inputs or targets has the label, the severity and the remedies that
    `examine` gives for the same data if training goes badly. Pixels and ids get a note,
    since most models rescale or embed them.

    Everything else is a note: the number of samples compared with the parameters,
    columns that are constant, duplicated or leak the target, label encoding and class
    balance, whether neighboring inputs correlate (which convolutions need), and the
    scores of simple models.

    The data is not changed. NaN, duplicates and leakage are checked in all samples,
    columns in a random sample of up to 20,000, simple models in up to 5,000 samples and
    500 columns.

    Args:
        x: Inputs of shape `(samples, ...)`: an array, or anything that `numpy.asarray`
            accepts; or a list, tuple or dict of several inputs. The last axis holds the
            columns, or the channels of images.
        y: Optional targets: integer labels, one-hot rows, rows of 0 and 1 for several
            labels per sample, or floats for a regression. Defaults to `None`.
        validation_data: Optional pair `(x, y)` with the same shapes per sample.
            Defaults to `None`.
        parameters: Optional integer, the number of trainable parameters of the planned
            model. Defaults to `None`.
        baseline: Boolean, whether to fit simple models with scikit-learn. Defaults to
            `True`.
        seed: Integer of at least 0, the seed of the random samples. Defaults to `0`.

    Returns:
        `Diagnosis` with the verdict `"inconsistent"` and one to three findings, or
        `"healthy"` and none; both with notes.

    Raises:
        ValueError: If an input or target is not an array of real numbers, if the
            numbers of samples differ, if training and validation data have different
            shapes, or if `parameters` or `seed` is out of range.

    Example:
        >>> import numpy as np
        >>> from kcomponents.doctor import examine_data
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> x[5, 1] = np.nan
        >>> print(examine_data(x, x[:, :1] > 0, baseline=False).findings[0])
        loss_nan (x): x contains NaN or infinity: 1 NaN, in 1 of 200 samples (sample
        5; position 1).

    References:
        - Kaufman et al., "Leakage in Data Mining: Formulation, Detection, and
          Avoidance", 2012, https://doi.org/10.1145/2382577.2382579
        - LeCun, Bengio, "Convolutional Networks for Images, Speech, and Time Series",
          1995: convolutions need neighbors that correlate.
    """
    training, validation = read_pair(x, y, validation_data)
    if parameters is not None:
        parameters = positive_int("parameters", parameters)
    whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not whole or seed < 0:
        fail("`seed` must be an integer of at least 0.", seed=seed)
    results = [*not_finite(training)]
    if validation is not None:
        results += not_finite(validation)
        validation = finite_rows(validation)
    finite = finite_rows(training)
    if finite is None:
        return diagnosis([*results, skip_note(training)])
    results += _checks(finite, validation, parameters, baseline, int(seed))
    return diagnosis(results)


def _checks(training, validation, parameters, baseline, seed):
    """Yield findings and notes on finite data."""
    generator = np.random.default_rng(seed)
    kind = None if training.target is None else kind_of(training.target)
    keys = digests(training.inputs.values())
    sample = training.sample(generator)
    yield from size(training, kind, parameters)
    if kind is not None:
        yield from labels(training, kind)
    yield from conflicts(training, keys, kind, generator)
    if validation is None:
        yield from order(training, kind)
    else:
        results = _validation_checks(training, validation, keys, kind, generator)
        yield from results
        # Scores on validation data with a finding would be misleading.
        if any(isinstance(result, Finding) for result in results):
            validation = None
    yield from scale(sample)
    yield from columns(training, sample, kind)
    yield from neighbors(training, generator)
    if baseline:
        yield from baseline_scores(training, validation, kind, seed)


def _validation_checks(training, validation, keys, kind, generator):
    """Return findings and notes on how the validation data differs."""
    samples = training.sample(generator), validation.sample(generator)
    return [
        *leakage(training, validation, keys, generator),
        *unlike_labels(training, validation, kind),
        *unlike_inputs(*samples),
    ]
