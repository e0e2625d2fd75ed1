"""What all files of this half share: hidden layers by the settings, and splits."""

import keras

from tests.doctor.bench.program import Data


def hidden(settings):
    """Return the options of a hidden layer with a kernel."""
    penalty = settings.penalty
    return {
        "activation": settings.activation,
        "kernel_initializer": settings.kernel_initializer or "glorot_uniform",
        "kernel_regularizer": keras.regularizers.L2(penalty) if penalty else None,
    }


def split(part, train, validation):
    """Return data whose first rows are for training, and the next for validation."""
    end = train + validation
    return Data(
        part.rows(slice(0, train)),
        part.rows(slice(train, end)) if validation else None,
        part.rows(slice(end, None)),
    )
