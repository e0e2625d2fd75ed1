"""Code that creates the layer of a finding again, for a remedy to change."""

RANKS = {"Conv1D": 3, "Conv2D": 4, "Conv3D": 5}


def same_layer(case, path):
    """Return the call that creates the layer, without the closing parenthesis."""
    dense = f"keras.layers.Dense({units(case, path)}"
    return _convolution(case, _layer(case, path)) or dense


def units(case, path):
    """Return the number of units of a layer, 64 where it is not known."""
    found = _layer(case, path).get("units")
    # A record from another program may hold anything.
    return found if type(found) is int else 64


def _layer(case, path):
    """Return the facts of the layer at a path, or of the layer that owns a kernel."""
    above = [la for la in case.layers if f"{path}/".startswith(f"{la['path']}/")]
    return max(above, key=lambda la: len(la["path"]), default={})


def _convolution(case, layer):
    kind, filters = layer.get("class"), layer.get("filters")
    shape = case.kernels.get(f"{layer.get('path')}/kernel", [])
    if len(shape) != RANKS.get(kind) or type(filters) is not int:
        return None
    sizes = shape[:-2]
    size = sizes[0] if len(set(sizes)) == 1 else tuple(sizes)
    return f"keras.layers.{kind}({filters}, {size}"
