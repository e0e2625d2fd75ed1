"""Kinds of weights, selection of weights by rules, and the layers that own them."""

import difflib
import re

import keras

from kcomponents._checks import fail

_NAMES = {
    "kernels": r"kernel(_[ab])?$",
    "biases": r"bias$",
    "embeddings": r"embeddings?(_[ab])?$",
    "normalization": r"^(gamma|beta|scale)$",
    "slopes": r"^alpha$",
}
WORDS = (*_NAMES, "others", "all")


def kind(weight):
    """Return the kind of a weight by its name or rank, None for a statistic."""
    if not keras.backend.is_float_dtype(weight.dtype):
        return None
    for word, pattern in _NAMES.items():
        if re.search(pattern, weight.name):
            return word
    if not weight.trainable:
        return None
    return "kernels" if len(weight.shape) > 1 else "others"


def weights_of(model):
    """Return the weights of a built model or layer, without statistics."""
    if not isinstance(model, keras.Layer):
        fail("`model` must be a Keras model or layer.", model=model)
    if not model.built:
        rule = "`model` must be built: add a `keras.Input`, or call it on a batch."
        fail(rule, model=model)
    return [weight for weight in model.weights if kind(weight)]


def choose(model, name, rule, exclude=None):
    """Return the weights that match `rule` (the argument `name`) and not `exclude`."""
    weights = weights_of(model)
    chosen = _matching(name, rule, weights)
    if exclude is not None:
        chosen -= _matching("exclude", exclude, weights)
    if not chosen:
        received = {name: rule, "exclude": exclude}
        fail(f"No weight is selected. {_kernels(weights)}", **received)
    return [weight for weight in weights if id(weight) in chosen]


def _matching(name, rule, weights):
    """Return the ids of the weights that match a rule, or any rule of a list."""
    if isinstance(rule, (list, tuple, set)):
        return set().union(*(_matching(name, part, weights) for part in rule))
    matches = {id(weight) for weight in weights if _means(name, rule, weight)}
    if not matches and not _may_match_nothing(rule):
        near = difflib.get_close_matches(str(rule), WORDS) or WORDS
        hint = f"Did you mean one of {', '.join(map(repr, near))}?"
        fail(f"`{name}` matches no weight. {hint} {_kernels(weights)}", **{name: rule})
    return matches


def _may_match_nothing(rule):
    """Return whether a rule is valid for any model: a kind or a predicate."""
    if isinstance(rule, str):
        return rule in WORDS
    return not isinstance(rule, (re.Pattern, keras.Layer, keras.Variable))


def _means(name, rule, weight):
    if isinstance(rule, str) and rule in WORDS:
        return rule in ("all", kind(weight))
    if isinstance(rule, (str, re.Pattern)):
        try:
            return re.search(rule, weight.path)
        except re.error as error:
            fail(f"`{name}` must be a regular expression: {error}.", **{name: rule})
    if isinstance(rule, keras.Variable):
        return weight is rule
    if isinstance(rule, keras.Layer):
        return any(weight is its for its in rule.weights)
    if callable(rule):
        return rule(weight)
    choices = "a kind, a regular expression, a layer, a variable, a callable"
    fail(f"`{name}` must be {choices}, or a list of these.", **{name: rule})


def _kernels(weights, most=10):
    paths = [weight.path for weight in weights if kind(weight) == "kernels"]
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return f"Kernels of the model: {', '.join(paths[:most]) or 'none'}{more}."


def holders(layer, outer=(), found=None, seen=None):
    """Map the id of each weight to the layers that contain it, outermost first."""
    found, seen = ({}, set()) if found is None else (found, seen)
    seen.add(id(layer))
    # Keras has no public list of a layer's sublayers, so search its attributes.
    values = list(vars(layer).values())
    values += [v for many in values if isinstance(many, (list, tuple)) for v in many]
    for value in values:
        if isinstance(value, keras.Layer) and id(value) not in seen:
            holders(value, (*outer, layer), found, seen)
    for value in values:
        if isinstance(value, keras.Variable):
            found.setdefault(id(value), (*outer, layer))
    return found


def renew_steps(model):
    """Compile the training and test steps again if they were compiled before."""
    if getattr(model, "train_function", None) is not None:
        model.make_train_function(force=True)
    if getattr(model, "test_function", None) is not None:
        model.make_test_function(force=True)
