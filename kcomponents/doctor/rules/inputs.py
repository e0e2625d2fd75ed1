"""Rules on inputs: their scale where the first weights meet them, and ids."""

import math

from kcomponents.doctor import _remedies
from kcomponents.doctor._case import NORMALIZING, is_picture
from kcomponents.doctor._thresholds import TINY_INPUT, VERY_LARGE_INPUT, input_scale
from kcomponents.doctor.diagnosis import Finding

INPUT, CONSTANT = "unnormalized_input", "constant_input"
# Layers that apply a fixed scale. Others compute theirs from the data.
FIXED = "Rescaling", "Normalization"
# Samples differ by less than this share of the size of the inputs.
ALIKE = 0.03


def embedding_too_short(case):
    """Find ids for which an embedding has no row."""
    for path, facts in case.first_pass.items():
        rows, low, high = (facts.get(k) for k in ("input_dim", "min", "max"))
        if not rows or low is None or high is None:
            continue
        tables = [f for f in case.first_pass.values() if f.get("input_dim")]
        ids = [i for i in case.inputs if i.get("integer") and "max" in i]
        if len(tables) == 1 and len(ids) == 1 and case.first_layers == [facts]:
            # The model was run on fewer samples.
            low, high = min(low, ids[0]["min"]), max(high, ids[0]["max"])
        if 0 <= low and high < rows:
            continue
        evidence = (
            f"Layer {path} has {rows:,} rows, for ids from 0 to {rows - 1:,}, but gets "
            f"ids from {low:.0f} to {high:.0f}. For the others, backends give NaN, an "
            "exception, or the row of another id."
        )
        remedies = _remedies.embedding_too_short(int(low), int(high), rows)
        return [Finding("embedding_too_short", path, (evidence,), "high", remedies)]
    return []


def unnormalized_input(case):
    """Find inputs that are too large, too small, or on very different scales."""
    if not (case.may_train_badly or case.starts_badly):
        return []
    found = _at_first_weights(case)
    if found is None:
        found = [] if case.normalized else _as_they_come(case)
    return found


def _as_they_come(case):
    found = []
    for facts in case.inputs:
        if "std" not in facts or _is_ids(case, facts):
            continue
        if scale := _input_scale(facts):
            pixels = facts["min"] >= 0 and 100 < facts["max"] <= 255
            remedies = _remedies.unnormalized_input(
                pixels=pixels and len(facts["shape"]) > 1
            )
            evidence = (_scale_sentence(scale, facts),)
            found.append(
                Finding(INPUT, facts["name"], evidence, scale.severity, remedies)
            )
    return found


def _at_first_weights(case):
    """Find inputs that a layer has scaled wrongly; None if no such layer is known."""
    classes = [layer["class"] for layer in case.layers]
    fixed = [name for name in classes if name in FIXED]
    if not fixed or len(case.inputs) != 1 or not case.first_layers:
        return None
    [facts] = case.first_layers
    if "std" not in facts or facts.get("input_dim"):
        return None
    first = next(
        (n for n, la in enumerate(case.layers) if _is_first(la, facts, case)), 0
    )
    adaptive = set(classes[:first]) & (NORMALIZING - set(FIXED))
    if adaptive or not set(classes[:first]) & set(FIXED):
        return None
    size = max(abs(facts["mean"]), facts["std"])
    tiny, large = size < TINY_INPUT, size > VERY_LARGE_INPUT
    if not (tiny or large):
        return []
    evidence = (
        f"After {fixed[0]}, inputs range from {facts['min']:.3g} to "
        f"{facts['max']:.3g} where they meet the first weights: they seem to be scaled "
        f"{'twice' if tiny else 'wrongly'}."
    )
    remedies = _remedies.scaled_twice(fixed[0])
    return [Finding(INPUT, case.inputs[0]["name"], (evidence,), "high", remedies)]


def _is_first(layer, facts, case):
    path = next(p for p, known in case.first_pass.items() if known is facts)
    return layer["path"] == path


def _input_scale(facts):
    means = [facts["mean"], *facts.get("column_mean", [])]
    stds = [facts["std"], *facts.get("column_std", [])]
    constant = facts["min"] == facts["max"] and facts["rows"] > 1
    return input_scale(means, stds, constant=constant)


def _scale_sentence(scale, facts):
    low, high = facts["min"], facts["max"]
    return {
        "constant": f"All inputs have the same value, {low:.4g}.",
        "large": f"Inputs range from {low:.4g} to {high:.4g}, and no layer normalizes "
        "them.",
        "tiny": f"Inputs are tiny: they range from {low:.3g} to {high:.3g}.",
        "unlike": f"Input columns differ in scale by a factor of {scale.ratio:,.0f}.",
    }[scale.kind]


def _is_ids(case, facts):
    """Return whether an input holds ids for an `Embedding`."""
    if is_picture(facts):
        return False
    return facts.get("integer") and bool(case.layers_of("Embedding"))


def constant_input(case):
    """Find inputs, or features of a frozen base, that hardly differ by sample."""
    if not case.may_train_badly or not case.enough_scored:
        return []
    for path, share in (*_columns(case), *_entrances(case)):
        if share >= ALIKE:
            continue
        evidence = (
            f"The values of {path} hardly differ between samples: they vary by "
            f"{share:.2%} of their size."
        )
        remedies = _remedies.constant_input()
        return [Finding(CONSTANT, path, (evidence,), "high", remedies)]
    return []


def _columns(case):
    """Yield each input whose columns are known, and how much the most varied varies."""
    for facts in case.inputs:
        means, stds = facts.get("column_mean"), facts.get("column_std")
        if means and stds and len(facts["shape"]) == 1 and facts["min"] < facts["max"]:
            columns = [(abs(m), s) for m, s in zip(means, stds, strict=True)]
            shares = [std / max(mean, 1e-12) for mean, std in columns if mean or std]
            if shares:
                yield facts["name"], max(shares)


def _entrances(case):
    """Yield the same of the inputs of the first layer, and of that behind a base."""
    items = list(case.first_pass.items())
    trainable = {layer["path"]: layer.get("trainable", True) for layer in case.layers}
    found = items[:1]
    if found and not trainable.get(found[0][0], True):
        found += [item for item in items if trainable.get(item[0], True)][:1]
    for path, facts in found:
        if "spread" in facts and not facts.get("input_dim"):
            size = math.hypot(facts["mean"], facts["std"])
            if size:
                yield f"the inputs of {path}", facts["spread"] / size
