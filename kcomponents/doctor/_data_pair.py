"""Training and validation data, read and of the same form."""

from kcomponents._check import fail
from kcomponents.doctor._data_read import read_data


def read_pair(x, y, validation_data):
    """Return training data and validation data, `None` where there is none."""
    training = read_data(x, y)
    if validation_data is None:
        return training, None
    if not isinstance(validation_data, list | tuple) or len(validation_data) != 2:
        kind = type(validation_data).__name__
        fail("`validation_data` must be a pair `(x, y)`.", type=kind)
    if (validation_data[1] is None) != (y is None):
        fail(
            "Give `y` for both, training and validation, or for none.",
            y=type(y).__name__,
        )
    held_x, held_y = validation_data
    validation = read_data(held_x, held_y, name="validation ")
    forms = [_form(data) for data in (training, validation)]
    if forms[0] != forms[1]:
        rule = "Training and validation rows must have the same form."
        fail(rule, training=forms[0], validation=forms[1])
    return training, validation


def _form(data):
    """Return the shape of a row of each input, and how many numbers the target has."""
    form = {
        name.removeprefix(data.name): array.shape[1:]
        for name, array in data.inputs.items()
    }
    return form if data.target is None else {**form, "y": int(data.target[0].size)}
