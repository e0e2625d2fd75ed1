"""Bounds: the checked arguments of `clipped`, and the clipping itself."""

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
    """The checked arguments of `clipped`; `None` sets no bound."""

    global_clipnorm: float | None
    clipnorm: float | None
    clipvalue: float | None
    agc: float | None
    nonfinite: str | None
    exclude: tuple[str, ...] | None

    @classmethod
    def checked(cls, *, nonfinite, exclude, **limits):
        """Return the bounds, or raise a ValueError for invalid arguments."""
        for name, limit in limits.items():
            if limit is not None:
                limits[name] = number(name, limit, 0, open_low=True)
        if nonfinite is not None:
            one_of("nonfinite", nonfinite, ("skip", "zero", "raise"))
        elif not any(limits.values()):
            fail("Pass at least one bound or `nonfinite`.", nonfinite=None, **limits)
        if exclude is not None:
            if limits["agc"] is None:
                fail("`exclude` applies to `agc` only: pass `agc` too.", agc=None)
            exclude = _patterns(exclude)
        return cls(**limits, nonfinite=nonfinite, exclude=exclude)

    def get_config(self):
        """Return the arguments of `clipped` as plain values."""
        config = dataclasses.asdict(self)
        return {**config, "exclude": self.exclude and list(self.exclude)}

    def clip(self, grads, variables, norm=None, unit=1.0):
        """Return the clipped gradients; bounds act from the finest to the coarsest.

        A later bound only shortens gradients, so the earlier ones still hold. `norm`
        is the global norm if it was computed before. `unit` is the loss scale that
        the gradients still carry.
        """
        if self.clipvalue:
            grads, norm = clip_by_value(grads, self.clipvalue * unit), None
        if self.agc:
            grads, norm = self._clip_adaptively(grads, variables, unit), None
        if self.clipnorm:
            grads, norm = clip_by_norm(grads, self.clipnorm * unit), None
        if self.global_clipnorm:
            grads = clip_by_global_norm(grads, self.global_clipnorm * unit, norm)
        return grads

    def _clip_adaptively(self, grads, variables, unit):
        excluded = [self._excludes(variable) for variable in variables]
        chosen = [None if out else g for g, out in zip(grads, excluded, strict=True)]
        chosen = adaptive_clip(chosen, variables, self.agc * unit)
        return [
            g if out else c for g, c, out in zip(grads, chosen, excluded, strict=True)
        ]

    def _excludes(self, variable):
        path = getattr(variable, "path", variable.name)
        return any(re.search(pattern, path) for pattern in self.exclude or ())


def _patterns(exclude):
    exclude = (exclude,) if isinstance(exclude, str) else tuple(exclude)
    for pattern in exclude:
        if not isinstance(pattern, str):
            fail(
                "`exclude` must be a regular expression or a list of strings.",
                exclude=exclude,
            )
        try:
            re.compile(pattern)
        except re.error as error:
            fail(
                f"`exclude` must be a valid regular expression: {error}.",
                exclude=pattern,
            )
    return exclude
