"""TrainingDoctor: a callback that finds out why a model does not train well."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kcomponents import _backends, _keras
from kcomponents._checks import boolean
from kcomponents._examination.examiner import Examiner
from kcomponents._files import Path
from kcomponents._recording.stream import first_rows
from kcomponents.doctor import Finding

if TYPE_CHECKING:
    from kcomponents.treatment import BatchCheck

logger = logging.getLogger("kcomponents")

# The samples that a model is to learn before training.
SAMPLES = 32
UNSEEN = "the batches of this `fit` cannot be looked at."


class TrainingDoctor(Examiner):
    """Monitor a run, find what is wrong with it, and suggest fixes.

    The callback records the model's structure and settings, facts about the data, and
    for each epoch the gradients, the updates, the dead and saturated units, and the
    model's scores on a sample of the training data. `kcomponents.doctor.examine`
    diagnoses this record before the first step and whenever you read `diagnosis`.

    If there is a finding when training ends, it is logged as a warning of the logger
    `"kcomponents"`. Contradictions between data, model and loss are logged before the
    first step, which could fail because of them.

    Training is not affected. Results are read from the device at most once per epoch.
    Of a run that takes longer than a few seconds, at most one of 64 steps is watched
    from inside, beginning when that costs little; all others are run as without the
    doctor. Which steps these are depends on the counts of steps and operations alone.

    If `fit` is called again with the same model, the record continues; with another
    model, a new one starts. Watching compiles the step once more in each `fit`. If you
    call `fit` for one epoch at a time, only calls 1, 2, 4, 8 and so on are watched.

    With `check_first=True`, a copy of the model is first trained on 32 samples of the
    first batch, by `kcomponents.treatment.overfit_batch`. This takes seconds, and shows
    before a long training that the model cannot learn. If it did not learn them, this
    is logged as a warning with its cause.

    Attributes:
        record: `kcomponents.record.Record` of the run.
        batch_check: `kcomponents.treatment.BatchCheck` of `check_first`, or `None` if
            no batch was checked.

    Args:
        data: Pair `(x, y)` of arrays as `fit` takes them, to score the model on.
            Defaults to `None`: the data of `fit`, or the first batches if that is a
            generator or dataset.
        every: Integer, the number of epochs between readings, or `"epoch"`: one reading
            per epoch for 20 epochs, then one each time the number of epochs has grown
            by about 10%. Defaults to `"epoch"`.
        record_path: Path of a file to write the record to, for `kcomponents report`.
            An existing file is replaced. Defaults to `None`.
        stop_on: String or list of strings, labels (`kcomponents.doctor.LABELS`) and
            verdicts (`kcomponents.doctor.VERDICTS`). Training stops when one is found.
            Defaults to `()`.
        rules: List of rules in the order in which they run: names of rules in
            `kcomponents.doctor.RULES`, or functions that take a case and return a list
            of `Finding`. Defaults to `None`, which means all of `RULES`.
        check_first: Boolean, whether to find out before the first step of the first
            `fit` if the model can learn one batch. Defaults to `False`.

    Raises:
        ValueError: If an argument is invalid; in `fit`, if `data` does not fit the
            model.

    Example:
        >>> import keras, numpy as np
        >>> from kcomponents.callbacks import TrainingDoctor
        >>> x = np.random.default_rng(0).normal(size=(64, 2))
        >>> y = (x[:, 0] > 0).astype("float32")
        >>> layer = keras.layers.Dense(1, activation="relu", name="out")
        >>> model = keras.Sequential([keras.Input((2,)), layer])
        >>> model.compile("adam", "binary_crossentropy")
        >>> doctor = TrainingDoctor()
        >>> history = model.fit(x, y, verbose=0, callbacks=[doctor])
        >>> doctor.diagnosis.verdict, doctor.diagnosis.findings[0].label
        ('inconsistent', 'wrong_loss_or_output_activation')

    Reference: Cao et al., "DeepFD: automated fault diagnosis and localization for deep
    learning programs", 2022, https://arxiv.org/abs/2205.01938
    """

    def __init__(
        self,
        data: tuple[Any, Any] | None = None,
        *,
        every: int | str = "epoch",
        record_path: Path | None = None,
        stop_on: str | Sequence[str] = (),
        rules: Sequence[str | Callable[[Any], list[Finding]]] | None = None,
        check_first: bool = False,
    ):
        super().__init__(
            data, every=every, record_path=record_path, stop_on=stop_on, rules=rules
        )
        self.check_first = boolean("check_first", check_first)
        self.batch_check: BatchCheck | None = None
        self._awaits_batch = False

    # The reference shows what stands in the class itself.
    diagnosis = Examiner.diagnosis
    examine_now = staticmethod(Examiner.examine_now)
    get_state = Examiner.get_state

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state that `get_state` returned, during training.

        Args:
            state: Dict that `get_state` returned.

        Raises:
            ValueError: If the state is of another model.
        """
        super().set_state(state)
        # The model was checked before the run that is resumed.
        self._awaits_batch = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Record model, settings and data, and start to measure."""
        before = self.record
        super().on_train_begin(logs)
        if self.record is not before:
            # Another model than before.
            self.batch_check, self._awaits_batch = None, self.check_first
        if self._awaits_batch:
            self._await_batch()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the logs, and the measurements if a reading is due."""
        if self._awaits_batch:
            self._leave_out(UNSEEN)
        super().on_epoch_end(epoch, logs)

    def _await_batch(self):
        """Check the first batch when `fit` has drawn it, which then trains on it."""
        epochs = _keras.running_fit().get("epoch_iterator")
        if epochs is None:
            self._leave_out(UNSEEN)
            return
        try:
            _keras.show_first_batches(
                epochs, self._check_batch, _backends.batch_iterator
            )
        except Exception as error:
            self._leave_out(error)

    def _check_batch(self, batch):
        """Train a copy of the model on a batch; return that no more are needed."""
        if not self._awaits_batch:
            return
        self._awaits_batch = False
        from kcomponents.treatment import overfit_batch

        try:
            first = iter([first_rows(batch, SAMPLES)])
            self.batch_check = check = overfit_batch(self.model, first)
        except Exception as error:
            self._leave_out(error)
            return
        if check.learned is False:
            findings = check.diagnosis.findings
            cause = findings[0].evidence[0] if findings else "No cause was found."
            logger.warning("%s %s", check.sentence, cause)

    def _leave_out(self, reason):
        self._awaits_batch = False
        logger.warning("`check_first` checked no batch before training: %s", reason)
