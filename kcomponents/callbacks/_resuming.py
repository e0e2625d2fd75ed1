"""Resuming: save the state of training at its places, and begin from it."""

import logging
import os
import weakref

import keras

from kcomponents import _backends, _keras
from kcomponents._check import fail
from kcomponents.callbacks._callback_states import set_states, states_of
from kcomponents.callbacks._generations import check_writable
from kcomponents.callbacks._last_to_begin import once_all_began
from kcomponents.callbacks._passed import Passed
from kcomponents.callbacks._variables import (
    assign_all,
    build_optimizer,
    parts_of,
    settled,
    variables_of,
)
from kcomponents.probes._guard import around, calling_list

KIND = "the state of a training"
PARTS = {
    **dict.fromkeys(("epoch", "step", "first_epoch"), int),
    **dict.fromkeys(("stopped", "ended"), bool),
    **dict.fromkeys(("variables", "metrics", "randoms"), list),
    "callbacks": dict,
}


class Resuming(keras.callbacks.Callback):
    """What `Resume` does while a model trains."""

    def on_train_begin(self, logs=None):
        """Bring the model to the state that was saved, if there is one."""
        if not self.model.built:
            rule = "The model must be built before `fit`: call it, or `model.build`."
            fail(rule, model=self.model.name)
        running = calling_list()
        if running is None:
            fail("`Resume` needs a list of callbacks that calls it, as in `fit`.")
        # Weakly: the list holds this callback, and its end tells that training ended.
        self._list = weakref.ref(running)
        check_writable(self.backup_dir)
        self._state = next(self._files.read(), None)
        self._passed, self._pending, self._covered = Passed(), None, False
        self._epoch = self._step = self._saved_at = 0
        self._first = _keras.running_fit().get("initial_epoch", 0)
        if (state := self._state) is not None:
            self._first = state["first_epoch"]
            self._bring_back(state)
            # What stopped has nothing left to do.
            done = self.params["epochs"] if state["stopped"] else state["epoch"]
            once_all_began(running, lambda: _keras.begin_at(self.model, done))
        around(running, "on_epoch_begin", before=self._before_epoch)
        around(running, "on_train_end", self._before_end, self._after_end)

    @property
    def _running(self):
        return self._list()

    def _bring_back(self, state):
        build_optimizer(self.model)
        assign_all(parts_of(variables_of(self.model, True)), state["variables"])

    def _before_epoch(self, epoch, logs=None):
        if self._covered:
            return
        _keras.begun(self.model)
        self._cover()
        self._epoch = epoch
        if self._state is None:
            self._passed.begin_epoch()
            return
        state, self._state = self._state, None
        set_states(self._running.callbacks, state["callbacks"])
        if self.replay_data:
            self._passed.replay(epoch - self._first)
        self._step = self._saved_at = state["step"]

        def undo(batch):
            """Bring back what callbacks change at the begin of an epoch."""
            self._bring_back(state)
            set_states(self._running.callbacks, state["callbacks"])
            if len(parts_of(self.model.metrics_variables)) < len(state["metrics"]):
                _keras.build_metrics(self.model, batch)
            assign_all(parts_of(self.model.metrics_variables), state["metrics"])

        self._passed.go_on(state["randoms"], self._step, undo)

    def _cover(self):
        """Come after all else that covers the hooks, and after all callbacks."""
        self._covered = True
        around(self._running, "on_epoch_end", after=self._after_epoch)
        if self.save_freq != "epoch":
            around(self._running, "on_train_batch_end", after=self._after_batch)

    def _after_batch(self, batch, logs=None):
        if self._pending is not None:
            # Now it is known that the epoch did not end there.
            self._files.write_or_warn(self._pending)
            self._pending = None
        self._step = batch + 1
        if self._step - self._saved_at < self.save_freq or self.model.stop_training:
            return
        self._saved_at, steps = self._step, self.params["steps"]
        if steps is None:
            self._pending = settled(self._captured())
        elif self._step < steps:
            self._files.write_or_warn(self._captured())

    def _after_epoch(self, epoch, logs=None):
        self._epoch, self._step, self._saved_at = epoch + 1, 0, 0
        self._pending = None
        self._passed.begin_epoch()
        self._files.write_or_warn(self._captured())

    def _before_end(self, logs=None):
        if (state := self._state) is not None:
            logging.getLogger(__name__).warning(
                "Training had ended: nothing is trained. Remove %r to train anew.",
                self.backup_dir,
            )
            _keras.begun(self.model)
            self._epoch = state["epoch"]
            self._passed.go_on(state["randoms"])
            self.model.stop_training = state["stopped"]
            set_states(self._running.callbacks, state["callbacks"])

    def _after_end(self, logs=None):
        if self._state is not None and self._state["ended"]:
            # What ends a training was done to this state already.
            self._bring_back(self._state)
        elif not self.delete_checkpoint:
            self._step = 0
            self._files.write_or_warn({**self._captured(), "ended": True})
        if self.delete_checkpoint:
            self._files.remove()
            if not os.listdir(self.backup_dir):
                os.rmdir(self.backup_dir)
        self._list = self._state = self._passed = None

    def _captured(self):
        """Return the state of training, with its variables themselves."""
        _keras.wait_for_hooks(self._running)
        _backends.synchronize(self.model)
        metrics = parts_of(self.model.metrics_variables)
        return {
            "epoch": self._epoch,
            "step": self._step,
            "first_epoch": self._first,
            "stopped": bool(self.model.stop_training),
            "ended": False,
            "variables": parts_of(variables_of(self.model, True)),
            "metrics": metrics if self._step else [],
            "randoms": self._passed.get_state(),
            "callbacks": states_of(self._running.callbacks, without=self),
        }

    def __getstate__(self):
        # Tuners copy callbacks, not the models and data that these were set to.
        held = ("_model", "_list", "_state", "_passed", "_pending")
        return {**self.__dict__, **dict.fromkeys(held)}
