"""Tests stricter than life: seeds fixed, no state kept from one test to the next."""

import gc
import logging
import os
import sys
import types

import keras
import pytest

from tests import random_cases
from tests.keras_versions import needs_keras
from tests.tensorflow_data import turn_autotuning_off


def skip_if_backend(backend, reason):
    """Mark a test that does not hold on one backend."""
    return pytest.mark.skipif(keras.backend.backend() == backend, reason=reason)


# Some test modules of Keras import this mark from a `conftest` its wheel has not.
theirs = types.SimpleNamespace(skip_if_backend=skip_if_backend)
sys.modules.setdefault("conftest", theirs)


def without_emitters(version):
    """Let XLA compile in a third less time; later versions do not know the option."""
    if version < (0, 12):
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")


if keras.backend.backend() == "jax":
    import jax

    without_emitters(jax.__version_info__)
if keras.backend.backend() == "tensorflow":
    turn_autotuning_off()


def pytest_addoption(parser):
    """Add `--full`."""
    text = "try all random cases of the tests with the marker `slow`, for hours"
    parser.addoption("--full", action="store_true", help=text)


def pytest_configure(config):
    """Set the number of random cases before tests are imported, which ask for it."""
    random_cases.full = config.getoption("--full")
    if keras.__version__.startswith("3.10."):
        # It warns so of every functional model that it has loaded itself.
        text = "ignore:The structure of `inputs` doesn't match:UserWarning"
        config.addinivalue_line("filterwarnings", text)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Run the pages of `docs` with one backend, and the longest files first."""
    # So that no process is left with one of them at the end.
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)
    # Older versions print another number in an example.
    old = needs_keras("3.14", "does not divide activity regularizers by the samples")
    for item in items:
        if item.nodeid.startswith("docs/"):
            item.add_marker(pytest.mark.any_backend)
        if item.name == "kcomponents.regularizers.penalties.KLSparsity":
            item.add_marker(old)


def pytest_collection_finish():
    """Let `gc` look only at what tests make, and not at all that they import."""
    gc.freeze()


@pytest.fixture(autouse=True)
def fresh_state():
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session(free_memory=False)
    # Recipes and tables silence it, as they are programs.
    logging.getLogger("kcomponents").setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def small_heap():
    """Let `gc` look only at what the tests of a module make, which takes no seconds."""
    gc.collect()
    gc.freeze()
