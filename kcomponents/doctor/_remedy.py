"""Remedy: a setting to change, the values to try, and why."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Remedy:
    """One thing to change: a setting, values worth a try, the reason, code to paste.

    Args:
        setting: String, what is changed, such as `"learning_rate"` or
            `"hidden_activation"`.
        values: Tuple of values worth a try, the likeliest first, plain ones that JSON
            can hold. Empty where there is nothing to choose.
        reason: String, one sentence on why it helps.
        code: String of Python, ready to paste.

    Example:
        >>> from kcomponents.doctor import Remedy
        >>> remedy = Remedy(
        ...     "learning_rate",
        ...     (0.001, 0.0001),
        ...     "Short steps do not jump over it.",
        ...     "optimizer = keras.optimizers.Adam(learning_rate=0.001)",
        ... )
        >>> print(remedy)
        Set learning_rate to 0.001 or 0.0001. Short steps do not jump over it.
            optimizer = keras.optimizers.Adam(learning_rate=0.001)
    """

    setting: str
    values: tuple
    reason: str
    code: str = ""

    def __str__(self) -> str:
        shown = " or ".join(map(str, self.values))
        told = f"Set {self.setting} to {shown}. " if shown else ""
        lines = [f"    {line}" for line in self.code.splitlines()]
        return "\n".join([told + self.reason, *lines])

    def to_dict(self) -> dict[str, Any]:
        """Return the remedy as a dict of plain values."""
        return {**dataclasses.asdict(self), "values": list(self.values)}
