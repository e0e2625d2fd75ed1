"""Rules on vanishing gradients, dead and saturated units, missing activations."""

import math

from kcomponents._text import counted
from kcomponents.doctor import _remedies
from kcomponents.doctor.diagnosis import Finding

WEIGHTED = "Conv", "Dense", "DepthwiseConv", "SeparableConv"
MODELS = "Sequential", "Functional", "Model"
# Layers without an activation: they keep a linear map linear.
LINEAR = {
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "InputLayer",
    "Reshape",
    "ZeroPadding2D",
}


def vanishing_gradient(case):
    """Find gradients that shrink on their way back to the first layers."""
    if not case.harm or case.nonfinite:
        return []
    paths = [path for path in case.kernels if case.over("gradient_norm", path)]
    if len(paths) < 3:
        return _through_time(case)
    norms = {path: _per_weight(case, path) for path in paths}
    third = max(1, len(paths) // 3)
    early = _middle([norms[path] for path in paths[:third]])
    late = _middle([norms[path] for path in paths[-third:]])
    if not late or not math.isfinite(late) or early > 0.02 * late:
        return _through_time(case)
    evidence = (
        f"Gradients vanish: a weight in the first layers gets {_fraction(early, late)} "
        f"of the gradient of one in the last layers ({early:.2g} vs {late:.2g})."
    )
    squashed = [la for la in case.layers if la["activation"] in ("sigmoid", "tanh")]
    severity = "high" if early < 0.002 * late and squashed else "medium"
    remedies = _remedies.vanishing(case, paths[0])
    return [Finding("vanishing_gradient", paths[0], (evidence,), severity, remedies)]


def _fraction(early, late):
    """Return how many times smaller the first gradient is, as `1/4,000`."""
    if early < 1e-7 * late:
        return "almost none"
    return f"1/{float(f'{late / early:.2g}'):,.0f}"


def _through_time(case):
    """Find plain recurrent layers over so many time steps that gradients vanish."""
    plain = [la for la in case.layers if la["activation"] in ("sigmoid", "tanh")]
    plain = [la for la in plain if la["class"] == "SimpleRNN"]
    steps = max([i["shape"][0] for i in case.inputs if i["shape"]], default=0)
    if not plain or steps < 10:
        return []
    kind, path = plain[0]["activation"], plain[0]["path"]
    evidence = (
        f"Gradients vanish over time: in layer {path} they pass back through {steps} "
        f"time steps, and {kind} shrinks them in each."
    )
    severity = "medium" if kind == "sigmoid" else "low"
    remedies = _remedies.recurrent()
    return [Finding("vanishing_gradient", path, (evidence,), severity, remedies)]


def _per_weight(case, path):
    """Return the median gradient per weight of a kernel."""
    found = case.over("gradient_norm", path)
    return _middle(found) / math.sqrt(math.prod(case.kernels[path]))


def _middle(values):
    return sorted(values)[len(values) // 2]


def dead_relu(case):
    """Find layers in which most ReLU units output 0 for every sample."""
    if not case.harm:
        return []
    shares = case.last("dead_units")
    dead = {path: share for path, share in shares.items() if share > 0.5}
    if not dead:
        return []
    worst = max(dead, key=lambda path: dead[path])
    evidence = [
        f"{dead[worst]:.0%} of the units in layer {worst} are dead: they output 0 for "
        "every sample of an epoch."
    ]
    first = case.over("dead_units", worst)
    if first and first[0] < dead[worst] - 0.2:
        evidence.append(f"In the first epoch, {first[0]:.0%} were dead.")
    severity = "high" if dead[worst] > 0.8 else "medium"
    remedies = _remedies.dead(case, worst)
    return [Finding("dead_relu", worst, tuple(evidence), severity, remedies)]


def saturated_activation(case):
    """Find hidden layers whose outputs lie where the activation is flat."""
    if not case.harm:
        return []
    paths = case.last("saturated")
    shares = {path: _middle(case.over("saturated", path)) for path in paths}
    flat = {path: share for path, share in shares.items() if share > 0.5}
    if not flat:
        return []
    worst = max(flat, key=lambda path: flat[path])
    evidence = (
        f"{flat[worst]:.0%} of the outputs of layer {worst} are saturated: the "
        "activation is flat there, so almost no gradient passes."
    )
    severity = "high" if flat[worst] > 0.75 else "medium"
    remedies = _remedies.saturated(case, worst)
    return [Finding("saturated_activation", worst, (evidence,), severity, remedies)]


def missing_activation(case):
    """Find layers with weights that follow each other without an activation."""
    if not case.harm:
        return []
    skill = case.worst
    if skill and skill.goal and skill.linear > skill.goal - 0.08:
        # A linear model reaches as much.
        return []
    weighted, found = None, None
    for layer in _whole(case.layers):
        kind, activation = layer["class"], layer["activation"]
        if kind.startswith(WEIGHTED):
            found = found or weighted
            weighted = layer if activation == "linear" else None
        elif kind not in LINEAR:
            # An unknown layer may hold an activation.
            weighted = None
    if not found:
        return []
    evidence = (
        f"Layer {found['path']} has no activation before the next layer with weights, "
        "so the two act as one linear layer."
    )
    alone = not any(
        la["activation"] not in (None, "linear", "softmax", "sigmoid")
        for la in case.layers[:-1]
    )
    severity = "high" if alone else "medium"
    remedies = _remedies.activation(case, found["path"])
    return [
        Finding("missing_activation", found["path"], (evidence,), severity, remedies)
    ]


def _whole(layers):
    """Return the layers without those inside another layer; models are opened."""
    made = tuple(f"{la['path']}/" for la in layers if la["class"] not in MODELS)
    return [layer for layer in layers if not layer["path"].startswith(made)]


# Rules on NaN, infinity and exploding gradients.

RECURRENT = "RNN", "SimpleRNN", "LSTM", "GRU", "Bidirectional"


def loss_nan(case):
    """Find a loss or weights that are NaN or infinite."""
    inputs = [f for f in case.inputs if f.get("nonfinite")]
    if inputs:
        count = counted(inputs[0]["nonfinite"], "value")
        seen = f"The inputs contain NaN or infinity ({count})."
        remedies = _remedies.finite_inputs()
        return [Finding("loss_nan", inputs[0]["name"], (seen,), "high", remedies)]
    if not case.nonfinite:
        return []
    evidence = []
    lost = [e["epoch"] for e in case.record.logs if not _finite(e.get("loss", 0.0))]
    if lost:
        evidence.append(f"The loss is NaN or infinite from epoch {lost[0] + 1} on.")
    broken = [p for p, norm in case.last("weight_norm").items() if not _finite(norm)]
    if broken:
        evidence.append(f"These weights are NaN or infinite: {', '.join(broken[:3])}.")
    if not evidence:
        evidence.append("The model's outputs are NaN or infinite.")
    return [Finding("loss_nan", "", tuple(evidence), "high", _remedies.finite())]


def exploding_gradient(case):
    """Find gradients that grow without bound."""
    if not case.harm:
        return []
    largest = max((n for n in case.over("gradient_norm_max") if _finite(n)), default=0)
    norms = [n for n in case.over("gradient_norm") if _finite(n) and n > 0]
    if not norms:
        return []
    usual = sorted(norms)[len(norms) // 2]
    leaps = largest > 100 * usual and largest > 10
    huge = largest > 1e4
    targets = [output["target"] for output in case.outputs]
    large = any(max(abs(t.get("mean", 0)), t.get("std", 0)) > 15 for t in targets)
    if large and not case.nonfinite:
        # Large targets make large errors, and these have large gradients.
        return []
    recurrent = bool(case.holds(*RECURRENT))
    if not (leaps or huge or (recurrent and case.nonfinite)):
        return []
    peak = max(largest, *norms)
    evidence = (
        f"Gradients explode: the gradient norm reached {peak:.3g} in one step (usually "
        f"{usual:.3g})."
    )
    if not (leaps or huge):
        evidence = (
            "Values became NaN or infinite in a recurrent network, where gradients "
            f"grow over time steps (largest finite gradient norm {peak:.3g})."
        )
    sure = case.nonfinite or case.fails
    severity = "high" if sure and (recurrent or huge) else "medium"
    remedies = _remedies.clipping(case)
    return [Finding("exploding_gradient", "", (evidence,), severity, remedies)]


def _finite(value):
    return math.isfinite(value)


# Rule on the initial weights.

RULE = "bad_initialization"


def bad_initialization(case):
    """Find initial weights that are equal, too large, too small, or of one sign."""
    if not case.harm:
        return []
    kernels = [path for path in case.kernels if path in case.initial]
    equal = [path for path in kernels[:-1] if case.initial[path]["units_equal"]]
    if equal:
        evidence = (
            f"All units of {equal[0]} start with the same weights, so they get the "
            "same gradients and never become different."
        )
        remedies = _remedies.initializers(case, equal[0])
        return [Finding(RULE, equal[0], (evidence,), "high", remedies)]
    wild = [path for path in kernels if _fault(case.initial[path])]
    if not wild:
        return []
    [first, *_] = wild
    facts = case.initial[first]
    usual = math.sqrt(1 / facts["fan_in"])
    evidence = (
        f"Initial weights of {first} {_fault(facts)}: mean {facts['mean']:.3g}, "
        f"standard deviation {facts['std']:.3g}; for {facts['fan_in']} inputs, 0 and "
        f"about {usual:.3g} are usual."
    )
    remedies = _remedies.initializers(case, first)
    return [Finding(RULE, first, (evidence,), "high", remedies)]


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
