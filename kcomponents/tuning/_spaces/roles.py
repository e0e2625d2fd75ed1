"""Roles: which hyperparameter is the activation, and which the regularizer."""

ACTIVATIONS = {
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "leaky_relu",
    "linear",
    "maxout",
    "mish",
    "none",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "swish",
    "tanh",
}
REGULARIZERS = {"elastic_net", "group_lasso", "l1", "l1_l2", "l1l2", "l2", "none"}


def activation_of(space):
    """Return the name of the first choice among activations, or None."""
    return _first(space, ACTIVATIONS)


def regularizer_of(space):
    """Return the name of the first choice among regularizers, or None."""
    return _first(space, REGULARIZERS)


def _first(space, known):
    for hp in space.space:
        values = getattr(hp, "values", None) or []
        # "maxout:3" is a maxout.
        kinds = {str(value).split(":")[0] for value in values}
        if len(kinds) > 1 and kinds <= known:
            return hp.name
    return None
