"""Rules on layers: initial weights, activations, NaN, gradients, dead units."""

import math

from kcomponents._activation_traits import traits_of
from kcomponents._text import quantity
from kcomponents.doctor import _remedies
from kcomponents.doctor._thresholds import LARGE_TARGET
from kcomponents.doctor.diagnosis import Finding

WEIGHTED = "Conv", "Dense", "DepthwiseConv", "SeparableConv"
MODELS = "Sequential", "Functional", "Model"
RECURRENT = "RNN", "SimpleRNN", "LSTM", "GRU", "Bidirectional"
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


def missing_activation(case):
    """Find layers with weights that follow each other without an activation."""
    if not case.trains_badly:
        return []
    skill = case.worst_skill
    if skill and skill.reachable and skill.linearly_reachable > skill.reachable - 0.08:
        # A linear model reaches as much.
        return []
    found = _without_activation(case)
    if not found:
        return []
    evidence = (
        f"Layer {found['path']} has no activation before the next layer with weights, "
        "so the two act as one linear layer."
    )
    names = [la["activation"] for la in case.layers[:-1]]
    hidden = [name for name in names if name not in (None, "linear")]
    others = any(not traits_of(name).probabilities for name in hidden)
    severity = "medium" if others else "high"
    remedies = _remedies.missing_activation(case, found["path"])
    return [
        Finding("missing_activation", found["path"], (evidence,), severity, remedies)
    ]


def _without_activation(case):
    """Return the first layer that is followed by another one as if they were one."""
    layers = {layer["path"]: layer for layer in _outer_layers(case.layers)}
    # An output may have no activation, even if more layers follow it.
    outputs = {output["name"] for output in case.outputs}
    for chain in _chains(case, layers):
        if not all(path in layers for path in chain) or chain[0] in outputs:
            # A part of another layer, or an output.
            continue
        first, *between, last = [layers[path] for path in chain]
        ends = all(layer["class"].startswith(WEIGHTED) for layer in (first, last))
        is_linear = all(layer["class"] in LINEAR for layer in between)
        if ends and is_linear and first["activation"] == "linear":
            return first
    return None


def _chains(case, layers):
    """Return paths of layers, each the input of the next, from weights to weights."""
    known = {p: f["after"] for p, f in case.first_pass.items() if "after" in f}
    if known:
        return [[*after, path] for path, after in known.items() if after]
    models = {layer["class"] for layer in layers.values()} & set(MODELS)
    if {case.structure.get("model", {}).get("class"), *models} != {"Sequential"}:
        # The order of the layers is not known.
        return []
    found: list[list[str]] = [[]]
    for path, layer in layers.items():
        found[-1].append(path)
        if layer["class"].startswith(WEIGHTED):
            found.append([path])
    return found[1:-1]


def _outer_layers(layers):
    """Return the layers of the model and of models in it, not those inside layers."""
    inside = tuple(f"{la['path']}/" for la in layers if la["class"] not in MODELS)
    return [layer for layer in layers if not layer["path"].startswith(inside)]


def loss_nan(case):
    """Find a loss or weights that are NaN or infinite."""
    inputs = [f for f in case.inputs if f.get("nonfinite")]
    if inputs:
        count = quantity(inputs[0]["nonfinite"], "value")
        cause = (f"The inputs contain NaN or infinity ({count}).",)
        remedies = _remedies.nonfinite_samples()
        return [Finding("loss_nan", inputs[0]["name"], cause, "high", remedies)]
    if not case.nonfinite:
        return []
    evidence = []
    losses = {entry["epoch"]: entry.get("loss", 0.0) for entry in case.record.logs}
    if epochs := _nonfinite_keys(losses):
        evidence.append(f"The loss is NaN or infinite from epoch {epochs[0] + 1} on.")
    if paths := _nonfinite_keys(case.last("weight_norm")):
        evidence.append(f"These weights are NaN or infinite: {', '.join(paths[:3])}.")
    if not evidence:
        evidence.append("The model's outputs are NaN or infinite.")
    return [Finding("loss_nan", "", tuple(evidence), "high", _remedies.loss_nan(case))]


def _nonfinite_keys(numbers):
    return [key for key, number in numbers.items() if not math.isfinite(number)]


def exploding_gradient(case):
    """Find gradients that grow without bound."""
    if not case.trains_badly:
        return []
    largest = max(
        (n for n in case.history("gradient_norm_max") if math.isfinite(n)), default=0
    )
    norms = [n for n in case.history("gradient_norm") if math.isfinite(n) and n > 0]
    if not norms:
        return []
    median = _median(norms)
    jumps = largest > 100 * median and largest > 10
    huge = largest > 1e4
    targets = [output["target"] for output in case.outputs]
    sizes = [max(abs(t.get("mean", 0)), t.get("std", 0)) for t in targets]
    large = any(size > LARGE_TARGET for size in sizes)
    if large and not case.nonfinite:
        # Large targets make large errors, and these have large gradients.
        return []
    recurrent = bool(case.layers_of(*RECURRENT))
    if not (jumps or huge or (recurrent and case.nonfinite)):
        return []
    peak = max(largest, *norms)
    evidence = (
        f"Gradients explode: the gradient norm reached {peak:.3g} in one step (median: "
        f"{median:.3g})."
    )
    if not (jumps or huge):
        evidence = (
            "Values became NaN or infinite in a recurrent network, where gradients "
            f"grow over time steps (largest finite gradient norm {peak:.3g})."
        )
    sure = case.nonfinite or case.at_chance
    severity = "high" if sure and (recurrent or huge) else "medium"
    remedies = _remedies.exploding_gradient(case)
    return [Finding("exploding_gradient", "", (evidence,), severity, remedies)]


def dead_relu(case):
    """Find layers in which most ReLU units output 0 for every sample."""
    if not case.trains_badly:
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
    first = case.history("dead_units", worst)
    if first and first[0] < dead[worst] - 0.2:
        evidence.append(f"In the first epoch, {first[0]:.0%} were dead.")
    severity = "high" if dead[worst] > 0.8 else "medium"
    remedies = _remedies.dead_relu(case, worst)
    return [Finding("dead_relu", worst, tuple(evidence), severity, remedies)]


def saturated_activation(case):
    """Find hidden layers whose outputs lie where the activation is flat."""
    if not case.trains_badly:
        return []
    paths = case.last("saturated")
    shares = {path: _median(case.history("saturated", path)) for path in paths}
    flat = {path: share for path, share in shares.items() if share > 0.5}
    if not flat:
        return []
    worst = max(flat, key=lambda path: flat[path])
    evidence = (
        f"{flat[worst]:.0%} of the outputs of layer {worst} are saturated: the "
        "activation is flat there, so almost no gradient passes."
    )
    severity = "high" if flat[worst] > 0.75 else "medium"
    remedies = _remedies.saturated_activation(case, worst)
    return [Finding("saturated_activation", worst, (evidence,), severity, remedies)]


def vanishing_gradient(case):
    """Find gradients that shrink on their way back to the first layers."""
    if not case.trains_badly or case.nonfinite:
        return []
    paths = [path for path in case.kernels if case.history("gradient_norm", path)]
    if len(paths) < 3:
        return _through_time(case)
    norms = {path: _per_weight(case, path) for path in paths}
    third = max(1, len(paths) // 3)
    early = _median([norms[path] for path in paths[:third]])
    late = _median([norms[path] for path in paths[-third:]])
    if not late or not math.isfinite(late) or early > 0.02 * late:
        return _through_time(case)
    evidence = (
        f"Gradients vanish: a weight in the first layers gets {_fraction(early, late)} "
        f"of the gradient of one in the last layers ({early:.2g} vs {late:.2g})."
    )
    saturating = any(traits_of(la["activation"]).plateaus for la in case.layers)
    severity = "high" if early < 0.002 * late and saturating else "medium"
    remedies = _remedies.vanishing_gradient(case, paths[0])
    return [Finding("vanishing_gradient", paths[0], (evidence,), severity, remedies)]


def _fraction(early, late):
    """Return how many times smaller the first gradient is, as `1/4,000`."""
    if early < 1e-7 * late:
        return "almost none"
    return f"1/{float(f'{late / early:.2g}'):,.0f}"


def _through_time(case):
    """Find plain recurrent layers over so many time steps that gradients vanish."""
    plain = case.layers_of("SimpleRNN")
    plain = [la for la in plain if traits_of(la["activation"]).plateaus]
    steps = max([i["shape"][0] for i in case.inputs if i["shape"]], default=0)
    if not plain or steps < 10:
        return []
    kind, path = plain[0]["activation"], plain[0]["path"]
    evidence = (
        f"Gradients vanish over time: in layer {path} they pass back through {steps} "
        f"time steps, and {kind} shrinks them in each."
    )
    # A sigmoid multiplies gradients by at most 1/4, even where it is steepest.
    shrinks_most = (traits_of(kind).glorot_slope or 1) < 1
    severity = "medium" if shrinks_most else "low"
    remedies = _remedies.vanishing_gradient_over_time()
    return [Finding("vanishing_gradient", path, (evidence,), severity, remedies)]


def _per_weight(case, path):
    """Return the median gradient per weight of a kernel."""
    found = case.history("gradient_norm", path)
    return _median(found) / math.sqrt(math.prod(case.kernels[path]))


def _median(values):
    return sorted(values)[len(values) // 2]
