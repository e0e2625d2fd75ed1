"""The data of a search: arguments of `fit`, or a function that returns them."""

import inspect

from kcomponents._check import fail


def fit_arguments(args, kwargs):
    """Return positional and keyword arguments of `fit`; call `data` if it is given.

    `data` returns a dict of arguments of `fit`, `(x, y)`, or
    `((x, y), (x_val, y_val))`.
    """
    if "data" not in kwargs:
        return args, kwargs
    kwargs = dict(kwargs)
    data = kwargs.pop("data")
    if not callable(data) or inspect.isclass(data):
        fail("`data` must be a function that returns the data.", data=data)
    if args:
        rule = "Pass either arrays or a function `data`, not both."
        fail(rule, positional_arguments=len(args))
    return (), {**_named(data()), **kwargs}


def _named(data):
    if isinstance(data, dict):
        return data
    if isinstance(data, tuple | list) and len(data) == 2:
        first, second = data
        if isinstance(first, tuple | list) and isinstance(second, tuple | list):
            return {"x": first[0], "y": first[1], "validation_data": tuple(second)}
        return {"x": first, "y": second}
    # A dataset or a generator of batches.
    return {"x": data}
