"""Rules on what differs between training, inference and new data."""

import math

from kcomponents.doctor import _remedies
from kcomponents.doctor.diagnosis import Finding

GAP = "train_inference_gap"
# A gap between training and validation skill that is a finding: alone, or if the
# validation loss rose by this factor since its best.
SURE_GAP, GAP_WITH_RISE, RISE = 0.42, 0.2, 1.3
# Layers whose work in inference depends on averages, and those that change the data.
AVERAGING, CHANGING = ("BatchNormalization",), ("Random", "Gaussian")


def train_inference_gap(case):
    """Find a model that does well in training mode only, on the same samples."""
    if case.nonfinite or len(case.outputs) != 1 or not case.skills:
        return []
    [skill] = case.skills
    averaging = case.layers_of(*AVERAGING)
    changing = [la for la in case.layers if la["class"].startswith(CHANGING)]
    inference = skill.in_inference
    if inference is None or not (averaging or changing):
        return []
    if not case.differs_in_inference:
        return []
    evidence = [
        f"In training mode the model gets {skill.in_training:.0%} of the way to zero "
        f"error, in inference mode {max(inference, 0):.0%} on the same data."
    ]
    if averaging:
        evidence.append(
            f"Layer {averaging[0]['path']} uses moving averages in inference, which "
            "have not settled or belong to other data."
        )
    else:
        evidence.append(
            f"Layer {changing[0]['path']} changes the data in training only, so far "
            "that what is learned does not hold for the data as it is."
        )
    where = (averaging or changing)[0]["path"]
    remedies = _remedies.train_inference_gap(case, bool(averaging))
    return [Finding(GAP, where, tuple(evidence), "high", remedies)]


def overfitting(case):
    """Find a validation error that keeps rising or is far above the training error."""
    losses = case.val_losses
    if len(losses) < 3 or case.nonfinite or not all(map(math.isfinite, losses)):
        return []
    best = min(losses)
    since = len(losses) - 1 - losses.index(best)
    rose = losses[-1] / best if best > 0 else 1.0
    rises = rose > RISE and since >= max(3, len(losses) // 5)
    gap = case.gap
    if gap is None:
        # Keras weights the training loss by class, and the validation loss not.
        comparable = case.losses[-1] > 0 and not case.fit.get("class_weight")
        apart = losses[-1] / case.losses[-1] if comparable else 1.0
        overfits = rose > 1.5 and apart > 3 and since >= 3
    else:
        overfits = gap > SURE_GAP or (gap > GAP_WITH_RISE and rises)
    if not overfits:
        return []
    evidence = [
        f"The validation loss is {losses[-1]:.3g}, the training loss "
        f"{case.losses[-1]:.3g}.",
        f"The validation loss was lowest in epoch {losses.index(best) + 1}, at "
        f"{best:.3g}.",
    ]
    if gap is not None:
        evidence.append(
            f"{gap:.0%} of the improvement over a constant prediction is lost on "
            "validation data."
        )
    remedies = _remedies.overfitting(case)
    return [Finding("overfitting", "", tuple(evidence), "high", remedies)]
