"""Bounds: what `clipped` does to gradients before they are applied."""

import dataclasses
import re

from kcomponents._check import fail, number, one_of
from kcomponents.clipping import (
    adaptive_clip,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
)


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The arguments of `clipped`, checked; `None` bounds nothing."""

    global_norm: float | None
    norm: float | None
    value: float | None
    agc: float | None
    nonfinite: str | None
    exclude: tuple | None

    @classmethod
    def checked(cls, *, nonfinite, exclude, **limits):
        """Return the bounds, or refuse those that mean nothing."""
        for name, limit in limits.items():
            if limit is not None:
                limits[name] = number(name, limit, 0, open_low=True)
        if nonfinite is not None:
            one_of("nonfinite", nonfinite, ("skip", "zero", "raise"))
        elif not any(limits.values()):
            fail("A bound or `nonfinite` must be given.", nonfinite=None, **limits)
        if exclude is not None:
            if limits["agc"] is None:
                fail("`exclude` concerns `agc` only, which must be set.", agc=None)
            exclude = _patterns(exclude)
        return cls(**limits, nonfinite=nonfinite, exclude=exclude)

    @classmethod
    def names(cls):
        """Return the names of the arguments."""
        return [field.name for field in dataclasses.fields(cls)]

    def get_config(self):
        """Return the arguments of `clipped` as plain values."""
        config = dataclasses.asdict(self)
        return {**config, "exclude": self.exclude and list(self.exclude)}

    def clip(self, grads, variables, norm=None, unit=1.0):
        """Return the clipped gradients, from the finest bound to the coarsest.

        A later bound only shortens gradients, so the earlier ones still hold. `norm`
        is the global norm, where it is known. `unit` is the scale of the gradients.
        """
        if self.value:
            grads, norm = clip_by_value(grads, self.value * unit), None
        if self.agc:
            grads, norm = self._clip_adaptively(grads, variables, unit), None
        if self.norm:
            grads, norm = clip_by_norm(grads, self.norm * unit), None
        if self.global_norm:
            grads = clip_by_global_norm(grads, self.global_norm * unit, norm)
        return grads

    def _clip_adaptively(self, grads, variables, unit):
        left_out = [self._excludes(variable) for variable in variables]
        chosen = [None if out else g for g, out in zip(grads, left_out, strict=True)]
        chosen = adaptive_clip(chosen, variables, self.agc * unit)
        return [
            g if out else c for g, c, out in zip(grads, chosen, left_out, strict=True)
        ]

    def _excludes(self, variable):
        path = getattr(variable, "path", variable.name)
        return any(re.search(pattern, path) for pattern in self.exclude or ())


def _patterns(exclude):
    exclude = (exclude,) if isinstance(exclude, str) else tuple(exclude)
    for pattern in exclude:
        if not isinstance(pattern, str):
            fail(
                "`exclude` must be strings, patterns of variable paths.",
                exclude=exclude,
            )
        try:
            re.compile(pattern)
        except re.error as error:
            fail(f"`exclude` must be regular expressions: {error}.", exclude=pattern)
    return exclude
