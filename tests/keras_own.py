"""What the installed Keras can do, and its own test modules, run with our classes."""

import importlib
import types
import unittest
import warnings

import keras
import pytest


def takes_several_steps():
    """Return whether this Keras runs several steps in one call on this backend."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=2)
    try:
        model.make_train_function()
    except ValueError:
        return False
    finally:
        # So that names of layers start at 1 again.
        keras.utils.clear_session(free_memory=False)
    return True


needs_several_steps = pytest.mark.skipif(
    not takes_several_steps(),
    reason="Keras refuses `steps_per_execution` above 1 on this backend",
)


def theirs_in(name):
    """Return a test module of Keras, an empty one where the wheel ships no tests."""
    try:
        return importlib.import_module(f"keras.src.{name}")
    except ModuleNotFoundError:
        return types.SimpleNamespace()


def cases(module, only=None, once=None, **differences):
    """List the tests of a Keras test module, or of one class in it, as parameters.

    A keyword argument names a test that differs on purpose and gives the reason. Such
    a test must fail: one that passes is no difference, and is reported. Of the tests
    whose names begin with `once`, one backend runs all, and the others the first.
    """
    parameters, begun = [], False
    for class_name, value in vars(module).items():
        if only not in (None, class_name):
            continue
        if isinstance(value, type) and issubclass(value, unittest.TestCase):
            for name in unittest.TestLoader().getTestCaseNames(value):
                reason = differences.get(name.split("_", 1)[1])
                marks = list(getattr(getattr(value, name), "pytestmark", ()))
                if once and name.startswith(once):
                    marks += [pytest.mark.any_backend] * begun
                    begun = True
                if reason:
                    marks.append(pytest.mark.xfail(reason=reason, strict=True))
                parameters.append(pytest.param(value(name), id=name, marks=marks))
    return parameters


def run(case):
    """Run one test of Keras and raise what it raised; skip what Keras skips."""
    result = unittest.TestResult()
    with warnings.catch_warnings():
        # Keras's layer tests call `fit` in ways that Keras itself warns of.
        warnings.simplefilter("ignore", UserWarning)
        case.run(result)
    for _, trace in result.failures + result.errors:
        raise AssertionError(trace)
    for _, reason in result.skipped:
        pytest.skip(f"Keras skips it: {reason}")
