"""Why a trial failed, as a word that can be counted."""

import traceback

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
# What libraries say when memory is used up.
OUT_OF_MEMORY = ("resource_exhausted", "out of memory", "resourceexhausted")
# So much of a traceback is kept: its end, which tells most.
LENGTH = 2000


def reason_of(error):
    """Return the reason that an error stands for."""
    told = f"{type(error).__name__}: {error}".lower()
    full = isinstance(error, MemoryError) or any(w in told for w in OUT_OF_MEMORY)
    return "out_of_memory" if full else "crash"


def message_of(error):
    """Return the end of the traceback of an error."""
    return "".join(traceback.format_exception(error))[-LENGTH:]


def in_a_row(trials, limit):
    """Return the error that as many trials in a row ended with, or None.

    Only crashes count: a rate that leads to NaN is a result, a mistake in the code is
    not, and it would spoil every other trial too.
    """
    ended = [trial for trial in trials if trial.state.is_finished()]
    ended.sort(key=lambda trial: trial.datetime_complete)
    last = [_crash(trial) for trial in ended[-limit:]]
    same = len(last) == limit and last[0] is not None and len(set(last)) == 1
    return ended[-1].user_attrs["message"] if same else None


def _crash(trial):
    """Return the last line of the message of a crashed trial, else None."""
    if trial.user_attrs.get("reason") != "crash":
        return None
    lines = trial.user_attrs.get("message", "").strip().splitlines()
    return lines[-1] if lines else ""
