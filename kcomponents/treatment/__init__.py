"""What is tried on a copy of a model: one batch, learning rates, remedies."""

from kcomponents.treatment.overfit_batch import BatchCheck, overfit_batch
from kcomponents.treatment.suggest_learning_rate import (
    RateSuggestion,
    suggest_learning_rate,
)

__all__ = ["BatchCheck", "RateSuggestion", "overfit_batch", "suggest_learning_rate"]
