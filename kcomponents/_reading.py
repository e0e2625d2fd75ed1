"""Reading: one look at a training, as numbers."""

import dataclasses
from typing import Any

from kcomponents._check import fail
from kcomponents._plain import count, floats, named


@dataclasses.dataclass(frozen=True)
class Reading:
    """One look at a training: each statistic of each variable or layer, as numbers.

    Args:
        epoch: Int, the epoch it was taken in, counted from 0.
        step: Int, the optimizer steps of this `fit` so far.
        values: Dict of statistic, to dict of variable or layer path (`"all"` for the
            whole model), to a number or a list of numbers, nested or not. Arrays
            become lists of floats; NaN and infinity are kept.

    Raises:
        ValueError: If a count is negative or no integer, or a value is no number.

    Example:
        >>> from kcomponents.record import Reading
        >>> Reading(epoch=0, step=100, values={"grad_norm": {"all": 2}})
        Reading(epoch=0, step=100, values={'grad_norm': {'all': 2.0}})
    """

    epoch: int
    step: int
    values: dict[str, dict[str, float | list]]

    def __post_init__(self) -> None:
        values = {
            name: {
                path: floats(f"values[{name!r}][{path!r}]", value)
                for path, value in named(f"values[{name!r}]", found).items()
            }
            for name, found in named("values", self.values).items()
        }
        for field in ("epoch", "step"):
            object.__setattr__(self, field, count(field, getattr(self, field)))
        object.__setattr__(self, "values", values)

    def to_dict(self) -> dict[str, Any]:
        """Return the reading as a dict of plain values, a copy."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Reading":
        """Return the reading that `to_dict` made the dict of."""
        if set(named("reading", data)) != {"epoch", "step", "values"}:
            fail("A reading must have `epoch`, `step` and `values`.", reading=data)
        return cls(**data)
