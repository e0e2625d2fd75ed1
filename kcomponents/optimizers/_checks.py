"""Checks of `clipped`: the optimizer, and finite gradients for `nonfinite="raise"`."""

import keras
from keras import ops

from kcomponents._check import fail


def check_clippable(optimizer):
    """Raise a ValueError for optimizers that `clipped` cannot wrap."""
    if optimizer is None:
        fail("`optimizer` must be a Keras optimizer or its name.", optimizer=None)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        rule = "Clip the inner optimizer instead: LossScaleOptimizer(clipped(...))."
        fail(rule, optimizer=optimizer)
    inner = getattr(optimizer, "optimizers", [])
    for each in (optimizer, *inner):
        for name in ("clipnorm", "global_clipnorm", "clipvalue"):
            limit = getattr(each, name, None)
            if limit is not None:
                rule = (
                    f"`optimizer` must not have its own `{name}`: pass it to `clipped`."
                )
                fail(rule, **{name: limit})
    if any(steps := [each.gradient_accumulation_steps for each in inner]):
        rule = "Optimizers in a MultiOptimizer must not accumulate gradients."
        fail(rule, gradient_accumulation_steps=steps)


def raise_unless_finite(norm, tensors, variables):
    """Raise an error that names the variables whose gradients are not finite."""
    try:
        finite = bool(ops.isfinite(norm))
    except TypeError as error:  # in a compiled step the norm has no value
        rule = "`nonfinite='raise'` needs eager steps: use `compile(run_eagerly=True)`."
        raise ValueError(rule) from error
    if not finite:
        paths = [
            getattr(v, "path", v.name)
            for t, v in zip(tensors, variables, strict=True)
            if t is not None and not bool(ops.all(ops.isfinite(t)))
        ]
        raise FloatingPointError(f"Gradients are not finite: {', '.join(paths)}.")
