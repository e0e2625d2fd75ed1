"""Rules on weights: where they start, whether they can move, and their precision."""

import math

from kcomponents.doctor import _remedies
from kcomponents.doctor.diagnosis import Finding

START, STILL, FROZEN = "bad_initialization", "no_gradient", "frozen_layers"
FLOAT16 = "float16_training"
# What Keras says on TensorFlow if no weight has a gradient.
REFUSED = "No gradients provided"
# A skill below this may be due to a layer that never learned.
FAIR = 0.6
# Variables of a layer that add to a product, and may be equal or 0 at the start.
OFFSETS = "bias", "beta", "lora_kernel_b"


def bad_initialization(case):
    """Find initial weights that are equal, too large, too small, or of one sign."""
    if found := _dead_start(case):
        return found
    if not case.may_train_badly:
        return []
    kernels = [path for path in case.kernels if path in case.initial]
    kernels = [path for path in kernels if path.rsplit("/", 1)[-1] not in OFFSETS]
    equal = [p for p in kernels[:-1] if _never_differ(case, kernels, p)]
    if equal:
        evidence = (
            f"All units of {equal[0]} start with the same weights, so they get the "
            "same gradients and never become different."
        )
        remedies = _remedies.bad_initialization(case, equal[0])
        return [Finding("bad_initialization", equal[0], (evidence,), "high", remedies)]
    faulty = [path for path in kernels if _fault(case.initial[path])]
    if not faulty:
        return []
    [first, *_] = faulty
    facts = case.initial[first]
    expected = math.sqrt(1 / facts["fan_in"])
    evidence = (
        f"Initial weights of {first} {_fault(facts)}: mean {facts['mean']:.3g}, "
        f"standard deviation {facts['std']:.3g}; for {facts['fan_in']} inputs, they "
        f"should be near 0 and {expected:.3g}."
    )
    remedies = _remedies.bad_initialization(case, first)
    return [Finding("bad_initialization", first, (evidence,), "high", remedies)]


def _dead_start(case):
    """Find a layer whose inputs are the same for all samples before training."""
    layers = case.first_pass if case.enough_scored else {}
    for number, (path, facts) in enumerate(layers.items()):
        if number and facts.get("spread") == 0 and not facts.get("input_dim"):
            evidence = (
                f"Before training, all samples look the same to layer {path}: the "
                "layers before it give out the same values for each, so they get no "
                "gradient."
            )
            remedies = _remedies.bad_initialization(case, f"{path}/kernel")
            severity = "high" if case.may_train_badly else "medium"
            return [Finding(START, path, (evidence,), severity, remedies)]
    return []


def _never_differ(case, kernels, path):
    """Return whether the units of a kernel start equal, and with it stay so."""
    facts = case.initial[path]
    if not facts["units_equal"]:
        return False
    layer = path.rsplit("/", 1)[0]
    beside = [p for p in kernels if p != path and p.rsplit("/", 1)[0] == layer]
    zero = not facts["mean"] and not facts["std"]
    # One factor of a product may start at 0, as in LoRA.
    return not (zero and any(case.initial[p]["std"] for p in beside))


def _fault(facts):
    """Return what is wrong with the initial weights, None if nothing is."""
    fan_in = facts["fan_in"]
    size = math.sqrt(facts["std"] ** 2 + facts["mean"] ** 2) * math.sqrt(fan_in)
    # Weights of one sign add up instead of canceling out.
    one_sided = abs(facts["mean"]) > facts["std"] and abs(facts["mean"]) * fan_in > 4
    if size > 5:
        return "are too large"
    if one_sided:
        return "mostly have the same sign"
    return "are too small" if 0 < size < 0.03 else None


def frozen_layers(case):
    """Find layers that are frozen, so that nothing is learned in them."""
    variables = case.structure.get("variables") or []
    if variables and not any(v["trainable"] for v in variables):
        evidence = ("None of the model's weights is trainable.",)
        remedies = _remedies.frozen_layers()
        return [Finding(FROZEN, "", evidence, "high", remedies)]
    moved = case.last("moved")
    found = [
        path
        for path in case.structure.get("untrained_frozen") or ()
        if not any(d for name, d in moved.items() if name.startswith(f"{path}/"))
    ]
    fair = case.worst_skill is not None and case.worst_skill.final < FAIR
    if not found or not (case.may_train_badly or fair):
        return []
    evidence = (
        f"Layer {found[0]} is frozen in the state in which it was initialized, so it "
        "never learns anything.",
    )
    remedies = _remedies.frozen_layers()
    return [Finding(FROZEN, found[0], evidence, "medium", remedies)]


def no_gradient(case):
    """Find trainable weights that get no gradient or never move."""
    if REFUSED in case.ended.get("reason", ""):
        evidence = (
            "No trainable weight gets a gradient, so the optimizer ended the training.",
        )
        return [Finding(STILL, "", evidence, "high", _remedies.no_gradient())]
    if not case.trained or case.nonfinite or not case.kernels:
        return []
    if max(case.last("dead_units").values(), default=0.0) > 0.99:
        # That is the cause.
        return []
    measured = {path: case.history("gradient_norm", path) for path in case.kernels}
    measured = {path: norms for path, norms in measured.items() if norms}
    # An average of other weights moves without a gradient.
    without = [
        path
        for path, norms in measured.items()
        if not any(norms) and not case.movement.get(path)
    ]
    still = [path for path, distance in case.movement.items() if distance == 0]
    found = without if measured else still
    if not found or not (case.steps or still):
        return []
    every = len(found) == len(measured or case.movement)
    what = "get no gradient" if measured else "never move"
    if every:
        evidence = (
            f"All trainable weights {what}: the gradient is exactly 0 in each step.",
        )
        if not measured:
            evidence = ("No trainable weight has moved since training began.",)
        return [Finding(STILL, "", evidence, "high", _remedies.no_gradient())]
    parts = {path.split("/")[0] for path in found}
    whole = [
        p
        for p in parts
        if not {k for k in case.kernels if k not in found}
        & {k for k in case.kernels if k.split("/")[0] == p}
    ]
    if not (case.trains_badly or case.unjudged and whole):
        return []
    evidence = (
        f"{len(found)} of {len(measured or case.movement)} kernels {what} although "
        f"they are trainable, such as {found[0]}.",
    )
    return [Finding(STILL, found[0], evidence, "medium", _remedies.no_gradient())]


def float16_training(case):
    """Find weights that are kept in float16."""
    variables = case.structure.get("variables") or []
    half = [v for v in variables if v["trainable"] and v["dtype"] == "float16"]
    # Some parts of Keras compute in float32 whatever the weights are.
    mixed = "float16" in case.ended.get("reason", "")
    skill = case.worst_skill
    well = skill and skill.final > max(0.9, skill.reachable) and not case.nonfinite
    if not half or well or not (case.trained or mixed):
        return []
    evidence = (
        "Weights are kept and updated in float16: the squares of small gradients and "
        "the optimizer's epsilon become 0, and small updates are lost.",
    )
    return [Finding(FLOAT16, "", evidence, "high", _remedies.float16_training())]
