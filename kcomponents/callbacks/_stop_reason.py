"""StopReason: why a training ended."""

import enum


class StopReason(enum.Enum):
    """Why a training ended, as `EarlyStopping` knows it.

    Example:
        >>> from kcomponents.callbacks import StopReason
        >>> StopReason.CRITERION.value
        'no better score'
    """

    END = "all epochs were done"
    CRITERION = "no better score"
    THRESHOLD = "the score is good enough"
    DIVERGED = "the score is too bad"
    NOT_FINITE = "the score is not finite"
    TIME = "the time is up"
    OTHER = "something else ended training"
    INTERRUPTED = "training was interrupted"
