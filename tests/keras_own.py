"""Run Keras's own test modules with our class in place of theirs."""

import importlib
import types
import unittest
import warnings

import pytest


def theirs_in(name):
    """Return a test module of Keras, an empty one where the wheel ships no tests."""
    try:
        return importlib.import_module(f"keras.src.{name}")
    except ModuleNotFoundError:
        return types.SimpleNamespace()


def cases(module, only=None, **differences):
    """List the tests of a Keras test module, or of one class in it, as parameters.

    A keyword argument names a test that differs on purpose and gives the reason. Such
    a test must fail: one that passes is no difference, and is reported.
    """
    parameters = []
    for class_name, value in vars(module).items():
        if only not in (None, class_name):
            continue
        if isinstance(value, type) and issubclass(value, unittest.TestCase):
            for name in unittest.TestLoader().getTestCaseNames(value):
                reason = differences.get(name.split("_", 1)[1])
                marks = list(getattr(getattr(value, name), "pytestmark", ()))
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
