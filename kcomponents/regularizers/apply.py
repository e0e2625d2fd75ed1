"""apply: give weights of a built model a regularizer, by rule."""

import keras

from kcomponents._check import fail
from kcomponents.regularizers._weights import choose, holders, renew_steps, weights_of


class Paths(list):
    """Paths of weights; `unsaved` are those whose regularizer no config holds."""

    unsaved = ()


def apply(model, regularizer, *, include="kernels", exclude=None):
    """Give the kernels of a built model, or other weights, a regularizer.

    Each weight gets its own copy, in place of the regularizer it had. A model that is
    compiled, or trained, needs no new `compile`: its optimizer, the optimizer's state
    and its metrics stay, and its next step has the penalty. A model around it that was
    already fitted must be compiled again.

    What a weight is follows from its name: `kernels` end in `kernel` (also those of
    recurrent, depthwise and maxout layers), `biases` in `bias`, `embeddings` in
    `embedding` or `embeddings`; `normalization` is `gamma`, `beta` and `scale`,
    `slopes` is `alpha`. Of the other trainable weights, those of rank 2 or more are
    kernels, the rest `others`.

    Keras leaves the penalty of a frozen weight out of the loss until it is unfrozen.

    Args:
        model: Built Keras model or layer.
        regularizer: Instance of `keras.regularizers.Regularizer`, its name or config,
            or `None` to remove what there is.
        include: Which weights: a word (one of the kinds above or `"all"`), a regular
            expression searched for in `weight.path`, a layer, a variable, a callable
            that takes a variable and returns a bool, or a list of these. Defaults to
            `"kernels"`.
        exclude: Which of them to leave as they are, in the same terms. Defaults to
            `None`.

    Returns:
        List of the paths of the weights touched. Its attribute `unsaved` lists those
        that lose the regularizer in `clone_model` and saved files, since no layer's
        config holds it: give it to the constructor of their layer as well. So it is
        for layers without a `<weight>_regularizer` attribute, for layers within others
        that have none either, such as those of `MultiHeadAttention`, and in subclassed
        models.

    Raises:
        ValueError: If the model is not built, if a rule matches no weight or is of
            another type, or if `regularizer` is none. Nothing is changed then.

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
    weights = choose(model, "include", include, exclude)
    regularizer = _checked(regularizer)
    copies = [_copy(regularizer) for _ in weights]
    places = _places(model, weights)
    saved = _saved(model, places)
    for weight, copy, its in zip(weights, copies, places, strict=True):
        weight.regularizer = copy
        for layer, attribute in its:
            setattr(layer, attribute, copy)
    renew_steps(model)
    paths = Paths(weight.path for weight in weights)
    paths.unsaved = [path for path, kept in zip(paths, saved, strict=True) if not kept]
    return paths


def _checked(regularizer):
    found = keras.regularizers.get(regularizer)
    if not (found is None or isinstance(found, keras.regularizers.Regularizer)):
        # Each weight needs a copy of its own, which only a config can give.
        rule = "`regularizer` must be a keras.regularizers.Regularizer, not a function."
        fail(rule, regularizer=regularizer)
    return found


def _copy(regularizer):
    if regularizer is None:
        return None
    return type(regularizer).from_config(regularizer.get_config())


def _places(model, weights):
    """List for each weight the attributes of layers that its config is read from."""
    found = holders(model)
    places = {
        id(weight): [
            (layer, name)
            for layer in found.get(id(weight), ())
            for name in _attributes(weight)
            if name in vars(layer)
        ]
        for weight in weights_of(model)
    }
    chosen = {id(weight) for weight in weights}
    # A block's one attribute speaks for all its weights of a name, or must not change.
    shared = {place for key in places.keys() - chosen for place in places[key]}
    return [[p for p in places[id(weight)] if p not in shared] for weight in weights]


def _attributes(weight):
    # `recurrent_kernel` goes with `recurrent_regularizer`, and the `kernel` of
    # DepthwiseConv with `depthwise_regularizer`.
    stems = {weight.name, weight.name.removesuffix("_kernel")}
    stems |= {"depthwise"} if weight.name == "kernel" else set()
    return [f"{stem}_regularizer" for stem in stems]


class _Witness(keras.regularizers.Regularizer):
    """Stand in for a regularizer and note whether its config is asked for."""

    asked = False

    def get_config(self):
        self.asked = True
        return {}


def _saved(model, places):
    """Tell for each list of places whether the model's config reads any of them."""
    before = {place: getattr(*place) for its in places for place in its}
    witnesses = {place: _Witness() for place in before}
    try:
        _set(witnesses)
        model.get_config()
    except Exception:
        # A subclassed model without a config holds nothing.
        return [False] * len(places)
    finally:
        _set(before)
    return [any(witnesses[place].asked for place in its) for its in places]


def _set(values):
    for place, value in values.items():
        setattr(*place, value)
