"""Outcome: the result of a trial."""

import dataclasses


@dataclasses.dataclass
class Outcome:
    """How a trial ended, and the facts to store.

    Args:
        reason: String or None: why it ended early.
        message: String, details of the reason.
        score: Float or None, the best value of the objective.
        facts: Dict of plain values: curves, seconds, memory, versions, ...
    """

    reason: str | None = None
    message: str = ""
    score: float | None = None
    facts: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        """Add reason, message and score to the facts."""
        known = {"reason": self.reason, "message": self.message, "score": self.score}
        self.facts = {**self.facts, **known}

    @property
    def state(self):
        """The state for Optuna, whose samplers learn from it.

        A trial that did badly is `"pruned"`, so that samplers avoid its values. A crash
        or a lost worker says nothing about the values, and is `"fail"`.
        """
        if self.reason is None:
            return "complete"
        return "fail" if self.reason in ("crash", "worker_lost") else "pruned"
