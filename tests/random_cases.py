"""How many cases a test with the marker `slow` tries: a sample, or all of them.

`pytest` tries a sample, which is the same each time. `pytest -m slow --full` runs these
tests alone, with all of their cases, for hours.
"""

full = False


def cases(sample, everything):
    """Return the cases to try; both arguments are numbers or lists of seeds."""
    return everything if full else sample
