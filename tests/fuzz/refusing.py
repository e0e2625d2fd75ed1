"""What a call may answer to hostile values: a result, or an error in words."""

import os
import time

import kcomponents

PACKAGE = os.path.join(os.path.dirname(kcomponents.__file__), "")
# Seconds, above what any part needs on a busy machine, below what a user waits for.
LONGEST = 10
MOST_LETTERS = 7000


def refusal(call, *, names=(), ours=False):
    """Return the error that a call is refused with, or None; anything else fails.

    A ValueError of the package itself must say what it got. Keras and numpy, asked by
    the package, have words of their own, and so has Python for a wrong type; with
    `ours=True` no such error passes.
    """
    began = time.monotonic()
    found = _error(call)
    assert time.monotonic() - began < LONGEST
    if isinstance(found, RecursionError):
        # Keras goes through what a layer is given, however deep, before the layer does.
        assert not ours and not _is_own(found)
    elif found is not None and (ours or _is_said_by_us(found)):
        told = str(found)
        if len(told) > MOST_LETTERS or not any(n in told for n in ("Received", *names)):
            raise AssertionError(f"Not told well: {told[:MOST_LETTERS]}") from found
    return found


def _error(call):
    try:
        call()
    except (ValueError, TypeError, RecursionError) as error:
        return error
    return None


def _is_said_by_us(error):
    return isinstance(error, ValueError) and _is_own(error)


def _is_own(error):
    """Tell whether the last line of Python that ran is one of the package."""
    step = error.__traceback__
    while step.tb_next is not None:
        step = step.tb_next
    return step.tb_frame.f_code.co_filename.startswith(PACKAGE)
