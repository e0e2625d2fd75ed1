"""apply: assign a regularizer to the weights of a built model."""

from typing import Any

import keras

from kcomponents import _console
from kcomponents._checks import fail
from kcomponents.regularizers._weight_rules import (
    recompile_steps,
    select,
    weights_of,
)


class Paths(list):
    """List of the paths of weights; `unsaved` lists those that no config covers."""

    unsaved = ()


def apply(
    model: keras.layers.Layer,
    regularizer: str | dict | keras.regularizers.Regularizer | None,
    *,
    include: Any = "kernels",
    exclude: Any = None,
) -> list[str]:
    """Assign a regularizer to the kernels (or other weights) of a built model.

    Each weight gets its own copy, which replaces its previous regularizer. A compiled
    model does not need a new `compile`: its optimizer, the optimizer's state and its
    metrics stay, and the next training step includes the penalty. If the model is part
    of another model that was fitted before, compile that one again.

    The kind of a weight follows from its name: `kernels` end in `kernel` (also in
    recurrent, depthwise and maxout layers), `biases` in `bias`, `embeddings` in
    `embedding` or `embeddings`; `normalization` means `gamma`, `beta` and `scale`;
    `slopes` means `alpha`. Other trainable weights are kernels if their rank is 2 or
    more, and `others` if it is lower.

    Keras does not add the penalty of a frozen weight to the loss until the weight is
    unfrozen.

    Args:
        model: Built Keras model or layer.
        regularizer: Instance of `keras.regularizers.Regularizer`, its name or config,
            or `None` to remove the regularizers.
        include: Selects the weights: a kind (one of those above, or `"all"`), a regular
            expression searched in `weight.path`, a layer, a variable, a callable that
            takes a variable and returns a bool, or a list of these. Defaults to
            `"kernels"`.
        exclude: Selects weights of `include` that stay unchanged, in the same forms.
            Defaults to `None`.

    Returns:
        List of the paths of the changed weights. Its attribute `unsaved` lists those
        that lose the change in `clone_model` and saved files, because it is in no
        layer's config, and a warning names them. Call `apply` again on the copy, or
        pass the regularizer to the layer's constructor. This concerns weights for
        which no constructor of a layer around them takes a regularizer, such as the
        `scale` of `RMSNormalization` or a `Dense` layer that your own layer makes;
        subclassed models without a `get_config`; and a choice of some kernels where
        one argument holds for all, as in `MultiHeadAttention`.

    Raises:
        ValueError: If the model is not built, if a rule matches no weight or has
            another type, or if `regularizer` is not a regularizer. The model is then
            unchanged.

    Example:
        >>> import keras
        >>> from kcomponents.regularizers import L2, apply
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> len(apply(model, L2(1e-4)))
        1
        >>> model.layers[0].kernel.regularizer.get_config()
        {'l2': 0.0001}
        >>> model.layers[0].bias.regularizer is None
        True
    """
    weights = select(model, "include", include, exclude)
    regularizer = _checked(regularizer)
    copies = [_copy(regularizer) for _ in weights]
    owners = _owners(model)
    attributes = _attributes(model, weights, owners)
    saved = _saved(model, attributes)
    if regularizer is None:
        # Where there was no regularizer, the config has none to lose.
        pairs = zip(weights, saved, strict=True)
        saved = [kept or weight.regularizer is None for weight, kept in pairs]
    for weight, copy, of_weight in zip(weights, copies, attributes, strict=True):
        weight.regularizer = copy
        for layer, name in of_weight:
            setattr(layer, name, copy)
    recompile_steps(model)
    paths = Paths(weight.path for weight in weights)
    unsaved = [w for w, kept in zip(weights, saved, strict=True) if not kept]
    paths.unsaved = [weight.path for weight in unsaved]
    if unsaved:
        _console.warn(_unsaved_text(model, unsaved, owners), stacklevel=2)
    return paths


def _unsaved_text(model, weights, owners, most=5):
    """Return a warning that names weights, and the layers that make them."""
    named = []
    # A Sequential also has a model of its own, which its user never sees.
    seen = {id(layer) for layer in getattr(model, "layers", ())}
    for weight in weights[:most]:
        outer = [o for o in owners.get(id(weight), ()) if o is not model]
        layer = next((o for o in outer if id(o) in seen), outer[0] if outer else model)
        of = f"of the {type(layer).__name__} {layer.name!r}"
        named.append(f"{weight.path!r} {of}")
    more = f" and {len(weights) - most} more" if len(weights) > most else ""
    return (
        "`clone_model` and saved files lose this change, because no layer's config"
        f" holds the regularizer of {', '.join(named)}{more}. Call `apply` again on"
        " the copy, or pass the regularizer to the layer's constructor."
    )


def _checked(regularizer):
    found = keras.regularizers.get(regularizer)
    if not (found is None or isinstance(found, keras.regularizers.Regularizer)):
        # Each weight needs its own copy, which is made from a config.
        rule = (
            "`regularizer` must be a `keras.regularizers.Regularizer`, not a function."
        )
        fail(rule, regularizer=regularizer)
    return found


def _copy(regularizer):
    if regularizer is None:
        return None
    return type(regularizer).from_config(regularizer.get_config())


def _attributes(model, weights, owners):
    """Return for each weight the (layer, attribute name) pairs that configs read."""
    pairs = {
        id(weight): [
            (layer, name)
            for layer in owners.get(id(weight), ())
            for name in _attribute_names(weight)
            if name in vars(layer)
        ]
        for weight in weights_of(model)
    }
    chosen = {id(weight) for weight in weights}
    # An attribute that also belongs to weights outside the choice must not change.
    shared = {pair for key in pairs.keys() - chosen for pair in pairs[key]}
    return [[p for p in pairs[id(weight)] if p not in shared] for weight in weights]


def _owners(layer, outer=(), found=None, seen=None):
    """Map the id of each weight to the layers that contain it, outermost first."""
    found, seen = ({}, set()) if found is None else (found, seen)
    seen.add(id(layer))
    # Keras has no public list of a layer's sublayers, so search its attributes.
    values = list(vars(layer).values())
    values += [v for many in values if isinstance(many, (list, tuple)) for v in many]
    for value in values:
        if isinstance(value, keras.Layer) and id(value) not in seen:
            _owners(value, (*outer, layer), found, seen)
    for value in values:
        if isinstance(value, keras.Variable):
            found.setdefault(id(value), (*outer, layer))
    return found


def _attribute_names(weight):
    # `recurrent_regularizer` belongs to `recurrent_kernel`, and
    # `depthwise_regularizer` to the `kernel` of DepthwiseConv.
    stems = {weight.name, weight.name.removesuffix("_kernel")}
    stems |= {"depthwise"} if weight.name == "kernel" else set()
    names = [f"{stem}_regularizer" for stem in stems]
    # Some layers, such as `MultiHeadAttention`, hold their arguments in private ones.
    return [*names, *(f"_{name}" for name in names)]


def _saved(model, attributes):
    """Return for each list of attributes whether the model's config reads any of it."""
    before = {pair: getattr(*pair) for pairs in attributes for pair in pairs}
    detectors = {pair: _ReadDetector() for pair in before}
    try:
        _assign(detectors)
        model.get_config()
    except Exception:
        # A subclassed model without a config saves no regularizer.
        return [False] * len(attributes)
    finally:
        _assign(before)
    return [any(detectors[pair].was_read for pair in pairs) for pairs in attributes]


def _assign(values):
    for (layer, name), value in values.items():
        setattr(layer, name, value)


class _ReadDetector(keras.regularizers.Regularizer):
    """Placeholder regularizer that records whether its config was read."""

    was_read = False

    def get_config(self):
        self.was_read = True
        return {}
