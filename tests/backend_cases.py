"""Cases of which one backend is enough, while the others of a test need each of them.

`@pytest.mark.parametrize("steps", [3, *once(1, 2)])` tries 3 on each backend, and 1 and
2 only where tests with the marker `any_backend` run. That is PyTorch, so a test that is
skipped there needs all of its values elsewhere.
"""

import pytest


def once(*values):
    """Return these values, or tuples of values, with the marker `any_backend`."""
    marked = []
    for value in values:
        group = value if isinstance(value, tuple) else (value,)
        marked.append(pytest.param(*group, marks=pytest.mark.any_backend))
    return marked
