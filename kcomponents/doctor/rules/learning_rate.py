"""Rules on the learning rate and other settings of the optimizer."""

import math

from kcomponents._text import quantity
from kcomponents.doctor import _remedies
from kcomponents.doctor.diagnosis import Finding

HIGH, LOW = "learning_rate_too_high", "learning_rate_too_low"
SETTING = "wrong_optimizer_setting"
# An update of a kernel relative to its norm: a large one, and one that alone shows that
# the learning rate is too high.
LARGE_UPDATE, HUGE_UPDATE = 0.05, 0.2
# One that shows it even if nothing is known of how well the model does.
SURE_UPDATE = 0.15
# A move of the median kernel in the first epoch that shows the same.
LARGE_MOVE = 5.0
# Kernels that moved by less than this share of their size have hardly been trained, or
# not enough with small updates.
HARDLY_MOVED, MOVED_LITTLE, SMALL_STEPS = 0.05, 0.2, 5e-4
# Updates below these, over the whole run and in each step, hardly change a kernel.
SMALL_CHANGE, SMALL_UPDATE, TINY_UPDATE = 0.05, 2e-4, 2e-5
# Kernels that moved by more than their size were trained at some rate.
MOVED_FAR = 0.5
# A loss that grew by this factor, to either side, has no bound.
RUNAWAY = 100.0
# With fewer steps than these, weights hardly move at any rate.
FEWEST_STEPS = 20
# Distance of kernels that are where they started, the skill of a model that is good all
# the same, and the share of the first loss by which it falls if anything is learned.
STOOD_STILL, WELL, SLIGHTLY = 0.005, 0.8, 0.05
# A loss that falls in this share of at least so many epochs falls smoothly.
SMOOTHLY, SMOOTH_EPOCHS = 0.95, 10
# Setting → the range of values with which optimizers work.
RANGES = {
    "epsilon": (0.0, 0.02),
    "beta_1": (0.0, 0.98),
    "beta_2": (0.6, 1.0),
    "rho": (0.3, 0.9999),
    "momentum": (0.0, 0.985),
    "weight_decay": (0.0, 0.05),
    "ema_momentum": (0.0, 1.0),
}


ADAPTIVE = {"Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "Lamb", "Lion"}


def learning_rate_too_high(case):
    """Find a learning rate so high that steps overshoot the minimum."""
    evidence, rate = [], case.learning_rate
    if not (case.trains_badly or case.unjudged or _leaps(case)):
        return []
    if rate is not None and rate > _typical_rates(case)[1]:
        evidence.append(_rate_sentence(case))
    early = sorted(_update_ratios(case, first=True).values())
    ratio = early[len(early) // 2] if early else 0.0
    if ratio > LARGE_UPDATE:
        evidence.append(_update_sentence(ratio))
    first = _first_move(case) if case.unjudged or not case.trains_badly else 0.0
    if first > LARGE_MOVE:
        evidence.append(
            f"In the first epoch, kernels moved by {first:.2g} times their size."
        )
    jumps = _jumps(case)
    if not jumps and _falls_steadily(case.losses, SMOOTHLY, SMOOTH_EPOCHS):
        # Steps that overshoot make the loss rise now and then.
        return []
    evidence += jumps
    alone = len(evidence) == 1 and not case.nonfinite
    weak = ratio <= SURE_UPDATE and first <= LARGE_MOVE
    if not evidence or alone and case.unjudged and weak:
        return []
    severity = "high" if len(evidence) > 1 else "medium"
    if alone and ratio <= HUGE_UPDATE and first <= LARGE_MOVE:
        severity = "low"
    remedies = _remedies.learning_rate_too_high(case)
    return [Finding(HIGH, "optimizer", tuple(evidence), severity, remedies)]


def _leaps(case):
    """Return whether steps were huge and new data show the harm."""
    skill = case.worst_skill
    gap = 0.0 if case.gap is None else case.gap
    early = sorted(_update_ratios(case, first=True).values())
    rate = case.learning_rate
    huge = bool(early) and early[len(early) // 2] > 2 * HUGE_UPDATE
    huge = huge or _first_move(case) > LARGE_MOVE
    huge = huge and rate is not None and rate > _typical_rates(case)[1]
    known = 1.0 if skill is None else (skill.in_validation or [skill.final])[-1]
    return huge and (gap > 0.15 or case.starts_badly or known < 0.8)


def _first_move(case):
    """Return how far the median kernel moved in the first epoch, by its size."""
    moved = case.readings[0].values.get("moved", {}) if case.readings else {}
    known = [d for path, d in moved.items() if path in case.kernels]
    known = sorted(d for d in known if math.isfinite(d))
    return known[len(known) // 2] if known else 0.0


def _jumps(case):
    """Return sentences on losses that jump, rise or become NaN."""
    losses = [loss for loss in case.losses if math.isfinite(loss)]
    starts = [
        loss for loss in (case.history("batch_loss_min")[:1]) if math.isfinite(loss)
    ]
    largest = [loss for loss in case.history("batch_loss_max") if math.isfinite(loss)]
    evidence = []
    before = case.untrained_loss
    if before and largest and max(largest) > 20 * before:
        evidence.append(
            f"The loss of a batch jumped to {max(largest):.3g}, from {before:.3g} "
            "before training."
        )
    elif len(losses) > 1 and abs(losses[-1]) > RUNAWAY * max(abs(losses[0]), 1.0):
        evidence.append(f"The loss ran away from {losses[0]:.3g} to {losses[-1]:.3g}.")
    elif len(losses) > 1 and losses[-1] > 1.5 * losses[0] > 0:
        evidence.append(f"The loss rose from {losses[0]:.3g} to {losses[-1]:.3g}.")
    elif case.nonfinite and _lost_at_first(case) and not starts:
        evidence.append("Loss or weights became NaN or infinite in the first epoch.")
    return evidence


def _lost_at_first(case):
    """Return whether the loss or a weight was not finite in the first epoch."""
    norms = case.readings[0].values.get("weight_norm", {}) if case.readings else {}
    return not all(map(math.isfinite, [*case.losses[:1], *norms.values()]))


def learning_rate_too_low(case):
    """Find a learning rate so low that weights hardly change."""
    if case.unjudged and not case.nonfinite:
        return _hardly_moved(case)
    if case.nonfinite or not case.steps:
        return []
    if not case.trains_badly:
        return _stands_still(case)
    evidence = _low_rate(case)
    # The kernel that changes most: others may just get a small gradient.
    ratio = max(_update_ratios(case).values(), default=math.inf)
    if ratio == 0:
        # Without a gradient no learning rate helps.
        return []
    if ratio < SMALL_UPDATE and ratio * case.steps < SMALL_CHANGE:
        evidence.append(
            f"In {quantity(case.steps, 'step')}, kernels changed by at most "
            f"{100 * ratio * case.steps:.2g}% of their norm."
        )
    elif ratio < TINY_UPDATE:
        evidence.append(_update_sentence(ratio))
    if max(map(_finite_or_zero, case.movement.values()), default=0.0) > MOVED_FAR:
        # As when a trained model is trained on with small steps.
        return []
    if evidence and _falls_steadily(case.losses):
        evidence.append("The loss falls steadily but very slowly.")
    if not evidence:
        return []
    severity = "high" if len(evidence) > 1 else "medium"
    remedies = _remedies.learning_rate_too_low(case)
    return [Finding(LOW, "optimizer", tuple(evidence), severity, remedies)]


def _stands_still(case):
    """Find a model that is where it started, though simple models are no better."""
    moved = max(map(_finite_or_zero, case.movement.values()), default=math.inf)
    evidence = _low_rate(case)
    if not evidence or moved > STOOD_STILL or case.batches < FEWEST_STEPS:
        return []
    # A trained model may need no more than small steps.
    well = case.worst_skill is None or case.worst_skill.final > WELL
    if well or len(case.losses) < 2 or case.loss_fell(SLIGHTLY):
        return []
    evidence.append(_moved_sentence(case, moved))
    remedies = _remedies.learning_rate_too_low(case)
    return [Finding(LOW, "optimizer", tuple(evidence), "high", remedies)]


def _low_rate(case):
    """Return a list with a sentence on a learning rate below the typical ones."""
    rate = case.learning_rate
    low = rate is not None and 0 < rate < _typical_rates(case)[0]
    return [_rate_sentence(case)] if low else []


def _moved_sentence(case, moved):
    return (
        f"In {quantity(case.batches, 'step')}, no kernel moved by more than "
        f"{moved:.2g} of its size."
    )


def _finite_or_zero(number):
    return number if math.isfinite(number) else 0.0


def _hardly_moved(case):
    """Find a rate that is too low by the weights alone."""
    # A kernel that starts at 0 moves by infinity.
    finite = [d for d in case.movement.values() if math.isfinite(d)]
    if not finite:
        return _loss_stands_still(case)
    moved = max(finite)
    ratios, low = _update_ratios(case).values(), _low_rate(case)
    # Where no step was watched, the rate itself must speak for small steps.
    small = max(ratios) < SMALL_STEPS if ratios else bool(low)
    small &= moved < MOVED_LITTLE and not case.loss_fell(0.25)
    if not (0 < moved < HARDLY_MOVED or small) or case.batches < FEWEST_STEPS:
        return []
    evidence = [_moved_sentence(case, moved), *low]
    severity = "high" if len(evidence) > 1 or moved < HARDLY_MOVED else "medium"
    remedies = _remedies.learning_rate_too_low(case)
    return [Finding(LOW, "optimizer", tuple(evidence), severity, remedies)]


def _loss_stands_still(case):
    """Find a low rate with which the loss hardly falls; no kernel was compared."""
    evidence, losses = _low_rate(case), case.losses
    if not evidence or len(losses) < 3 or case.batches < FEWEST_STEPS:
        return []
    if case.loss_fell(SLIGHTLY) or not losses[0]:
        return []
    evidence.append(f"The loss only went from {losses[0]:.4g} to {losses[-1]:.4g}.")
    remedies = _remedies.learning_rate_too_low(case)
    return [Finding(LOW, "optimizer", tuple(evidence), "medium", remedies)]


def _update_ratios(case, *, first=False):
    """Return the update ratio of each kernel, in the first epochs or overall."""
    found = {}
    for path in case.kernels:
        ratios = [r for r in case.history("update_ratio", path) if math.isfinite(r)]
        if ratios:
            found[path] = max(ratios[:2]) if first else sum(ratios) / len(ratios)
    return found


def _falls_steadily(losses, share=0.8, epochs=3):
    """Return whether the loss falls from epoch to epoch, in this share of them."""
    if len(losses) < epochs or not all(map(math.isfinite, losses)):
        return False
    falls = sum(b < a for a, b in zip(losses, losses[1:], strict=False))
    return falls >= share * (len(losses) - 1)


def _typical_rates(case):
    """Return the range of learning rates with which the optimizer works."""
    kind = case.optimizer.get("class")
    if kind == "SGD":
        momentum = (case.optimizer.get("config") or {}).get("momentum") or 0.0
        scale = 1 - min(momentum, 0.99)
        return 1e-3 * scale, 0.6 * scale
    return {"Adadelta": (0.05, 2.0), "Adagrad": (2e-3, 0.5)}.get(kind, (5e-5, 0.025))


def _rate_sentence(case):
    kind = case.optimizer.get("class", "the optimizer")
    low, high = (f"{bound:.2g}" for bound in _typical_rates(case))
    return (
        f"The learning rate of {kind} is {case.learning_rate:.3g} (typical: {low} to "
        f"{high})."
    )


def _update_sentence(ratio):
    return (
        f"Each step changes kernels by {100 * ratio:.2g}% of their norm (typical: "
        "0.1%)."
    )


def wrong_optimizer_setting(case):
    """Find optimizer settings that prevent learning."""
    config = case.optimizer.get("config") or {}
    evidence, sure = [], False
    if case.learning_rate is not None and case.learning_rate <= 0:
        evidence.append(
            f"The learning rate is {case.learning_rate:.3g}; it must be above 0."
        )
        sure = True
    momentum = config.get("momentum")
    if isinstance(momentum, float) and momentum >= 1:
        evidence.append(
            f"The momentum is {momentum:.3g}; it must be below 1, or steps grow "
            "without bound."
        )
        sure = True
    betas = [config.get(name) for name in ("beta_1", "beta_2")]
    known = [beta for beta in betas if isinstance(beta, float)]
    if len(known) == 2 and known[0] > known[1] + 0.02:
        evidence.append(
            f"beta_1 is {known[0]:.4g} and beta_2 {known[1]:.4g}, as if they were "
            "exchanged: the mean of the gradients then lags behind their size."
        )
        sure = True
    batches = sum(case.history("batches"))
    window = case.structure.get("gradient_accumulation_steps") or 1
    if batches and not case.steps and window > 1:
        evidence.append(
            f"The optimizer made no step in {batches:.0f} batches: "
            f"`gradient_accumulation_steps` is {window}."
        )
        sure = True
    bounds = []
    if case.may_train_badly:
        evidence += _out_of_range(config)
        tight = dict(_tight_clipping(case))
        bounds = [*tight] if not evidence else []
        evidence += tight.values()
        evidence += _early_decay(case, config)
    if not evidence:
        return []
    severity = "high" if sure or case.trains_badly else "medium"
    remedies = _remedies.wrong_optimizer_setting(case, bounds)
    return [Finding(SETTING, "optimizer", tuple(evidence), severity, remedies)]


def _out_of_range(config):
    """Yield sentences on settings with which optimizers hardly work."""
    for name, (low, high) in RANGES.items():
        value = config.get(name)
        if isinstance(value, float | int) and not low <= value < high:
            limit = f"at least {low}" if value < low else f"below {high}"
            yield f"The optimizer's {name} is {value:.4g}; it should be {limit}."


def _tight_clipping(case):
    """Yield name and sentence for bounds far below the gradients that they clip.

    Steps of an adaptive optimizer do not depend on the size of gradients, until its
    `epsilon` is no longer small beside them.
    """
    norms = [n for n in case.history("gradient_norm") if math.isfinite(n)]
    median = sorted(norms)[len(norms) // 2] if norms else 0.0
    adaptive = case.optimizer.get("class") in ADAPTIVE
    epsilon = (case.optimizer.get("config") or {}).get("epsilon") or 0.0
    size = math.sqrt(sum(map(math.prod, case.kernels.values())) or 1)
    for name, bound in (case.optimizer.get("clip") or {}).items():
        if not isinstance(bound, float | int) or bound >= 0.01 * median:
            continue
        per_weight = bound if name == "clipvalue" else bound / size
        if adaptive and per_weight > 10 * epsilon:
            continue
        yield (
            name,
            f"The optimizer's {name} is {bound:.3g}, far below the median gradient "
            f"norm of {median:.3g}.",
        )


def _early_decay(case, config):
    """Yield a sentence on a schedule that decays long before the run ends."""
    schedule = config.get("learning_rate")
    settings = schedule.get("config") or {} if isinstance(schedule, dict) else {}
    decay_steps, rate = settings.get("decay_steps"), settings.get("decay_rate")
    if not decay_steps or not case.steps:
        return
    if rate is None:
        early = case.steps > 3 * decay_steps
    else:
        decays = case.steps / decay_steps
        early = rate < 1 and decays * -math.log(max(rate, 1e-9)) > 8
    if early:
        yield (
            "The learning rate schedule decays too early: decay_steps is "
            f"{decay_steps}, but the run has {case.steps} steps."
        )
