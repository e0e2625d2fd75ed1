"""The plots of a report, and the choice of one for a finding."""

from kcomponents.report._panels.curves import loss_curves, metric_curves
from kcomponents.report._panels.heat_map import gradient_map
from kcomponents.report._panels.of_layers import (
    dead_shares,
    saturated_shares,
    update_ratios,
    weight_norms,
)

PANELS = {
    "loss": loss_curves,
    "metrics": metric_curves,
    "gradients": gradient_map,
    "dead": dead_shares,
    "saturated": saturated_shares,
    "updates": update_ratios,
    "weights": weight_norms,
}
# Label of a finding → the plots that show it, the best first; the default is loss.
SHOWN_BY = {
    "bad_initialization": ("gradients", "weights"),
    "class_imbalance": ("metrics",),
    "dead_relu": ("dead", "gradients"),
    "exploding_gradient": ("gradients",),
    "learning_rate_too_high": ("updates",),
    "learning_rate_too_low": ("updates",),
    "over_regularized": ("weights",),
    "saturated_activation": ("saturated", "gradients"),
    "slow_learning": ("updates",),
    "vanishing_gradient": ("gradients",),
    "wrong_optimizer_setting": ("updates",),
}


def panels_of(record):
    """Return all panels that the record has numbers for."""
    return [
        panel
        for kind, make in PANELS.items()
        for panel in make(record, "", f"all-{kind}")
    ]


def panel_for(record, finding, number):
    """Return the panel for a finding, with its layer highlighted, or None.

    `number` is the finding's number on the page, which keeps ids unique.
    """
    for kind in (*SHOWN_BY.get(finding.label, ()), "loss"):
        found = PANELS[kind](record, finding.where, f"finding{number}-{kind}")
        if found:
            return found[0]
    return None
