"""Remedy: a setting to change, values to try, the reason, and code."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Remedy:
    """One suggestion: a setting to change, values to try, the reason, and code.

    `str(remedy)` is the whole suggestion with its code, `repr(remedy)` one line.

    Args:
        setting: String, the name of an argument, such as `"learning_rate"` or
            `"hidden_activation"`, or of a step, such as `"shuffle_before_split"`.
            `kcomponents.tuning.space` makes a hyperparameter of this name.
        values: Tuple of values to try, the most promising first. JSON must be able to
            hold them. Empty for a step without a value to choose.
        reason: String, one sentence on why it helps.
        code: String, Python code ready to paste. Defaults to `""`.

    Example:
        >>> from kcomponents.doctor import Remedy
        >>> remedy = Remedy(
        ...     "learning_rate",
        ...     (0.001, 0.0001),
        ...     "A smaller learning rate stops overshooting the minimum.",
        ...     "optimizer = keras.optimizers.Adam(learning_rate=0.001)",
        ... )
        >>> print(remedy)
        Set learning_rate to 0.001 or 0.0001. A smaller learning rate stops overshooting
        the minimum.
            optimizer = keras.optimizers.Adam(learning_rate=0.001)
        >>> remedy
        <Remedy learning_rate: 0.001 or 0.0001>
    """

    setting: str
    values: tuple
    reason: str
    code: str = ""

    def __str__(self) -> str:
        choices = self._choices()
        change = f"Set {self.setting} to {choices}. " if choices else ""
        lines = [f"    {line}" for line in self.code.splitlines()]
        return "\n".join([change + self.reason, *lines])

    def __repr__(self) -> str:
        text = self._choices() or self.reason
        return " ".join(f"<Remedy {self.setting}: {text}>".split())

    def _choices(self):
        shown = [
            " and ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            for value in self.values
        ]
        *others, last = shown or [""]
        return f"{', '.join(others)} or {last}" if others else last

    def to_dict(self) -> dict[str, Any]:
        """Return the remedy as a dict of plain values."""
        return {**dataclasses.asdict(self), "values": list(self.values)}
