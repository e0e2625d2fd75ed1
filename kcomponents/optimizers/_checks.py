"""What `clipped` refuses: optimizers it cannot clip, and gradients on demand."""

import keras
from keras import ops

from kcomponents._check import fail


def check_clippable(optimizer):
    """Refuse what is no optimizer, or clips by itself, or could not be clipped."""
    if optimizer is None:
        fail("`optimizer` must be an optimizer or its name.", optimizer=None)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        rule = "`optimizer` must be the one inside: LossScaleOptimizer(clipped(...))."
        fail(rule, optimizer=optimizer)
    inner = getattr(optimizer, "optimizers", [])
    for each in (optimizer, *inner):
        for name in ("clipnorm", "global_clipnorm", "clipvalue"):
            limit = getattr(each, name, None)
            if limit is not None:
                fail(f"`optimizer` must not clip too, by `{name}`.", **{name: limit})
    if any(steps := [each.gradient_accumulation_steps for each in inner]):
        rule = "The optimizers inside a MultiOptimizer must not accumulate."
        fail(rule, gradient_accumulation_steps=steps)


def raise_unless_finite(norm, tensors, variables):
    """Name the variables whose gradients are not finite, unless all are."""
    try:
        finite = bool(ops.isfinite(norm))
    except TypeError as error:  # what graphs and tracers answer
        message = "needs steps that are not compiled: `compile(run_eagerly=True)`."
        raise ValueError(f"`nonfinite='raise'` {message}") from error
    if not finite:
        paths = [
            getattr(v, "path", v.name)
            for t, v in zip(tensors, variables, strict=True)
            if t is not None and not bool(ops.all(ops.isfinite(t)))
        ]
        raise FloatingPointError(f"Gradients are not finite: {', '.join(paths)}.")
