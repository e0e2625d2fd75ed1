"""Rules on the learning rate and other settings of the optimizer."""

import math

from kcomponents._text import counted
from kcomponents.doctor import _remedies
from kcomponents.doctor.diagnosis import Finding

HIGH, LOW = "learning_rate_too_high", "learning_rate_too_low"
SETTING = "wrong_optimizer_setting"
# Optimizers whose usual learning rates differ from those of Adam.
PLAIN = {"SGD"}
SLOW_BY_DEFAULT = {"Adadelta", "Adagrad"}


def usual_rates(case):
    """Return the lowest and the highest usual learning rate of the optimizer."""
    kind = case.optimizer.get("class")
    if kind in PLAIN:
        momentum = (case.optimizer.get("config") or {}).get("momentum") or 0.0
        left = 1 - min(momentum, 0.99)
        return 1e-3 * left, 0.6 * left
    if kind in SLOW_BY_DEFAULT:
        return (0.05, 2.0) if kind == "Adadelta" else (2e-3, 0.5)
    return 5e-5, 0.025


def learning_rate_too_high(case):
    """Find a learning rate so high that steps overshoot the minimum."""
    if not case.harm:
        return []
    evidence, rate = [], case.rate
    if rate is not None and rate > usual_rates(case)[1]:
        evidence.append(_unusual_rate(case))
    early = sorted(_ratios(case, first=True).values())
    ratio = early[len(early) // 2] if early else None
    if ratio is not None and ratio > 0.05:
        evidence.append(_update(ratio))
    evidence += _leaps(case)
    if not evidence:
        return []
    if len(evidence) < 2 and not (ratio and ratio > 0.2) and not case.nonfinite:
        severity = "low"
    else:
        severity = "high" if len(evidence) > 1 else "medium"
    return [
        Finding(
            HIGH, "optimizer", tuple(evidence), severity, _remedies.lower_rate(case)
        )
    ]


def _leaps(case):
    """Return sentences on losses that jump, rise or become NaN."""
    losses = [loss for loss in case.losses if math.isfinite(loss)]
    starts = [loss for loss in (case.over("batch_loss_min")[:1]) if math.isfinite(loss)]
    largest = [loss for loss in case.over("batch_loss_max") if math.isfinite(loss)]
    evidence = []
    begin = _before(case)
    if begin and largest and max(largest) > 20 * begin:
        evidence.append(
            f"The loss of a batch jumped to {max(largest):.3g}, from {begin:.3g} "
            "before training."
        )
    elif len(losses) > 1 and losses[-1] > 1.5 * losses[0] > 0:
        evidence.append(f"The loss rose from {losses[0]:.3g} to {losses[-1]:.3g}.")
    elif case.nonfinite and not starts:
        evidence.append("The loss became NaN or infinite within the first epoch.")
    return evidence


def _before(case):
    """Return the loss of the sample before training, if it is known."""
    found = case.before[0].values.get("sample_loss", {}) if case.before else {}
    return next(iter(found.values()), None) if len(found) == 1 else None


def learning_rate_too_low(case):
    """Find a learning rate so low that weights hardly change."""
    if not case.harm or case.nonfinite or not case.steps:
        return []
    evidence, rate = [], case.rate
    low = rate is not None and 0 < rate < usual_rates(case)[0]
    if low:
        evidence.append(_unusual_rate(case))
    # The kernel that changes most: others may just get a small gradient.
    ratio = max(_ratios(case).values(), default=None)
    if ratio == 0:
        # Without a gradient no learning rate helps.
        return []
    if ratio is not None and ratio < 2e-4 and ratio * case.steps < 0.05:
        evidence.append(
            f"In {counted(case.steps, 'step')}, kernels changed by at most "
            f"{100 * ratio * case.steps:.2g}% of their norm."
        )
    elif ratio is not None and ratio < 2e-5:
        evidence.append(_update(ratio))
    falls = _falls_steadily(case.losses)
    if evidence and falls:
        evidence.append("The loss falls steadily but very slowly.")
    if not evidence:
        return []
    severity = "high" if len(evidence) > 1 else "medium"
    return [
        Finding(LOW, "optimizer", tuple(evidence), severity, _remedies.raise_rate(case))
    ]


def _ratios(case, first=False):
    """Return the update ratio of each kernel, in the first epochs or overall."""
    found = {}
    for path in case.kernels:
        ratios = [r for r in case.over("update_ratio", path) if math.isfinite(r)]
        if ratios:
            found[path] = max(ratios[:2]) if first else sum(ratios) / len(ratios)
    return found


def _falls_steadily(losses):
    if len(losses) < 3 or not all(map(math.isfinite, losses)):
        return False
    falls = sum(b < a for a, b in zip(losses, losses[1:], strict=False))
    return falls >= 0.8 * (len(losses) - 1)


def wrong_optimizer_setting(case):
    """Find optimizer settings that prevent learning."""
    config = case.optimizer.get("config") or {}
    evidence, sure = [], False
    if case.rate is not None and case.rate <= 0:
        evidence.append(f"The learning rate is {case.rate:.3g}; it must be above 0.")
        sure = True
    momentum = config.get("momentum")
    if isinstance(momentum, float) and momentum >= 1:
        evidence.append(
            f"The momentum is {momentum:.3g}; it must be below 1, or steps grow "
            "without bound."
        )
        sure = True
    batches = sum(case.over("batches"))
    window = case.structure.get("gradient_accumulation_steps") or 1
    if batches and not case.steps and window > 1:
        evidence.append(
            f"The optimizer made no step in {batches:.0f} batches: "
            f"`gradient_accumulation_steps` is {window}."
        )
        sure = True
    if case.harm:
        evidence += _unusual(case, config)
    if not evidence:
        return []
    severity = "high" if sure or case.harm else "medium"
    remedies = _remedies.optimizer_defaults(case)
    return [Finding(SETTING, "optimizer", tuple(evidence), severity, remedies)]


def _unusual(case, config):
    evidence = []
    bounds = {
        "epsilon": (0.0, 0.02),
        "beta_1": (0.0, 0.98),
        "beta_2": (0.6, 1.0),
        "rho": (0.3, 0.9999),
        "momentum": (0.0, 0.985),
        "weight_decay": (0.0, 0.05),
        "ema_momentum": (0.0, 1.0),
    }
    for name, (low, high) in bounds.items():
        value = config.get(name)
        if isinstance(value, float | int) and not low <= value < high:
            usual = f"at least {low}" if value < low else f"below {high}"
            evidence.append(f"The optimizer's {name} is {value:.4g} (usual: {usual}).")
    norms = [n for n in case.over("gradient_norm") if math.isfinite(n)]
    median = sorted(norms)[len(norms) // 2] if norms else 0.0
    for name, bound in (case.optimizer.get("clip") or {}).items():
        if isinstance(bound, float | int) and bound < 0.01 * median:
            evidence.append(
                f"The optimizer's {name} is {bound:.3g}, far below the median gradient "
                f"norm of {median:.3g}."
            )
    schedule = config.get("learning_rate")
    if isinstance(schedule, dict) and _ends_early(schedule, case.steps):
        decay = (schedule.get("config") or {}).get("decay_steps")
        evidence.append(
            f"The learning rate schedule decays too early: decay_steps is {decay}, but "
            f"the run has {case.steps} steps."
        )
    return evidence


def _ends_early(schedule, steps):
    settings = schedule.get("config") or {}
    given = settings.get("decay_steps")
    rate = settings.get("decay_rate")
    if not given or not steps:
        return False
    if rate is not None and rate < 1:
        return (steps / given) * -math.log(max(rate, 1e-9)) > 8
    return rate is None and steps > 3 * given


def _update(ratio):
    return (
        f"Each step changes kernels by {100 * ratio:.2g}% of their norm (usual: 0.1%)."
    )


def _unusual_rate(case):
    kind = case.optimizer.get("class", "the optimizer")
    low, high = (f"{bound:.2g}" for bound in usual_rates(case))
    return (
        f"The learning rate of {kind} is {case.rate:.3g} (usual: between {low} and "
        f"{high})."
    )
