"""Resume: continue an interrupted run as if it had never been interrupted."""

import os
from typing import Literal

from kcomponents._check import boolean, fail
from kcomponents.callbacks._generations import Generations
from kcomponents.callbacks._resuming import KIND, PARTS, Resuming


class Resume(Resuming):
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
      more `epochs` than before, training continues.
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
