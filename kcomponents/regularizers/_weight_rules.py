"""Select weights of a model, by kind, path, layer, variable or function."""

import difflib
import re

import keras

from kcomponents._checks import fail

PATTERNS = {
    "kernels": r"kernel(_[ab])?$",
    "biases": r"bias$",
    "embeddings": r"embeddings?(_[ab])?$",
    "normalization": r"^(gamma|beta|scale)$",
    "slopes": r"^alpha$",
}
KINDS = (*PATTERNS, "others", "all")


def kind(weight):
    """Return the kind of a weight, by its name or rank; None for a statistic."""
    if not keras.backend.is_float_dtype(weight.dtype):
        return None
    for name, pattern in PATTERNS.items():
        if re.search(pattern, weight.name):
            return name
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


def select(model, name, rule, exclude=None):
    """Return the weights that match `rule` (the argument `name`) and not `exclude`."""
    weights = weights_of(model)
    chosen = _matching_ids(name, rule, weights)
    if exclude is not None:
        chosen -= _matching_ids("exclude", exclude, weights)
    if not chosen:
        received = {name: rule, "exclude": exclude}
        fail(f"No weight is selected. {_list_of_kernels(weights)}", **received)
    return [weight for weight in weights if id(weight) in chosen]


def _matching_ids(name, rule, weights):
    """Return the ids of the weights that match a rule, or any rule of a list."""
    if isinstance(rule, (list, tuple, set)):
        return set().union(*(_matching_ids(name, part, weights) for part in rule))
    matches = {id(weight) for weight in weights if _matches(name, rule, weight)}
    if not matches and not _may_be_empty(rule):
        near = difflib.get_close_matches(str(rule), KINDS) or KINDS
        hint = f"Did you mean one of {', '.join(map(repr, near))}?"
        hint += f" {_list_of_kernels(weights)}"
        fail(f"`{name}` matches no weight. {hint}", **{name: rule})
    return matches


def _may_be_empty(rule):
    """Return whether a rule is valid for any model: a kind or a predicate."""
    if isinstance(rule, str):
        return rule in KINDS
    return not isinstance(rule, (re.Pattern, keras.Layer, keras.Variable))


def _matches(name, rule, weight):
    if isinstance(rule, str) and rule in KINDS:
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


def _list_of_kernels(weights, most=10):
    paths = [weight.path for weight in weights if kind(weight) == "kernels"]
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return f"Kernels of the model: {', '.join(paths[:most]) or 'none'}{more}."


def recompile_steps(model):
    """Compile the training and test steps again if they were compiled before."""
    if getattr(model, "train_function", None) is not None:
        model.make_train_function(force=True)
    if getattr(model, "test_function", None) is not None:
        model.make_test_function(force=True)
