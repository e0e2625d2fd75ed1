"""Each property runs in an empty folder, and must leave it empty."""

import os
import tempfile

import pytest
from hypothesis import configuration

# What Hypothesis keeps goes neither there nor into the repository.
kept = tempfile.TemporaryDirectory(prefix="hypothesis-")
configuration.set_hypothesis_home_dir(kept.name)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    yield
    assert os.listdir() == []
