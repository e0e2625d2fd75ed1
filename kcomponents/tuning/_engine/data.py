"""Data of a search: arguments of `fit`, or a function that makes them."""

import inspect

from kcomponents._check import fail


def fit_arguments(args, kwargs):
    """Return positional and keyword arguments of `fit`, made if `data` makes them.

    `data` returns a dict of arguments of `fit`, a pair of inputs and targets, or two of
    them: for training and for validation.
    """
    if "data" not in kwargs:
        return args, kwargs
    kwargs = dict(kwargs)
    data = kwargs.pop("data")
    if not callable(data) or inspect.isclass(data):
        fail("`data` must be a function that returns the data.", data=data)
    if args:
        fail("Give either the data or a function `data`.", args=len(args))
    return (), {**_named(data()), **kwargs}


def _named(found):
    if isinstance(found, dict):
        return found
    if isinstance(found, tuple | list) and len(found) == 2:
        first, second = found
        if isinstance(first, tuple | list) and isinstance(second, tuple | list):
            return {"x": first[0], "y": first[1], "validation_data": tuple(second)}
        return {"x": first, "y": second}
    # A dataset or a generator of batches.
    return {"x": found}
