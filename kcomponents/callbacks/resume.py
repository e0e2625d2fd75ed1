"""Resume: let a training that was killed go on as if nothing had happened."""

import os

from kcomponents._check import boolean, fail
from kcomponents.callbacks._generations import Generations
from kcomponents.callbacks._resuming import KIND, PARTS, Resuming


class Resume(Resuming):
    """Save the state of training, and go on from it when the same program runs again.

    It takes the place of `keras.callbacks.BackupAndRestore`. All that a training is
    made of is saved: weights, optimizers, metrics, random numbers, the history, the
    state of the other callbacks, and how far the data has come. A run that is killed
    at any moment and started again with the same command ends as one that was not: on
    the same hardware with the same weights, as far as that computes the same twice.

    What to know:

    - The model must be built before `fit`, and the program be the same: data, model,
      callbacks, seeds (`keras.utils.set_random_seed`).
    - The order of the list of callbacks does not matter.
    - Once training has ended, running the program again trains nothing and brings the
      final state back, so that a program of several trainings goes on with the one it
      was killed in. Give each its own folder, and remove the folder to train anew.
      With more `epochs` than before, training goes on.
    - Data that was trained on is drawn again, not trained on, to bring a generator or
      a shuffled dataset to where it was.
    - Other callbacks are resumed if they have `get_state()`, which returns a dict of
      plain values and arrays, and `set_state(state)`; those of kcomponents and of
      Keras that must be, are.

    Args:
        backup_dir: Path of a folder for the state; made if there is none. It holds the
            last state and the one before, each written whole or not at all.
        save_freq: `"epoch"`, to save at the end of each epoch, or an integer, to save
            after so many steps too. Defaults to `"epoch"`.
        delete_checkpoint: Boolean, whether to remove the state once training has
            ended. Defaults to `False`.
        replay_data: Boolean, whether to draw data of earlier epochs again. `False`
            saves that time, for data whose order depends on nothing but shared random
            numbers or the number of the epoch. Defaults to `True`.

    Raises:
        ValueError: If an argument is unknown or out of range; in `fit`, before the
            first batch, if the model is not built, if its variables are not those that
            were saved, or if the files are damaged or another's. Such files stay.
        OSError: In `fit`, before the first batch, if nothing can be written there.

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
        >>> train(5).epoch  # trains two more
        [0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        backup_dir,
        save_freq="epoch",
        *,
        delete_checkpoint=False,
        replay_data=True,
    ):
        super().__init__()
        if not isinstance(backup_dir, str | os.PathLike) or not os.fspath(backup_dir):
            fail("`backup_dir` must name a folder.", backup_dir=backup_dir)
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
