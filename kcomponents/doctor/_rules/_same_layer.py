"""The layer that a finding is about, as code that a remedy can go on from."""

RANKS = {"Conv1D": 3, "Conv2D": 4, "Conv3D": 5}


def same_layer(case, path):
    """Return the call that makes such a layer, without its closing bracket."""
    dense = f"keras.layers.Dense({units(case, path)}"
    return _convolution(case, _layer(case, path)) or dense


def units(case, path):
    """Return how many units a layer has, or a usual number of them."""
    found = _layer(case, path).get("units")
    # A record that was made elsewhere may hold anything.
    return found if type(found) is int else 64


def _layer(case, path):
    """Return the facts of the layer at a path, which may be that of its kernel."""
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
