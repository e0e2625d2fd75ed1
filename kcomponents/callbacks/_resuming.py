"""Resuming: save the state of training regularly, and resume from it."""

import logging
import os
import weakref

import keras

from kcomponents import _backends, _keras
from kcomponents._check import fail
from kcomponents.callbacks._callback_states import set_states, states_of
from kcomponents.callbacks._generations import check_writable
from kcomponents.callbacks._last_to_begin import once_all_began
from kcomponents.callbacks._passed import DataReplay
from kcomponents.callbacks._variables import (
    assign_all,
    build_optimizer,
    copy_state,
    parts_of,
    variables_of,
)
from kcomponents.probes._guard import around, calling_list

KIND = "the state of a training run"
PARTS = {
    **dict.fromkeys(("epoch", "step", "first_epoch"), int),
    **dict.fromkeys(("stopped", "ended"), bool),
    **dict.fromkeys(("variables", "metrics", "randoms"), list),
    "callbacks": dict,
}


class Resuming(keras.callbacks.Callback):
    """The part of `Resume` that runs during training."""

    def on_train_begin(self, logs=None):
        """Restore the saved state of the model, if there is one."""
        if not self.model.built:
            rule = (
                "The model must be built before `fit`. Add a `keras.Input`, or call "
                "`model.build` or the model itself."
            )
            fail(rule, model=self.model.name)
        running = calling_list()
        if running is None:
            fail("`Resume` works only in `fit` or with a `CallbackList`.")
        # A weak reference, because the list refers to this callback.
        self._list = weakref.ref(running)
        check_writable(self.backup_dir)
        self._state = next(self._files.read(), None)
        self._data, self._pending, self._hooked = DataReplay(), None, False
        self._epoch = self._step = self._saved_at = 0
        self._first_epoch = _keras.running_fit().get("initial_epoch", 0)
        if (state := self._state) is not None:
            self._first_epoch = state["first_epoch"]
            self._restore(state)
            # If training was stopped, no epochs are left, whatever `epochs` is now.
            done = self.params["epochs"] if state["stopped"] else state["epoch"]
            once_all_began(running, lambda: _keras.begin_at(self.model, done))
        around(running, "on_epoch_begin", before=self._before_epoch)
        around(running, "on_train_end", self._before_end, self._after_end)

    @property
    def _callbacks(self):
        return self._list()

    def _restore(self, state):
        build_optimizer(self.model)
        assign_all(parts_of(variables_of(self.model, True)), state["variables"])

    def _before_epoch(self, epoch, logs=None):
        if self._hooked:
            return
        _keras.begun(self.model)
        self._add_hooks()
        self._epoch = epoch
        if self._state is None:
            self._data.start_epoch()
            return
        state, self._state = self._state, None
        set_states(self._callbacks.callbacks, state["callbacks"])
        if self.replay_data:
            self._data.replay(epoch - self._first_epoch)
        self._step = self._saved_at = state["step"]

        def undo(batch):
            """Restore everything that callbacks changed at the start of the epoch."""
            self._restore(state)
            set_states(self._callbacks.callbacks, state["callbacks"])
            if len(parts_of(self.model.metrics_variables)) < len(state["metrics"]):
                _keras.build_metrics(self.model, batch)
            assign_all(parts_of(self.model.metrics_variables), state["metrics"])

        self._data.resume(state["randoms"], self._step, undo)

    def _add_hooks(self):
        """Add hooks that run after all callbacks and after all other added hooks."""
        self._hooked = True
        around(self._callbacks, "on_epoch_end", after=self._after_epoch)
        if self.save_freq != "epoch":
            around(self._callbacks, "on_train_batch_end", after=self._after_batch)

    def _after_batch(self, batch, logs=None):
        if self._pending is not None:
            # Another batch came, so the pending state is not at the end of an epoch.
            self._files.write_or_warn(self._pending)
            self._pending = None
        self._step = batch + 1
        if self._step - self._saved_at < self.save_freq or self.model.stop_training:
            return
        self._saved_at, steps = self._step, self.params["steps"]
        if steps is None:
            self._pending = copy_state(self._current_state())
        elif self._step < steps:
            self._files.write_or_warn(self._current_state())

    def _after_epoch(self, epoch, logs=None):
        self._epoch, self._step, self._saved_at = epoch + 1, 0, 0
        self._pending = None
        self._data.start_epoch()
        self._files.write_or_warn(self._current_state())

    def _before_end(self, logs=None):
        if (state := self._state) is not None:
            logging.getLogger(__name__).warning(
                "This run is already finished, so nothing is trained. To train again, "
                "delete %r.",
                self.backup_dir,
            )
            _keras.begun(self.model)
            self._epoch = state["epoch"]
            self._data.resume(state["randoms"])
            self.model.stop_training = state["stopped"]
            set_states(self._callbacks.callbacks, state["callbacks"])

    def _after_end(self, logs=None):
        if self._state is not None and self._state["ended"]:
            # The saved state already has the changes made at the end of training.
            self._restore(self._state)
        elif not self.delete_checkpoint:
            self._step = 0
            self._files.write_or_warn({**self._current_state(), "ended": True})
        if self.delete_checkpoint:
            self._files.remove()
            if not os.listdir(self.backup_dir):
                os.rmdir(self.backup_dir)
        self._list = self._state = self._data = None

    def _current_state(self):
        """Return the state of training, with the variables themselves, not copies."""
        _keras.wait_for_hooks(self._callbacks)
        _backends.synchronize(self.model)
        metrics = parts_of(self.model.metrics_variables)
        return {
            "epoch": self._epoch,
            "step": self._step,
            "first_epoch": self._first_epoch,
            "stopped": bool(self.model.stop_training),
            "ended": False,
            "variables": parts_of(variables_of(self.model, True)),
            "metrics": metrics if self._step else [],
            "randoms": self._data.get_state(),
            "callbacks": states_of(self._callbacks.callbacks, without=self),
        }

    def __getstate__(self):
        # Tuners copy callbacks, which must not copy the model and the data too.
        held = ("_model", "_list", "_state", "_data", "_pending")
        return {**self.__dict__, **dict.fromkeys(held)}
