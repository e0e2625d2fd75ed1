"""A handwritten training loop that returns each optimizer step as numpy arrays.

`steps` trains a model as `fit` does, with the gradients of the backend, and keeps the
values that a probe should report. Clipping is implemented here again on purpose.
"""

import contextlib
import dataclasses
import functools

import keras
import numpy as np
from keras import ops

from tests.probes.backward import backward_and_update
from tests.probes.models import models

__all__ = ["Step", "models", "steps"]


@dataclasses.dataclass
class Step:
    """One update of the weights, or one batch skipped by the loss scaling.

    Attributes:
        gradients: `{variable path: array}`, unscaled, before clipping, the mean over
            accumulated batches. Not finite where skipped.
        clipped: The same after the clipping of Keras, empty where skipped.
        before: `{variable path: array}`, weights before the first batch of the step.
        after: Weights after the last.
        outputs: `{layer name: [array for each call]}` of the watched layers.
        loss: Float, mean over the batches of the step, unscaled.
        skipped: Whether the gradients overflowed, so that nothing was applied.
        batches: Int, how many batches the step took.
    """

    gradients: dict
    clipped: dict
    before: dict
    after: dict
    outputs: dict
    loss: float
    skipped: bool
    batches: int


@dataclasses.dataclass
class Gradient:
    """A gradient as the optimizer gets it, on TensorFlow possibly sparse."""

    values: np.ndarray
    indices: np.ndarray | None = None
    length: int | None = None

    def map(self, function):
        return dataclasses.replace(self, values=function(self.values))

    def dense(self):
        """Return one array, with the rows of equal indices summed."""
        if self.indices is None:
            return self.values
        array = np.zeros((self.length, *self.values.shape[1:]))
        np.add.at(array, self.indices, self.values)
        return array


@dataclasses.dataclass
class Batch:
    """One batch: unscaled gradients by path, and the weights before it."""

    gradients: dict
    before: dict
    outputs: dict
    loss: float


def steps(model, batches, *, watch=()):
    """Train a compiled, built model and return a `Step` for each optimizer step.

    A last window of `gradient_accumulation_steps` that the batches do not fill gives
    no step, and a batch skipped within a window gives one of its own.

    Args:
        model: Its optimizer must stand at the start of an accumulation window.
        batches: List of `(x, y)` or `(x, y, sample_weight)`, which may be nested.
        watch: Layers whose outputs to keep, not those inside a `TimeDistributed`,
            `Bidirectional` or `RNN`.
    """
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    settings = getattr(optimizer, "inner_optimizer", optimizer)
    window = settings.gradient_accumulation_steps or 1
    assert _count(settings) % window == 0, "begins within a window"
    train = _trainer(model, settings, watch)
    done, open_window = [], []
    for data in batches:
        batch, applied = train(data)
        if not applied:
            done.append(_step(model, [batch], settings, skipped=True))
            continue
        open_window.append(batch)
        if len(open_window) == window:
            done.append(_step(model, open_window, settings))
            open_window = []
    optimizer.finalize_variable_values(model.trainable_variables)
    return done


def _step(model, batches, settings, skipped=False):
    found = batches[0].gradients
    if settings.gradient_accumulation_steps:
        # Rows are summed here, and only then clipped.
        found = {path: Gradient(_mean(path, batches)) for path in found}
    return Step(
        gradients={path: g.dense() for path, g in found.items()},
        clipped={} if skipped else _clip(found, settings),
        before=batches[0].before,
        after=_weights(model),
        outputs={
            name: [output for batch in batches for output in batch.outputs[name]]
            for name in batches[0].outputs
        },
        loss=float(np.mean([batch.loss for batch in batches])),
        skipped=skipped,
        batches=len(batches),
    )


def _mean(path, batches):
    return np.mean([batch.gradients[path].dense() for batch in batches], axis=0)


def _trainer(model, settings, watch):
    """Return a function of a batch that trains and returns a `Batch` and if applied."""

    def forward(data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with _recorded(watch) as outputs:
            y_pred = model(x, training=True)
        loss = model.compute_loss(x, y, y_pred, sample_weight)
        return model.optimizer.scale_loss(loss), (loss, outputs)

    backward, update = backward_and_update(model, forward)

    def train(data):
        before, count = _weights(model), _count(settings)
        raw, (loss, outputs) = backward(keras.tree.map_structure(_tensor, data))
        gradients = _unscaled(model, raw)
        update(raw)
        outputs = keras.tree.map_structure(_array, outputs)
        batch = Batch(gradients, before, outputs, float(_array(loss)))
        return batch, _count(settings) > count

    return train


def _count(optimizer):
    # Unlike `iterations`, which counts windows, this counts each batch applied.
    [counter] = [v for v in optimizer.variables if v.name == "iteration"]
    return int(counter.numpy())


@contextlib.contextmanager
def _recorded(layers):
    """Collect `{layer name: [output of each call]}` within the scope."""
    outputs = {layer.name: [] for layer in layers}
    assert len(outputs) == len(layers), "two watched layers of one name"

    def recording(call, calls):
        def recorded(*args, **kwargs):
            calls.append(call(*args, **kwargs))
            return calls[-1]

        return recorded

    for layer in layers:
        layer.call = recording(layer.call, outputs[layer.name])
    try:
        yield outputs
    finally:
        for layer in layers:
            del layer.call


def _clip(gradients, settings):
    """Clip by the norm of each variable, by that of all, or each entry."""
    squares = {path: np.square(g.values).sum() for path, g in gradients.items()}

    def clip(path, values):
        if bound := settings.clipnorm:
            return values * (bound / max(np.sqrt(squares[path]), bound))
        if bound := settings.global_clipnorm:
            norm = np.sqrt(sum(squares.values()))
            # All is NaN where one entry is not finite.
            return values * (bound / max(norm, bound) + (norm - norm))
        if bound := settings.clipvalue:
            return np.clip(values, -bound, bound)
        return values

    with np.errstate(invalid="ignore"):
        return {
            path: g.map(functools.partial(clip, path)).dense()
            for path, g in gradients.items()
        }


def _unscaled(model, raw):
    """Return the gradients of one batch by path, without those that are None."""
    optimizer = model.optimizer
    dynamic = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    scale = optimizer.dynamic_scale if dynamic else optimizer.loss_scale_factor or 1.0
    scale = float(scale)
    found = {}
    for variable, gradient in zip(model.trainable_variables, raw, strict=True):
        if hasattr(gradient, "dense_shape"):
            rows, indices = _array(gradient.values), np.array(gradient.indices)
            found[variable.path] = Gradient(rows / scale, indices, variable.shape[0])
        elif gradient is not None:
            found[variable.path] = Gradient(_array(gradient) / scale)
    return found


def _weights(model):
    weights = {v.path: _array(v) for v in model.trainable_variables}
    assert len(weights) == len(model.trainable_variables), "two weights of one path"
    return weights


def _tensor(values):
    values = np.asarray(values)
    floats = np.issubdtype(values.dtype, np.floating)
    return ops.convert_to_tensor(values, keras.config.floatx() if floats else None)


def _array(tensor):
    # A copy, because the array may share memory with the variable.
    return np.array(ops.convert_to_numpy(tensor)).astype("float64")
