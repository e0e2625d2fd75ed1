"""The plots of a search, a module for each kind."""

from kcomponents.tuning._telling.panels.cells import interaction_map
from kcomponents.tuning._telling.panels.curves import learning_curves
from kcomponents.tuning._telling.panels.gains import gain_panels, importance_panels
from kcomponents.tuning._telling.panels.strips import distribution_panels

__all__ = [
    "distribution_panels",
    "gain_panels",
    "importance_panels",
    "interaction_map",
    "learning_curves",
]
