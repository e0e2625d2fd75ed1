"""StopReason: why training ended."""

import enum


class StopReason(enum.Enum):
    """Why training ended, as found by `EarlyStopping`.

    - `END`: all epochs are finished.
    - `CRITERION`: the criterion stopped training, for example after `patience` epochs
      without improvement.
    - `THRESHOLD`: the score is better than `stopping_threshold`.
    - `DIVERGED`: the score is worse than `divergence_threshold`.
    - `NOT_FINITE`: the score is NaN or infinite.
    - `TIME`: `max_seconds` have passed.
    - `OTHER`: another callback stopped training.
    - `INTERRUPTED`: an exception or Ctrl-C ended training within `EarlyStopping.guard`.

    Example:
        >>> from kcomponents.callbacks import StopReason
        >>> StopReason.CRITERION.value
        'no improvement'
    """

    END = "finished all epochs"
    CRITERION = "no improvement"
    THRESHOLD = "passed the stopping threshold"
    DIVERGED = "passed the divergence threshold"
    NOT_FINITE = "the score is NaN or infinite"
    TIME = "the time limit was reached"
    OTHER = "another callback stopped training"
    INTERRUPTED = "training was interrupted"
