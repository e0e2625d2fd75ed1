"""Optimizer tap: measures gradients and updates where an optimizer applies them.

`apply` gets the gradients. After accumulation and without the loss scale, every Keras
optimizer passes them to a second method, which clips them. Both methods are covered.
"""

import collections
import dataclasses
import math
from typing import Any

from keras import ops

from kcomponents import _backends, _keras
from kcomponents._tensors import merge, values, widened
from kcomponents.probes._views import ClippedView, GradientView, UpdateView

# Fewer tensors of one shape are not stacked, because stacking takes operations too.
MANY = 8


@dataclasses.dataclass
class _Step:
    """The current step: its variables, and what was measured so far."""

    variables: tuple
    gradients: Any = None
    latest: Any = None


class OptimizerTap:
    """Adds each step of an optimizer to the tallies that `tallies_of` returns.

    Args:
        optimizer: Keras optimizer, built.
        covers: `MethodCovers` for its methods.
        tallies_of: Function that returns the tallies of a source.
        skips: Function that returns whether to skip steps with NaN or infinite
            gradients.
        attempt: Function that calls a function with arguments, and keeps its errors
            away from the step.
        scaling: Optimizer that scales the loss and contains `optimizer`, or `optimizer`
            itself. Defaults to `None`, the latter.

    `used` is whether gradients came to the optimizer in this `fit`.
    """

    def __init__(self, optimizer, covers, tallies_of, skips, attempt, scaling=None):
        self.optimizer, self.used = optimizer, False
        self.tallies_of, self.skips, self.attempt = tallies_of, skips, attempt
        self.variables = _keras.optimized_variables(optimizer)
        self.places = {id(v): i for i, v in enumerate(self.variables)}
        # One per replica, as several replicas may be inside a step at once.
        self._steps = {}
        covers.cover(optimizer, "apply", self._cover_apply)
        covers.cover(optimizer, _keras.clipping_method(), self._cover_clipping)
        if scaling is not None and scaling is not optimizer:
            # It keeps gradients that are not finite from the optimizer inside.
            covers.cover(scaling, "apply", self._cover_use)

    def _cover_use(self, original):
        def apply(*args, **kwargs):
            self.used = True
            return original(*args, **kwargs)

        return apply

    def _cover_apply(self, original):
        def apply(grads, trainable_variables=None):
            self.used = True
            grads, variables = list(grads), trainable_variables or self.variables
            pairs = zip(grads, variables, strict=False)
            pairs = [(g, v) for g, v in pairs if g is not None and _is_moved(v)]
            if not pairs:
                # Keras raises an error for them.
                return original(grads, trainable_variables)
            own, moved = zip(*pairs, strict=True)
            step = self._steps[_backends.replica()] = _Step(moved)
            try:
                total = self.attempt(self._measure_before, step, own)
                skips = total is not None and self.skips()
                apply = self._skipping(original, total) if skips else original
                return self._apply(apply, step, grads, trainable_variables)
            finally:
                # So that the tensors of a step are freed before the next one.
                del self._steps[_backends.replica()]

        return apply

    def _cover_clipping(self, original):
        def clip(grads):
            clipped = original(grads)
            step = self._steps.get(_backends.replica())
            if step is not None:
                self.attempt(self._measure_clipping, step, grads, clipped)
            return clipped

        return clip

    def _measure_before(self, step, grads):
        """Measure the gradients of a step, and return their squared norm or None."""
        if not self._accumulates():
            self._measure_gradients(step, self._unscaled(grads))
        return self._measure_batch(step, grads)

    def _measure_clipping(self, step, grads, clipped):
        if self._accumulates():
            self._measure_gradients(step, grads)
        if tallies := self.tallies_of("clipped_gradients"):
            same = list(map(id, clipped)) == list(map(id, step.latest))
            before = step.gradients.squares
            squares = before if same else self._squares(step, clipped)
            _add(tallies, ClippedView(squares=squares, unclipped=before))

    def _measure_gradients(self, step, grads):
        tallies = self.tallies_of("gradients")
        others = ["clipped_gradients"]
        if not self._accumulates():
            others.append("batch_gradients")
        if not tallies and not any(map(self.tallies_of, others)):
            return
        step.latest = grads
        step.gradients = self._view(step, grads)
        _add(tallies, step.gradients)

    def _measure_batch(self, step, grads):
        """Measure the gradients of one batch, and return their squared norm."""
        tallies = self.tallies_of("batch_gradients")
        if not tallies:
            return None
        view = step.gradients
        if self._accumulates():
            view = self._view(step, self._unscaled(grads))
        _add(tallies, view)
        return view.total

    def _view(self, step, grads):
        number = ops.cast(self.optimizer.iterations, "float32") + 1.0
        return GradientView(squares=self._squares(step, grads), step=number)

    def _skipping(self, original, total):
        """Wrap the method so that it does nothing if the total is NaN or infinite."""

        def finite(grads, variables, total):
            original(grads, variables)

        def apply(grads, variables=None):
            variables = variables or self.variables
            state = self.optimizer.variables
            _backends.apply_if_finite(total, finite, grads, variables, state)

        return apply

    def _apply(self, original, step, grads, trainable_variables):
        tallies = self.tallies_of("updates")
        if not tallies:
            return original(grads, trainable_variables)
        before = [ops.copy(v) for v in step.variables]
        steps = ops.cast(self.optimizer.iterations, "float32")
        original(grads, trainable_variables)
        self.attempt(self._measure_moves, tallies, step, before, steps)
        return None

    def _measure_moves(self, tallies, step, before, steps):
        moved = [v - b for v, b in zip(step.variables, before, strict=True)]
        view = UpdateView(
            squares=self._in_place(step, square_sums(moved)),
            weights=self._in_place(step, square_sums(before)),
            applied=ops.cast(self.optimizer.iterations, "float32") - steps,
        )
        _add(tallies, view)

    def _accumulates(self):
        return getattr(self.optimizer, "gradient_accumulation_steps", None)

    def _unscaled(self, grads):
        scale = self.optimizer.loss_scale_factor
        if scale is None:
            return grads
        return [values(g) / scale for g in map(merge, grads)]

    def _squares(self, step, grads):
        grads = _backends.sum_over_replicas(list(grads))
        return self._in_place(step, square_sums([values(merge(g)) for g in grads]))

    def _in_place(self, step, found):
        """Return numbers for all variables, 0 for variables not in this step."""
        places = [self.places[id(v)] for v in step.variables]
        if places == list(range(len(self.variables))):
            return found
        found = ops.concatenate([found, ops.zeros((1,), "float32")])
        where = {place: i for i, place in enumerate(places)}
        missing = len(places)
        return ops.take(
            found, [where.get(i, missing) for i in range(len(self.variables))]
        )


def _is_moved(variable):
    # For float8 scales, Keras assigns the "gradient" to the variable.
    return not getattr(variable, "overwrite_with_gradient", False)


def _add(tallies, view):
    for tally in tallies:
        tally.add(view)


def square_sums(tensors):
    """Return the sum of squares of each tensor, as one vector in float32.

    Small tensors of equal shape are stacked and squared together, so that a model with
    many layers needs few operations, instead of a few per variable.
    """
    if not _backends.worth_stacking:
        return _backends.square_sums(tensors)
    groups = collections.defaultdict(list)
    for place, tensor in enumerate(tensors):
        shape = tuple(tensor.shape)
        small = None not in shape and math.prod(shape) <= _backends.worth_stacking
        groups[shape if small else None].append(place)
    alone = groups.pop(None, [])
    stacks = [places for places in groups.values() if len(places) >= MANY]
    alone += [i for places in groups.values() if len(places) < MANY for i in places]
    alone.sort()
    parts = [_of_stack([tensors[i] for i in places]) for places in stacks]
    # A training in float64 has wider sums.
    parts = [ops.cast(part, "float32") for part in parts]
    if alone:
        parts.append(_backends.square_sums([tensors[i] for i in alone]))
    order = [i for places in stacks for i in places] + alone
    found = ops.concatenate(parts) if len(parts) > 1 else parts[0]
    if order == sorted(order):
        return found
    return ops.take(found, sorted(range(len(order)), key=order.__getitem__))


def _of_stack(tensors):
    stack = widened(ops.stack(tensors))
    return ops.sum(ops.square(ops.reshape(stack, (len(tensors), -1))), axis=1)
