"""Resume: save the state of training regularly, and resume from it."""

import logging
import os
import weakref
from typing import Any, Literal

import keras

from kcomponents import _backends, _keras
from kcomponents._checks import boolean, fail
from kcomponents._keras.callback_list import (
    after_train_begin,
    running_callbacks,
    wrap_hook,
)
from kcomponents._state_file import Generations, check_writable
from kcomponents.callbacks._training_state import (
    assign_all,
    build_optimizer,
    copy_state,
    parts_of,
    random_state,
    set_random_state,
    set_states,
    states_of,
    variables_of,
)

KIND = "the state of a training run"
PARTS = {
    **dict.fromkeys(("epoch", "step", "first_epoch"), int),
    **dict.fromkeys(("stopped", "ended"), bool),
    **dict.fromkeys(("variables", "metrics", "randoms"), list),
    "callbacks": dict,
}


class Resume(keras.callbacks.Callback):
    """Save the state of training, and resume from it when the program runs again.

    It replaces `keras.callbacks.BackupAndRestore`. The complete state of training is
    saved: weights, optimizers, metrics, random generators, the history, the state of
    the other callbacks, and the position in the data. If a run is killed at any moment
    and the same program is started again, it ends with the same weights as an
    uninterrupted run, bit for bit if the hardware computes deterministically.

    How it works:

    - The model must be built before `fit`, and the program must be the same: data,
      model, callbacks, seeds (`keras.utils.set_random_seed`).
    - The position of this callback in the list does not matter.
    - Once a run is finished, running the program again trains nothing and restores the
      final state. A program with several runs thus continues with the one that was
      interrupted; each needs its own folder. Delete the folder to train again. With
      more `epochs` than before, training continues, unless a callback stopped it.
    - Data of finished epochs and steps is drawn again but not trained on, so that a
      generator or a shuffled dataset reaches the same position.
    - Other callbacks are resumed if they have `get_state()`, which returns a dict of
      plain values and arrays, and `set_state(state)`. Callbacks of kcomponents and of
      Keras whose decisions depend on earlier epochs are resumed too.

    Args:
        backup_dir: Path of a folder for the saved state, created if needed. It holds
            the last state and the previous one, each written completely or not at all.
        save_freq: `"epoch"` to save after each epoch, or an integer to also save every
            `save_freq` steps within an epoch. Defaults to `"epoch"`.
        delete_checkpoint: Boolean, whether to delete the saved state once training is
            finished. Defaults to `False`.
        replay_data: Boolean, whether to draw the data of finished epochs again. `False`
            saves that time; use it if the order of the data depends only on the global
            random generators or on the index of the epoch. Defaults to `True`.

    Raises:
        ValueError: If an argument is invalid; in `fit`, before the first batch, if the
            model is not built, its variables differ from the saved ones, or the saved
            files are damaged or of another kind. These files are not changed.
        OSError: In `fit`, before the first batch, if the folder is not writable.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from kcomponents.callbacks import Resume
        >>> def train(epochs):
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     x, y = keras.ops.ones((8, 2)), keras.ops.ones((8, 1))
        ...     callbacks = [Resume(folder)]
        ...     return model.fit(x, y, epochs=epochs, verbose=0, callbacks=callbacks)
        >>> folder = tempfile.mkdtemp()
        >>> train(3).epoch
        [0, 1, 2]
        >>> train(5).epoch  # trains only epochs 4 and 5
        [0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: int | Literal["epoch"] = "epoch",
        *,
        delete_checkpoint: bool = False,
        replay_data: bool = True,
    ):
        super().__init__()
        if not isinstance(backup_dir, str | os.PathLike) or not os.fspath(backup_dir):
            fail("`backup_dir` must be the path of a folder.", backup_dir=backup_dir)
        word = isinstance(save_freq, str) and save_freq == "epoch"
        whole = isinstance(save_freq, int) and not isinstance(save_freq, bool)
        if not word and not (whole and save_freq > 0):
            fail(
                "`save_freq` must be 'epoch' or a positive integer.",
                save_freq=save_freq,
            )
        self.backup_dir = os.path.abspath(os.fspath(backup_dir))
        self.save_freq = save_freq
        self.delete_checkpoint = boolean("delete_checkpoint", delete_checkpoint)
        self.replay_data = boolean("replay_data", replay_data)
        path = os.path.join(self.backup_dir, "state.npz")
        self._files = Generations(path, KIND, PARTS)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Restore the saved state of the model, if there is one."""
        if not self.model.built:
            rule = (
                "The model must be built before `fit`. Add a `keras.Input`, or call "
                "`model.build` or the model itself."
            )
            fail(rule, model=self.model.name)
        running = running_callbacks()
        if running is None:
            fail("`Resume` works only in `fit` or with a `CallbackList`.")
        # A weak reference, because the list refers to this callback.
        self._list = weakref.ref(running)
        check_writable(self.backup_dir)
        self._state = next(self._files.read(), None)
        self._data, self._pending_state, self._has_hooks = DataReplay(), None, False
        self._epoch = self._step = self._saved_at = 0
        self._first_epoch = _keras.running_fit().get("initial_epoch", 0)
        if (state := self._state) is not None:
            self._first_epoch = state["first_epoch"]
            self._restore(state)
            # If training was stopped, no epochs are left, whatever `epochs` is now.
            done = self.params["epochs"] if state["stopped"] else state["epoch"]
            after_train_begin(running, lambda: _keras.set_first_epoch(self.model, done))
        wrap_hook(running, "on_epoch_begin", before=self._before_epoch)
        wrap_hook(running, "on_train_end", self._before_end, self._after_end)

    @property
    def _callbacks(self):
        return self._list()

    def _restore(self, state):
        build_optimizer(self.model)
        assign_all(parts_of(variables_of(self.model, True)), state["variables"])

    def _before_epoch(self, epoch, logs=None):
        if self._has_hooks:
            return
        _keras.reset_first_epoch(self.model)
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
        self._has_hooks = True
        wrap_hook(self._callbacks, "on_epoch_end", after=self._after_epoch)
        if self.save_freq != "epoch":
            wrap_hook(self._callbacks, "on_train_batch_end", after=self._after_batch)

    def _after_batch(self, batch, logs=None):
        if self._pending_state is not None:
            # Another batch came, so the pending state is not at the end of an epoch.
            self._files.write_or_warn(self._pending_state)
            self._pending_state = None
        self._step = batch + 1
        if self._step - self._saved_at < self.save_freq or self.model.stop_training:
            return
        self._saved_at, steps = self._step, self.params["steps"]
        if steps is None:
            self._pending_state = copy_state(self._current_state())
        elif self._step < steps:
            self._files.write_or_warn(self._current_state())

    def _after_epoch(self, epoch, logs=None):
        self._epoch, self._step, self._saved_at = epoch + 1, 0, 0
        self._pending_state = None
        self._data.start_epoch()
        self._files.write_or_warn(self._current_state())

    def _before_end(self, logs=None):
        if (state := self._state) is not None:
            logging.getLogger(__name__).warning(
                "This run is already finished, so nothing is trained. To train again, "
                "delete %r.",
                self.backup_dir,
            )
            _keras.reset_first_epoch(self.model)
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
        names = ("_model", "_list", "_state", "_data", "_pending_state")
        return {**self.__dict__, **dict.fromkeys(names)}


class DataReplay:
    """Draws the batches of earlier epochs and steps again, without training on them.

    The order of the data then continues as it would have, even if it depends on a seed,
    a generator or a file. Afterwards the global random generators are restored.
    """

    def __init__(self):
        self._epochs = _keras.running_fit().get("epoch_iterator")
        self._at_epoch_start = None

    def replay(self, epochs):
        """Draw the batches of this many epochs."""
        if self._epochs is not None:
            for _ in range(epochs):
                _keras.draw_epoch(self._epochs)

    def resume(self, random_states, steps=0, use_last=None):
        """Restore random states, and skip the first steps of the next epoch.

        `use_last` is called with the last skipped batch, before the next one is drawn.
        """
        self._at_epoch_start, now = random_states
        set_random_state(self._at_epoch_start)
        if not steps:
            return
        if self._epochs is None:
            rule = "Within an epoch, only the `fit` of Keras can be resumed."
            fail(rule, steps_done=steps)

        def continue_from(batch):
            set_random_state(now)
            use_last(batch)

        _keras.skip_steps(self._epochs, steps, continue_from)

    def start_epoch(self):
        """Store the random state at the start of an epoch."""
        self._at_epoch_start = random_state()

    def get_state(self):
        """Return the random states at the start of the epoch and now."""
        return [self._at_epoch_start, random_state()]
