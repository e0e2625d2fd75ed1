"""Rule on the gap between training and validation data."""

import math

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_nets


def overfitting(case):
    """Find a validation error that keeps rising or is far above the training error."""
    losses = case.val_losses
    if len(losses) < 3 or case.nonfinite or not all(map(math.isfinite, losses)):
        return []
    best = min(losses)
    since = len(losses) - 1 - losses.index(best)
    rose = losses[-1] / best if best > 0 else 1.0
    rises = rose > 1.3 and since >= max(3, len(losses) // 5)
    gap = case.gap
    if gap is None:
        apart = losses[-1] / case.losses[-1] if case.losses[-1] > 0 else 1.0
        harm = rose > 1.5 and apart > 3 and since >= 3
    else:
        harm = gap > 0.35 or (gap > 0.2 and rises)
    if not harm:
        return []
    evidence = [
        f"The validation loss is {losses[-1]:.3g}, the training loss "
        f"{case.losses[-1]:.3g}.",
        f"The validation loss was lowest in epoch {losses.index(best) + 1}: "
        f"{best:.3g}.",
    ]
    if gap is not None:
        evidence.append(
            f"{gap:.0%} of the improvement over a constant prediction is lost on "
            "validation data."
        )
    remedies = _for_nets.overfitting()
    return [Finding("overfitting", "", tuple(evidence), "high", remedies)]
