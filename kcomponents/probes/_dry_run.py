"""Dry run: call a model on symbolic inputs, so that its taps learn the shapes."""

import keras


class _Call(keras.layers.Layer):
    """A layer that calls a function without tracking its variables."""

    def __init__(self, function):
        super().__init__()
        self.__dict__["function"] = function

    def call(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def dry_run(model):
    """Call a built model on symbolic inputs of the shapes it was built for.

    Nothing is computed and nothing changes. Errors of the model are raised.
    """
    args, kwargs = keras.tree.map_structure(_known_batch, _inputs(model))
    call = _Call(lambda *args, **kwargs: model(*args, training=False, **kwargs))
    call.compute_output_spec(*args, **kwargs)


def _inputs(model):
    if isinstance(model, keras.Sequential):
        return model.inputs, {}
    if hasattr(model, "operations"):
        return (model.input,), {}
    config = model.get_build_config()
    if "input_shape" in config:
        return (_specs(config["input_shape"]),), {}
    shapes = config["shapes_dict"]
    return (), {name.removesuffix("_shape"): _specs(s) for name, s in shapes.items()}


def _known_batch(tensor):
    """Return a symbolic tensor of batch size 2, if only the batch size is unknown.

    JAX would trace again, and keep the trace, for each unknown size.
    """
    batch, *others = tensor.shape or [0]
    if batch is not None or None in others:
        return tensor
    known = (2, *others)
    return keras.KerasTensor(known, tensor.dtype, sparse=tensor.sparse)


def _specs(shapes):
    if isinstance(shapes, dict):
        return {name: _specs(shape) for name, shape in shapes.items()}
    if shapes and isinstance(shapes[0], (list, tuple, dict)):
        return [_specs(shape) for shape in shapes]
    return keras.KerasTensor(tuple(shapes))
