"""Units that do nothing: take them out of a trained model, or give them a new start."""

from kcomponents.surgery.prune import prune
from kcomponents.surgery.revive import revive

__all__ = ["prune", "revive"]
