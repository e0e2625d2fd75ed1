"""Containers: searches with process numbers of their own share a folder."""

import os
import subprocess
import sys

import numpy as np
import pytest

from kcomponents.tuning._workers.payload import from_bytes, to_bytes
from tests.tuning.small import search_of

OWN_NUMBERS = ["unshare", "--pid", "--fork", "--mount-proc"]
SEARCH = """
import os, sys
import psutil
from tests.tuning.small import run, search_of
assert not psutil.pid_exists(int(sys.argv[2]))
run(search_of(sys.argv[1], max_trials=1, repeats=0, pruner="none"), epochs=1)
"""


def missing():
    """Return why there can be no container, or `None`."""
    try:
        done = subprocess.run([*OWN_NUMBERS, "true"], capture_output=True, text=True)
    except FileNotFoundError:
        return "the command `unshare` is not installed"
    return done.stderr.strip() or None


@pytest.mark.any_backend
@pytest.mark.skipif(missing() is not None, reason=f"no containers: {missing()}")
def test_a_search_that_ends_leaves_the_files_of_one_in_another_container(tmp_path):
    large = np.arange(2**18, dtype="float64")
    search = search_of(tmp_path)
    content = to_bytes(search, (large,), {})
    # Another search ends in the same folder, and cannot see this process.
    subprocess.run(
        [*OWN_NUMBERS, sys.executable, "-c", SEARCH, str(tmp_path), str(os.getpid())],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    _, (x,), _ = from_bytes(content)
    np.testing.assert_array_equal(x, large)
    search.presence.end()
    left = sorted(os.listdir(tmp_path / "untitled_project"))
    assert not [name for name in left if name.startswith("process-")]
