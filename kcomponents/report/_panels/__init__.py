"""The plots of a report: a module for each kind, and the choice for a finding."""

from kcomponents.report._panels.choice import panel_for, panels_of
from kcomponents.report._panels.runs import runs_panels

__all__ = ["panel_for", "panels_of", "runs_panels"]
