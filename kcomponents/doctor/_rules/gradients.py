"""Rules on vanishing gradients, dead and saturated units, missing activations."""

import math

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_nets

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
    remedies = _for_nets.vanishing(case, paths[0])
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
    remedies = _for_nets.recurrent()
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
    remedies = _for_nets.dead(case, worst)
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
    remedies = _for_nets.saturated(case, worst)
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
    remedies = _for_nets.activation(case, found["path"])
    return [
        Finding("missing_activation", found["path"], (evidence,), severity, remedies)
    ]


def _whole(layers):
    """Return the layers without those inside another layer; models are opened."""
    made = tuple(f"{la['path']}/" for la in layers if la["class"] not in MODELS)
    return [layer for layer in layers if not layer["path"].startswith(made)]
