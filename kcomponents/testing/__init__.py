"""Checks that a component behaves as Keras expects, for our tests and yours."""

from kcomponents.testing.backends import compiled, gradient
from kcomponents.testing.callback import check_callback
from kcomponents.testing.layer import check_layer
from kcomponents.testing.optimizer import check_optimizer
from kcomponents.testing.weight_rules import (
    check_constraint,
    check_initializer,
    check_regularizer,
)

__all__ = [
    "check_callback",
    "check_constraint",
    "check_initializer",
    "check_layer",
    "check_optimizer",
    "check_regularizer",
    "compiled",
    "gradient",
]
