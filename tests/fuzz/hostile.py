"""Values that nobody should give, and how many of them a property is tried with.

With `--full`, each property is tried with 2,000 values, other ones each time;
`--hypothesis-seed=7` makes them those of one seed. Without it, the values are few and
always the same ones.
"""

import decimal
import fractions

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests import random_cases

MARKUP = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></svg><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% include 'style.css' %}",
    "<!-- ]]> --><iframe src=javascript:alert(1)>",
    "$x^2$ `<u>code</u>` \\frac{1}{0}",
)
# None that could be written to, were it taken for a file: the folder is not there.
PATHS = ("../nowhere/a", "nowhere/../../nowhere/a", "a\0b", "C:\\con/nowhere/a", "-rf")
STRANGE = (
    "",
    " ",
    "\n\r\t\v\x1b[31m\x07",
    "\ud800",
    "\udcff/\ud800",
    "\u202e\u2066abc",
    "😀" * 40,
    "e\u0301" * 30,
    "%s%n{0}{x}",
    "__import__('os').system('false')",
    "nan",
    "'nan",
    "-inf",
    "x" * 100_000,
    "maxout:0",
    "maxout:" + "9" * 5000,
    "maxout:99999999999",
    "leaky_relu:nan",
    "prelu:1e999",
    "elu:",
    "(a+)+$",
    "(",
)
TEXTS = (*MARKUP, *PATHS, *STRANGE)
NUMBERS = (
    *(0, -1, 1, 2, 2**31, -(2**31), 2**63, 2**64, -(2**64), 10**30, 10**12),
    *(10**400, -(10**400), 10**5000),
    *(0.0, -0.0, 0.5, 1.0, -1.5, 1e-320, 1e308, -1e308),
    *(float("nan"), float("inf"), -float("inf"), True, False, 1j),
    *(decimal.Decimal("0.5"), decimal.Decimal("sNaN"), fractions.Fraction(1, 3)),
    *(fractions.Fraction(10**400, 3), np.float32("nan"), np.float16(0.5)),
    *(np.int64(-1), np.int8(3), np.uint64(2**64 - 1), np.bool_(True)),
    *(np.complex64(1j), np.datetime64("NaT", "s"), np.str_("relu"), np.float64("inf")),
)


def nested(kind, depth):
    """Return lists, tuples or dicts within each other, so many deep."""
    value = kind()
    for _ in range(depth):
        value = {"config": value} if kind is dict else kind([value])
    return value


def endless():
    """Return a list that holds itself."""
    value = [1]
    value.append(value)
    return value


def _function(*args, **kwargs):
    return None


THINGS = (
    *(lambda: None, list, tuple, dict, set, object, lambda: Ellipsis),
    *(lambda: b"", lambda: b"\xff\x00<b>", lambda: bytearray(3), lambda: range(3)),
    *(lambda: [1], lambda: [None], lambda: ["relu"], lambda: [float("nan")] * 2),
    *(lambda: (1, 2), lambda: (2, 1), lambda: (-1, 10**400), lambda: (0, "a")),
    *(lambda: {"a": 1}, lambda: {1: 2}, lambda: {"tanh": (1, 0)}, lambda: {1, "a"}),
    *(lambda: {"class_name": "Dense", "config": {}}, lambda: {"class_name": "os.x"}),
    *(lambda: {"class_name": None, "config": None}, lambda: iter([1, 2])),
    *(lambda: nested(list, 50), lambda: nested(dict, 50), lambda: nested(tuple, 9)),
    *(lambda: nested(list, 5000), lambda: nested(dict, 5000), endless),
    *(lambda: _function, lambda: len, lambda: int, lambda: str, lambda: type),
    *(lambda: keras.layers.Dense, lambda: keras.layers.Dense(2)),
    *(lambda: keras.initializers.Zeros, lambda: keras.optimizers.SGD()),
    *(lambda: np.array([]), lambda: np.array([1, 2]), lambda: np.array(1.5)),
    *(lambda: np.array("relu"), lambda: np.array([None, {}], object)),
    *(lambda: np.array([[0.1, 0.2]]), lambda: np.ma.masked, lambda: ValueError("a")),
)


class Given:
    """A value, made when it is asked for, that can be shown whatever it is."""

    def __init__(self, make):
        self.make = make

    @property
    def value(self):
        """The value, which what is called may change: each time a new one."""
        return self.make()

    def __repr__(self):
        try:
            return repr(self.value)[:200]
        except (RecursionError, ValueError) as error:
            return f"<{type(self.value).__name__}: {error}>"


def text():
    """Return a strategy of strings: known tricks, and any signs at all."""
    signs = st.characters(exclude_categories=())
    return st.one_of(st.sampled_from(TEXTS), st.text(signs, max_size=30))


def plain(most=8):
    """Return a strategy of what JSON can hold, in lists and dicts of few members."""
    numbers = [n for n in NUMBERS if type(n) in (int, float, bool) and n != 10**5000]
    leaf = st.one_of(st.none(), st.sampled_from(numbers), st.floats(), text())
    return st.recursive(
        leaf,
        lambda part: st.one_of(
            st.lists(part, max_size=3), st.dictionaries(text(), part, max_size=3)
        ),
        max_leaves=most,
    )


def anything():
    """Return a strategy of values of all kinds, each as a `Given`."""
    known = [Given(lambda value=value: value) for value in (*NUMBERS, *TEXTS)]
    drawn = st.one_of(st.integers(), st.floats(), st.binary(max_size=5), plain())
    return st.one_of(
        st.sampled_from(THINGS).map(Given),
        st.sampled_from(known),
        drawn.map(lambda value: Given(lambda: value)),
    )


def tries(count):
    """Return a decorator of a property that is tried with so many values."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    options = settings(
        max_examples=random_cases.cases(count, 2000),
        derandomize=not random_cases.full,
        deadline=None,
        database=None,
        suppress_health_check=slow,
    )
    return lambda test: pytest.mark.slow(options(test))
