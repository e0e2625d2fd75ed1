"""Rules on the learning rate and other settings of the optimizer."""

import math

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_steps

HIGH, LOW = "learning_rate_too_high", "learning_rate_too_low"
SETTING = "wrong_optimizer_setting"
# Above and below these few trainings go well.
PLAIN = {"SGD"}
SLOW_BY_DEFAULT = {"Adadelta", "Adagrad"}


def usual_rates(case):
    """Return the lowest and highest rate that is usual for the optimizer."""
    kind = case.optimizer.get("class")
    if kind in PLAIN:
        momentum = (case.optimizer.get("config") or {}).get("momentum") or 0.0
        left = 1 - min(momentum, 0.99)
        return 1e-3 * left, 0.6 * left
    if kind in SLOW_BY_DEFAULT:
        return (0.05, 2.0) if kind == "Adadelta" else (2e-3, 0.5)
    return 5e-5, 0.025


def learning_rate_too_high(case):
    """Find steps that jump over what they look for."""
    if not case.harm:
        return []
    told, rate = [], case.rate
    if rate is not None and rate > usual_rates(case)[1]:
        told.append(f"The learning rate of {_kind(case)} is {rate:.3g}.")
    early = sorted(_ratios(case, first=True).values())
    ratio = early[len(early) // 2] if early else None
    if ratio is not None and ratio > 0.05:
        told.append(f"Each step changes kernels by {ratio:.1%} of their size.")
    told += _leaps(case)
    if not told:
        return []
    if len(told) < 2 and not (ratio and ratio > 0.2) and not case.nonfinite:
        severity = "low"
    else:
        severity = "high" if len(told) > 1 else "medium"
    return [
        Finding(HIGH, "optimizer", tuple(told), severity, _for_steps.lower_rate(case))
    ]


def _leaps(case):
    """Return what the losses say of steps that are too long."""
    losses = [loss for loss in case.losses if math.isfinite(loss)]
    starts = [loss for loss in (case.over("batch_loss_min")[:1]) if math.isfinite(loss)]
    largest = [loss for loss in case.over("batch_loss_max") if math.isfinite(loss)]
    told = []
    begin = _before(case)
    if begin and largest and max(largest) > 20 * begin:
        told.append(
            f"The loss of a batch leapt to {max(largest):.3g}, from {begin:.3g} before "
            "training."
        )
    elif len(losses) > 1 and losses[-1] > 1.5 * losses[0] > 0:
        told.append(f"The loss rose from {losses[0]:.3g} to {losses[-1]:.3g}.")
    elif case.nonfinite and not starts:
        told.append("The loss left what can be counted within the first epoch.")
    return told


def _before(case):
    """Return the loss of the sample before training, if it is known."""
    found = case.before[0].values.get("sample_loss", {}) if case.before else {}
    return next(iter(found.values()), None) if len(found) == 1 else None


def learning_rate_too_low(case):
    """Find weights that hardly move."""
    if not case.harm or case.nonfinite or not case.steps:
        return []
    told, rate = [], case.rate
    low = rate is not None and 0 < rate < usual_rates(case)[0]
    if low:
        told.append(f"The learning rate of {_kind(case)} is {rate:.3g}.")
    # Of the kernel that moves most: the others may get little gradient.
    ratio = max(_ratios(case).values(), default=None)
    if ratio == 0:
        # No gradient, so that no rate would help.
        return []
    if ratio is not None and ratio < 2e-4 and ratio * case.steps < 0.05:
        told.append(
            f"In all {case.steps} steps together kernels moved by at most "
            f"{ratio * case.steps:.2%} of their size."
        )
    elif ratio is not None and ratio < 2e-5:
        told.append(f"Each step changes kernels by {ratio:.1e} of their size.")
    falls = _falls_steadily(case.losses)
    if told and falls:
        told.append("The loss falls all the time, by little.")
    if not told:
        return []
    severity = "high" if len(told) > 1 else "medium"
    return [
        Finding(LOW, "optimizer", tuple(told), severity, _for_steps.raise_rate(case))
    ]


def _ratios(case, first=False):
    """Return the update ratio of each kernel, early or over the whole training."""
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
    """Find settings with which an optimizer cannot work."""
    config = case.optimizer.get("config") or {}
    told, sure = [], False
    if case.rate is not None and case.rate <= 0:
        told.append(
            f"The learning rate is {case.rate:.3g}, so that nothing is learned."
        )
        sure = True
    momentum = config.get("momentum")
    if isinstance(momentum, float) and momentum >= 1:
        told.append(f"A momentum of {momentum:.3g} lets old steps grow without end.")
        sure = True
    batches = sum(case.over("batches"))
    window = case.structure.get("gradient_accumulation_steps") or 1
    if batches and not case.steps and window > 1:
        told.append(
            f"In {batches:.0f} batches the optimizer made no step; it collects the "
            f"gradients of {window} before each."
        )
        sure = True
    if case.harm:
        told += _unusual(case, config)
    if not told:
        return []
    severity = "high" if sure or case.harm else "medium"
    wanted = _for_steps.optimizer_defaults(case)
    return [Finding(SETTING, "optimizer", tuple(told), severity, wanted)]


def _unusual(case, config):
    told = []
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
            told.append(f"{name} is {value:.4g}.")
    norms = [n for n in case.over("gradient_norm") if math.isfinite(n)]
    usual = sorted(norms)[len(norms) // 2] if norms else 0.0
    for name, bound in (case.optimizer.get("clip") or {}).items():
        if isinstance(bound, float | int) and bound < 0.01 * usual:
            told.append(
                f"{name} is {bound:.3g}, far below the usual gradient norm {usual:.3g}."
            )
    schedule = config.get("learning_rate")
    if isinstance(schedule, dict) and _ends_early(schedule, case.steps):
        told.append("The schedule of the learning rate ends long before the training.")
    return told


def _ends_early(schedule, steps):
    settings = schedule.get("config") or {}
    given = settings.get("decay_steps")
    rate = settings.get("decay_rate")
    if not given or not steps:
        return False
    if rate is not None and rate < 1:
        return (steps / given) * -math.log(max(rate, 1e-9)) > 8
    return rate is None and steps > 3 * given


def _kind(case):
    return case.optimizer.get("class", "the optimizer")
