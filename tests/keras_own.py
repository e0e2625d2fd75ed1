"""Run Keras's own test modules with our class in place of theirs."""

import unittest
import warnings

import pytest


def cases(module, **differences):
    """List the tests of a Keras test module, as parameters for pytest.

    A keyword argument names a test that differs on purpose and gives the reason. Such
    a test must fail: one that passes is no difference, and is reported.
    """
    parameters = []
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, unittest.TestCase):
            for name in unittest.TestLoader().getTestCaseNames(value):
                reason = differences.get(name.split("_", 1)[1])
                mark = pytest.mark.xfail(reason=reason, strict=True) if reason else ()
                parameters.append(pytest.param(value(name), id=name, marks=mark))
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
