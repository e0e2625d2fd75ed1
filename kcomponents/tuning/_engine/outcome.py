"""The outcome of a trial, and the reasons why trials end early."""

import dataclasses
import traceback


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
        own = {"reason": self.reason, "message": self.message, "score": self.score}
        self.facts = {**self.facts, **own}

    @property
    def state(self):
        """The state for Optuna, whose samplers learn from it.

        A trial that did badly is `"pruned"`, so that samplers avoid its values. A crash
        or a lost worker says nothing about the values, and is `"fail"`.
        """
        if self.reason is None:
            return "complete"
        return "fail" if self.reason in ("crash", "worker_lost") else "pruned"


# Reasons of failure

REASONS = (
    "nan",
    "diverged",
    "dead_relu",
    "not_learning",
    "out_of_memory",
    "timeout",
    "crash",
    "worker_lost",
)
# Parts of the libraries' out-of-memory messages, in lower case.
OUT_OF_MEMORY = ("resource_exhausted", "out of memory", "resourceexhausted")
# Characters to keep of a traceback's end.
LENGTH = 2000


def reason_of(error):
    """Return the reason for an error, `"out_of_memory"` or `"crash"`."""
    message = f"{type(error).__name__}: {error}".lower()
    full = isinstance(error, MemoryError) or any(
        words in message for words in OUT_OF_MEMORY
    )
    return "out_of_memory" if full else "crash"


def message_of(error):
    """Return the end of the traceback of an error."""
    return "".join(traceback.format_exception(error))[-LENGTH:]


def same_crash_in_a_row(trials, limit):
    """Return the error if the last `limit` trials crashed with the same one, or None.

    Only crashes count: NaN is a result, but a bug in the code would crash every other
    trial too.
    """
    ended = [trial for trial in trials if trial.state.is_finished()]
    ended.sort(key=lambda trial: trial.datetime_complete)
    last = [_crash(trial) for trial in ended[-limit:]]
    same = len(last) == limit and last[0] is not None and len(set(last)) == 1
    return ended[-1].user_attrs["message"] if same else None


def _crash(trial):
    """Return the last line of a crashed trial's traceback, else None."""
    if trial.user_attrs.get("reason") != "crash":
        return None
    lines = trial.user_attrs.get("message", "").strip().splitlines()
    return lines[-1] if lines else ""
