"""Outcome: what came of a trial."""

import dataclasses


@dataclasses.dataclass
class Outcome:
    """How a trial ended, and all that is kept of it.

    Args:
        reason: String or None: why it was not trained to its end.
        message: String, more on that.
        score: Float or None, the best value of the objective.
        facts: Dict of plain values: curves, seconds, memory, versions, ...
    """

    reason: str | None = None
    message: str = ""
    score: float | None = None
    facts: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        """Put what is told of every trial among the facts."""
        told = {"reason": self.reason, "message": self.message, "score": self.score}
        self.facts = {**self.facts, **told}

    @property
    def state(self):
        """The state in the words of Optuna, whose samplers learn from it.

        What was seen to do badly is `"pruned"`, so that samplers keep away from it.
        What broke says nothing of its values, and is `"fail"`.
        """
        if self.reason is None:
            return "complete"
        return "fail" if self.reason in ("crash", "worker_lost") else "pruned"
