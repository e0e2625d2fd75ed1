"""Resume: save the state of training regularly, and resume from it."""

import logging
import os
import weakref
from typing import Any, Literal

import keras

from kcomponents import _backends, _console, _keras
from kcomponents._checks import boolean, fail
from kcomponents._files import Path, full_path
from kcomponents._keras.callback_list import (
    after_train_begin,
    running_callbacks,
    wrap_hook,
)
from kcomponents._keras.fit_guard import guarded_beginning
from kcomponents._keras.random_state import random_state, set_random_state
from kcomponents._state_file import Generations, check_writable
from kcomponents.callbacks._program import (
    changes_of,
    learning_rate_in,
    program_of,
)
from kcomponents.callbacks._training_state import (
    assign_all,
    check_shapes,
    check_state,
    copy_state,
    parts_of,
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

    - The program must be the same: data, model, optimizer, loss, callbacks, seeds
      (`keras.utils.set_random_seed`). The file describes it. Before the first batch, a
      difference raises an error if training could not continue correctly, such as
      another optimizer class, or another batch size within an epoch. Other
      differences, such as another loss or dropout rate, are named in one warning.
    - Values of variables come from the file, also the learning rate if it is a number.
    - With TensorFlow, the model must be built before `fit`. On JAX and PyTorch, Keras
      builds it before this callback is called.
    - The position of this callback in the list does not matter.
    - Once a run is finished, running the program again trains nothing and restores the
      final state. A program with several runs thus continues with the one that was
      interrupted; each needs its own folder. Delete the folder to train again. With
      more `epochs` than before, training continues. It does not continue if early
      stopping or another callback stopped it, whatever `epochs` is.
    - Data of finished epochs and steps is drawn again but not trained on, so that a
      generator or a shuffled dataset reaches the same position.
    - Other callbacks are resumed if they have `get_state()`, which returns a dict of
      plain values and arrays, and `set_state(state)`. Callbacks of kcomponents have
      them: a monitor logs a resumed epoch as an uninterrupted one. Callbacks of Keras
      that depend on earlier epochs are resumed too, and so is the file of `CSVLogger`.
      `BackupAndRestore` is refused, because both would restore the model.

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
            model is not built, the program differs so that training cannot continue
            correctly, or the saved files are damaged or of another kind. These files
            are not changed.
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
        backup_dir: Path,
        save_freq: int | Literal["epoch"] = "epoch",
        *,
        delete_checkpoint: bool = False,
        replay_data: bool = True,
    ):
        super().__init__()
        word = isinstance(save_freq, str) and save_freq == "epoch"
        whole = isinstance(save_freq, int) and not isinstance(save_freq, bool)
        if not word and not (whole and save_freq > 0):
            fail(
                "`save_freq` must be 'epoch' or a positive integer.",
                save_freq=save_freq,
            )
        self.backup_dir = full_path("backup_dir", backup_dir, "folder")
        self.save_freq = save_freq
        self.delete_checkpoint = boolean("delete_checkpoint", delete_checkpoint)
        self.replay_data = boolean("replay_data", replay_data)
        path = os.path.join(self.backup_dir, "state.npz")
        self._files = Generations(path, KIND, PARTS)

    @guarded_beginning
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
        for other in running.callbacks:
            if isinstance(other, keras.callbacks.BackupAndRestore):
                rule = "`Resume` replaces `BackupAndRestore`: leave out one of them."
                fail(rule, callbacks=[type(c).__name__ for c in running.callbacks])
        # A weak reference, because the list refers to this callback.
        self._list = weakref.ref(running)
        check_writable(self.backup_dir)
        self._state = next(self._files.read(), None)
        self._program = program_of(
            self.model, _keras.running_fit(), self.params, running.callbacks
        )
        self._data, self._pending_state, self._has_hooks = DataReplay(), None, False
        self._epoch = self._step = self._saved_at = 0
        self._first_epoch = _keras.running_fit().get("initial_epoch", 0)
        if (state := self._state) is not None:
            self._check(state)
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

    def _check(self, state):
        """Raise or warn if a saved state does not belong to this program."""
        path, program = self._files.path, state.get("program")
        _keras.build_optimizer(self.model)
        variables = parts_of(variables_of(self.model, True))
        refused, changed = [], []
        if program is not None:
            rate = learning_rate_in(self.model, variables, state["variables"])
            try:
                refused, changed = changes_of(
                    program, self._program, state["step"] > 0, rate
                )
            except (AttributeError, LookupError, TypeError):
                rule = "`program` must be facts as this version writes them."
                fail(rule, path=path, program=program)
        if refused:
            fail(
                "To continue from the saved state, the program must be the same as the "
                "one that saved it. Change it back, or delete the folder to start "
                f"again. Different now: {'; '.join(refused)}.",
                backup_dir=self.backup_dir,
            )
        check_state(state, path, self.params.get("steps"))
        check_shapes(variables, state["variables"], changed)
        if changed:
            _console.warn(
                f"Training continues from the state in {self.backup_dir!r}, but the "
                f"program has changed since: {'; '.join(changed)}.",
                RuntimeWarning,
                stacklevel=2,
            )

    def _restore(self, state):
        _keras.build_optimizer(self.model)
        assign_all(parts_of(variables_of(self.model, True)), state["variables"])

    def _restore_metrics(self, state, batch):
        """Restore the metrics within an epoch, which may not be built yet."""
        saved = state["metrics"]

        def own():
            return parts_of(self.model.metrics_variables)

        if len(own()) != len(saved):
            _keras.build_metrics(self.model, batch)
        shapes = [tuple(variable.shape) for variable in own()]
        if shapes != [value.shape for value in saved]:
            fail(
                "`metrics` must be the values of the metrics of this model.",
                path=self._files.path,
                metrics=len(saved),
                shapes=shapes,
            )
        assign_all(own(), saved)

    def _before_epoch(self, epoch, logs=None):
        if self._has_hooks:
            return
        _keras.reset_first_epoch(self.model)
        self._add_hooks()
        self._epoch = epoch
        if self._state is None:
            self._data.start_epoch()
            # If the process is killed before the next state, what callbacks have
            # appended to files since this one is dropped.
            _keras.build_optimizer(self.model)
            self._files.write_or_warn(self._current_state())
            return
        state, self._state = self._state, None
        set_states(self._callbacks.callbacks, state["callbacks"], self._files.path)
        if self.replay_data:
            self._data.replay(epoch - self._first_epoch)
        self._step = self._saved_at = state["step"]

        def undo(batch):
            """Restore everything that callbacks changed at the start of the epoch."""
            self._restore_metrics(state, batch)
            self._restore(state)
            set_states(self._callbacks.callbacks, state["callbacks"], self._files.path)

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
        self._step = _keras.last_step(self, batch) + 1
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
            cause = "This run is already finished, so nothing is trained."
            if state["stopped"]:
                cause = (
                    "A callback has stopped this run, so nothing is trained, whatever "
                    "`epochs` is."
                )
            text = f"{cause} To train again, delete %r."
            logging.getLogger("kcomponents").warning(text, self.backup_dir)
            _keras.reset_first_epoch(self.model)
            self._epoch = state["epoch"]
            self._data.resume(state["randoms"])
            self.model.stop_training = state["stopped"]
            set_states(self._callbacks.callbacks, state["callbacks"], self._files.path)

    def _after_end(self, logs=None):
        if self._state is not None and self._state["ended"]:
            # The saved state already has the changes made at the end of training.
            self._restore(self._state)
        elif not self.delete_checkpoint:
            self._step = 0
            # Without an epoch, Keras may not have built it.
            _keras.build_optimizer(self.model)
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
            "program": self._program,
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
        _keras.set_shuffles(self._epochs, self._at_epoch_start.get("shuffles"))
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
        shuffles = _keras.shuffles_of(self._epochs)
        also = {} if shuffles is None else {"shuffles": shuffles}
        self._at_epoch_start = {**random_state(), **also}

    def get_state(self):
        """Return the random states at the start of the epoch and now."""
        now = random_state()
        # Without an epoch, training has not used any random number.
        return [self._at_epoch_start or now, now]
