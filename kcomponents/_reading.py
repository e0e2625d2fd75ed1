"""Reading: the statistics of one step of a run, as plain numbers."""

import dataclasses
from typing import Any

from kcomponents._check import fail
from kcomponents._plain import count, floats, named


@dataclasses.dataclass(frozen=True)
class Reading:
    """Statistics of a model at one step of a run.

    Args:
        epoch: Int, the epoch, counted from 0.
        step: Int, number of optimizer steps of this `fit` so far.
        values: Dict of statistic name to dict of variable or layer path (`"all"` for
            the whole model) to a number or a (nested) list of numbers. Arrays are
            converted to lists of floats; NaN and infinity are kept.

    Raises:
        ValueError: If a count is negative or not an integer, or a value is not a
            number.

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
        """Return a copy of the reading as a dict of plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Reading":
        """Return the reading from a dict that `to_dict` returned."""
        if set(named("reading", data)) != {"epoch", "step", "values"}:
            fail("A reading must have `epoch`, `step` and `values`.", reading=data)
        return cls(**data)
