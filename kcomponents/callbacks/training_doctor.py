"""TrainingDoctor: watch a training, and say what is wrong with it."""

import logging
import weakref

import keras

from kcomponents import _keras
from kcomponents._check import fail, positive_int
from kcomponents.callbacks._doctor_given import labels_known, numbers
from kcomponents.callbacks._doctor_watch import Watch
from kcomponents.doctor import RULES, Diagnosis, examine
from kcomponents.record import Record

logger = logging.getLogger("kcomponents")


class TrainingDoctor(keras.callbacks.Callback):
    """Watch a training from within, and say what is wrong with it, or that nothing is.

    It keeps a `kcomponents.record.Record`: how the model was compiled, facts of the
    data, gradients, updates, dead and saturated units of each epoch, and what the model
    makes of a sample of its training data. `kcomponents.doctor.examine` judges that,
    before the first step for what can be told then, and whenever `diagnosis` is read.

    What is trained stays as it is. The numbers of an epoch come to the host once, when
    it ends; in long trainings epochs are looked at less and less often, each when
    about a tenth more of them have passed. When training ends with a finding, its
    sentence is logged, as a warning of the logger `"kcomponents"`; that data, outputs
    and loss do not fit together is logged before the first step, which may fail of it.

    If `fit` is called again with the same model, as in a loop of single epochs, the
    record goes on. Another model begins a new one. A fit that is watched from within
    compiles its step anew; in a loop of single epochs that is done in the first, the
    second, the fourth, the eighth, and so on.

    Args:
        data: Optional pair of inputs and targets, arrays as `fit` takes them, that the
            model is looked at with. Defaults to `None`, those that `fit` was given; of
            generators and datasets the first batches.
        every: `"epoch"`, or an integer, how many epochs apart the looks are. Defaults
            to `"epoch"`.
        record_path: Optional path of a file that the record grows in, for
            `python -m kcomponents report`. An old file is replaced. Defaults to `None`.
        stop_on: Tuple of labels of rules or of verdicts that end the training when they
            are found. Defaults to `()`.
        rules: Names of rules, or functions as `RULES` holds, your own too, in the order
            in which they are asked. Defaults to `kcomponents.doctor.RULES`, all.

    Raises:
        ValueError: If an argument is none of these; in `fit`, if `data` does not suit
            the model.

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
        >>> doctor.diagnosis.verdict, doctor.diagnosis.findings[0].rule
        ('inconsistent', 'wrong_loss_or_output_activation')

    Reference: Cao et al., "DeepFD: automated fault diagnosis and localization for deep
    learning programs", 2022, https://arxiv.org/abs/2205.01938
    """

    def __init__(
        self, data=None, *, every="epoch", record_path=None, stop_on=(), rules=RULES
    ):
        super().__init__()
        if data is not None and (not isinstance(data, tuple | list) or len(data) != 2):
            fail("`data` must be a pair of inputs and targets.", data=data)
        self.data = data
        self.thins = isinstance(every, str) and every == "epoch"
        self.every = 1 if self.thins else positive_int("every", every)
        self.record_path = record_path
        self.rules = tuple(rules)
        examine(Record(), self.rules)  # Unknown names are refused.
        self.stop_on = labels_known(stop_on, self.rules)
        self.record = Record()
        self._of = self._watch = None
        self._epochs, self._next = 0, 0
        self._judged = None

    @property
    def diagnosis(self) -> Diagnosis:
        """What the record says now: a `kcomponents.doctor.Diagnosis`."""
        record = self.record
        size = len(record.readings), len(record.logs), id(record.structure)
        if self._judged is None or self._judged[0] != size:
            self._judged = size, examine(self.record, self.rules)
        return self._judged[1]

    @staticmethod
    def examine_now(model, x, y=None) -> Diagnosis:
        """Return what can be told of a compiled model and its data without training.

        Args:
            model: Keras model, compiled.
            x: Inputs as `fit` takes them, arrays.
            y: Targets. Defaults to `None`.

        Raises:
            ValueError: If the model is not compiled with a loss, or `x` and `y` do not
                suit it.
        """
        if not getattr(model, "compiled", False) or model.loss is None:
            fail("`model` must be compiled with a loss.", model=model.name)
        record = Record()
        watch = Watch(model, record, (x, y), strict=True)
        watch.begin({}, tapped=False)
        return examine(record)

    def on_train_begin(self, logs=None):
        """Take note of model, settings and data, and begin to measure."""
        before = self._new_or_on()
        self._watch = Watch(
            self.model,
            self.record,
            self.data,
            self._epochs,
            on_data=self._begins,
            strict=self.data is not None,
        )
        self._seen, known = None, _keras.running_fit()
        epochs = known.get("epochs", 2) - known.get("initial_epoch", 0)
        # Each fit with taps compiles its step anew: in a loop of fits, fewer and fewer.
        tapped = epochs > 1 or self._epochs >= self._tap_next
        if tapped:
            self._tap_next = 2 * self._epochs + 1
        self._watch.begin(known, tapped, before)

    def on_epoch_end(self, epoch, logs=None):
        """Take note of the logs, and look if it is time to."""
        self._seen = self._epochs
        self.record.add_logs(self._epochs, numbers(logs))
        self._epochs += 1
        if self._epochs > self._next:
            self._look()

    def on_train_end(self, logs=None):
        """Look a last time, take the taps off, and say what was found."""
        if self._seen is not None and self._looked != self._seen:
            self._look()
        self._watch.end()
        self._say()

    def _begins(self):
        # What does not fit together is said at once: the first step may fail of it.
        if self.diagnosis.verdict == "inconsistent":
            self._say()
        self._maybe_stop()

    def _say(self):
        found = self.diagnosis
        if found.findings and self._told != found.sentence:
            self._told = found.sentence
            logger.warning("%s", found.sentence)

    def _look(self):
        self._looked = self._epochs - 1
        self._watch.look(self._looked)
        apart = self._epochs // 10 if self.thins and self._epochs > 20 else 0
        self._next = self._epochs + max(apart, self.every) - 1
        self._maybe_stop()

    def _maybe_stop(self):
        if not self.stop_on:
            return
        found = self.diagnosis
        if self.stop_on & {found.verdict, *(f.rule for f in found.findings)}:
            self.model.stop_training = True

    def _new_or_on(self):
        """Go on with the record of the same model, or begin one; return its watch."""
        if self._of is not None and self._of() is self.model:
            return self._watch
        self.record = Record(path=self.record_path)
        self._of = weakref.ref(self.model)
        self._epochs = self._next = self._tap_next = 0
        self._looked = self._told = None
        return None

    def __getstate__(self):
        # Tuners copy callbacks: a copy has neither the model nor taps on it.
        lost = dict.fromkeys(("_of", "_watch", "_model", "_judged"))
        return {**self.__dict__, **lost}
