"""What is tried on a copy of a model: one batch, learning rates, remedies."""

from kcomponents.treatment.apply import apply
from kcomponents.treatment.overfit_batch import BatchCheck, overfit_batch
from kcomponents.treatment.suggest_learning_rate import (
    RateSuggestion,
    suggest_learning_rate,
)
from kcomponents.treatment.treat import treat
from kcomponents.treatment.trials import Change, Treatment, Trial

__all__ = [
    "BatchCheck",
    "Change",
    "RateSuggestion",
    "Treatment",
    "Trial",
    "apply",
    "overfit_batch",
    "suggest_learning_rate",
    "treat",
]
