"""Validation of a model within an epoch, without affecting its training."""

import keras

from kcomponents import _backends, _keras
from kcomponents._checks import fail
from kcomponents.callbacks._training_state import assign_all, parts_of


class MidEpochValidation:
    """Validates the model every `every` training steps.

    Args:
        every: Integer, number of training steps between checks.
        data: Validation data, in any form that `fit` accepts, or `None` for the
            validation data of the running `fit`.
        required: Boolean, whether a score may need validation. If not, only `data` is
            validated, and without it the training logs alone are returned.
    """

    def __init__(self, every, data, required):
        self._every, self.steps, self._last = every, 0, -1
        known = _keras.running_fit()
        self._options, self._data = {}, None
        if data is None and not required:
            return
        if data is None:
            data = known.get("validation_data")
            size = known.get("validation_batch_size") or known.get("batch_size")
            steps = known.get("validation_steps")
            self._options = {"batch_size": size, "steps": steps}
        if data is None:
            rule = (
                "`check_every` needs `validation_data` for this `monitor`. Pass it here"
                " or to `fit`, or monitor a training metric, such as 'loss'."
            )
            fail(rule, check_every=every)
        self._data = keras.utils.unpack_x_y_sample_weight(data)
        if hasattr(self._data[0], "__next__"):
            rule = "`validation_data` is read at every check; it can't be a generator."
            fail(rule, validation_data=data)

    def is_due(self, batch):
        """Count the steps up to a batch; return whether a check is due."""
        before = self.steps // self._every
        self.steps += batch - self._last if batch > self._last else batch + 1
        self._last = batch
        return self.steps // self._every > before

    def get_state(self):
        """Return the counts."""
        return [self.steps, self._last]

    def set_state(self, state):
        """Restore the counts."""
        self.steps, self._last = state

    def logs(self, model, logs):
        """Validate; return the training and validation logs, as after an epoch.

        The training logs are means over the epoch so far.
        """
        _backends.synchronize(model)
        validated = {} if self._data is None else self._validate(model)
        trained = {name: keras.ops.convert_to_numpy(v) for name, v in logs.items()}
        return {**trained, **{f"val_{name}": v for name, v in validated.items()}}

    def _validate(self, model):
        changed = parts_of([*model.metrics_variables, *model.non_trainable_variables])
        values = _backends.snapshot(changed)
        x, y, weight = self._data
        with _backends.keep_random_state():
            validated = model.evaluate(
                x, y, sample_weight=weight, verbose=0, return_dict=True, **self._options
            )
        assign_all(changed, values)
        _keras.record_shardings(model)
        _backends.set_training_mode(model)
        return validated

    def release(self):
        """Release the data."""
        self._data = None
