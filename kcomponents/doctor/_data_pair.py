"""Training and validation data, read and checked for the same shapes."""

from kcomponents._check import fail
from kcomponents.doctor._data_read import read_data


def read_pair(x, y, validation_data):
    """Return training data and validation data, which may be `None`."""
    training = read_data(x, y)
    if validation_data is None:
        return training, None
    if not isinstance(validation_data, list | tuple) or len(validation_data) != 2:
        kind = type(validation_data).__name__
        fail("`validation_data` must be a pair `(x, y)`.", type=kind)
    if (validation_data[1] is None) != (y is None):
        fail(
            "Pass `y` for both training and validation data, or for neither.",
            y=type(y).__name__,
        )
    held_x, held_y = validation_data
    validation = read_data(held_x, held_y, name="validation ")
    forms = [_form(data) for data in (training, validation)]
    if forms[0] != forms[1]:
        rule = "Training and validation data must have the same shapes per sample."
        fail(rule, training=forms[0], validation=forms[1])
    return training, validation


def _form(data):
    """Return the shape per sample of each input, and the size of the target."""
    form = {
        name.removeprefix(data.name): array.shape[1:]
        for name, array in data.inputs.items()
    }
    return form if data.target is None else {**form, "y": int(data.target[0].size)}
