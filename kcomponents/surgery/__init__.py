"""Surgery on trained models: remove inactive units, or reinitialize them."""

from kcomponents.surgery.prune import prune
from kcomponents.surgery.revive import revive

__all__ = ["prune", "revive"]
