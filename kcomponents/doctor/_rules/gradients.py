"""Rules on gradients and units that let nothing through."""

import math

from kcomponents.doctor._finding import Finding
from kcomponents.doctor._rules import _for_nets

WEIGHTED = "Conv", "Dense", "DepthwiseConv", "SeparableConv"
MODELS = "Sequential", "Functional", "Model"
# These keep a linear map linear.
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
    """Find gradients that shrink on their way to the first layers."""
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
    told = (
        f"The gradient of a weight in the first layers is {early / late:.2g} of that "
        f"in the last ones ({early:.2g} against {late:.2g})."
    )
    squashed = [la for la in case.layers if la["activation"] in ("sigmoid", "tanh")]
    severity = "high" if early < 0.002 * late and squashed else "medium"
    wanted = _for_nets.vanishing(case, paths[0])
    return [Finding("vanishing_gradient", paths[0], (told,), severity, wanted)]


def _through_time(case):
    """Find plain recurrent nets over so many steps that little comes back."""
    plain = [la for la in case.layers if la["activation"] in ("sigmoid", "tanh")]
    plain = [la for la in plain if la["class"] == "SimpleRNN"]
    steps = max([i["shape"][0] for i in case.inputs if i["shape"]], default=0)
    if not plain or steps < 10:
        return []
    kind, path = plain[0]["activation"], plain[0]["path"]
    told = f"Gradients come back to {path} through {steps} steps of {kind}."
    severity = "medium" if kind == "sigmoid" else "low"
    wanted = _for_nets.recurrent()
    return [Finding("vanishing_gradient", path, (told,), severity, wanted)]


def _per_weight(case, path):
    """Return the usual gradient of one weight of a kernel."""
    found = case.over("gradient_norm", path)
    return _middle(found) / math.sqrt(math.prod(case.kernels[path]))


def _middle(values):
    return sorted(values)[len(values) // 2]


def dead_relu(case):
    """Find layers most of whose rectifiers never fire."""
    if not case.harm:
        return []
    shares = case.last("dead_units")
    dead = {path: share for path, share in shares.items() if share > 0.5}
    if not dead:
        return []
    worst = max(dead, key=lambda path: dead[path])
    told = [f"{dead[worst]:.0%} of the units of {worst} fire for no row of an epoch."]
    first = case.over("dead_units", worst)
    if first and first[0] < dead[worst] - 0.2:
        told.append(f"In the first epoch it was {first[0]:.0%}.")
    severity = "high" if dead[worst] > 0.8 else "medium"
    wanted = _for_nets.dead(case, worst)
    return [Finding("dead_relu", worst, tuple(told), severity, wanted)]


def saturated_activation(case):
    """Find hidden layers whose outputs are on the plateaus of their activation."""
    if not case.harm:
        return []
    paths = case.last("saturated")
    shares = {path: _middle(case.over("saturated", path)) for path in paths}
    flat = {path: share for path, share in shares.items() if share > 0.5}
    if not flat:
        return []
    worst = max(flat, key=lambda path: flat[path])
    told = (
        f"{flat[worst]:.0%} of what {worst} puts out is on a plateau, where the slope "
        "is next to 0."
    )
    severity = "high" if flat[worst] > 0.75 else "medium"
    wanted = _for_nets.saturated(case, worst)
    return [Finding("saturated_activation", worst, (told,), severity, wanted)]


def missing_activation(case):
    """Find layers with weights one after the other and nothing between them."""
    if not case.harm:
        return []
    skill = case.worst
    if skill and skill.goal and skill.linear > skill.goal - 0.08:
        # A linear model would do.
        return []
    weighted, found = None, None
    for layer in _whole(case.layers):
        kind, activation = layer["class"], layer["activation"]
        if kind.startswith(WEIGHTED):
            found = found or weighted
            weighted = layer if activation == "linear" else None
        elif kind not in LINEAR:
            # What is not known may be anything.
            weighted = None
    if not found:
        return []
    told = (
        f"{found['path']} has no activation, and nothing follows it before the next "
        "layer with weights: the two make one linear map."
    )
    alone = not any(
        la["activation"] not in (None, "linear", "softmax", "sigmoid")
        for la in case.layers[:-1]
    )
    severity = "high" if alone else "medium"
    wanted = _for_nets.activation(case, found["path"])
    return [Finding("missing_activation", found["path"], (told,), severity, wanted)]


def _whole(layers):
    """Return layers without those that another layer, no model, is made of."""
    made = tuple(f"{la['path']}/" for la in layers if la["class"] not in MODELS)
    return [layer for layer in layers if not layer["path"].startswith(made)]
