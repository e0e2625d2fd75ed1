"""overfit_batch: find out whether a model can learn a single batch."""

import dataclasses
import math
from collections.abc import Callable
from html import escape
from typing import Any

import keras

from kcomponents import _console
from kcomponents._checks import positive_int
from kcomponents._examination.examiner import Examiner
from kcomponents._keras.random_state import no_trace
from kcomponents.doctor import Diagnosis, skills
from kcomponents.treatment._batches import first_batches
from kcomponents.treatment._forks import fork

# A batch is learned from this skill on; 0 is a constant prediction, and 1 no error.
LEARNED = 0.9
# If no skill is known: a loss that keeps this share of itself is stuck.
STUCK = 0.9


@dataclasses.dataclass(frozen=True)
class BatchCheck:
    """What `overfit_batch` found.

    `str(check)` is the answer, followed by the findings if it is no, or if something is
    wrong with the data or the setup.

    Args:
        learned: Boolean, whether the model learned the batch; `None` if that cannot be
            judged, as of a loss of your own.
        skill: Float, how far the outputs got on the batch: 0 is the best constant
            prediction, 1 no error. NaN if it cannot be judged.
        losses: Tuple of floats, the loss before each step.
        samples: Integer, the number of samples in the batch.
        diagnosis: `kcomponents.doctor.Diagnosis` of the steps on the batch.

    Example:
        >>> from kcomponents.doctor import Diagnosis
        >>> from kcomponents.treatment import BatchCheck
        >>> print(BatchCheck(True, 1.0, (2.0, 0.1), 32, Diagnosis("healthy", ())))
        The model learned a batch of 32 samples in 2 steps.
    """

    learned: bool | None
    skill: float
    losses: tuple[float, ...]
    samples: int
    diagnosis: Diagnosis

    @property
    def sentence(self) -> str:
        """The answer in a sentence."""
        of = f"a batch of {self.samples} samples"
        steps = f"{len(self.losses)} steps"
        change = f"the loss went from {self.losses[0]:.3g} to {self.losses[-1]:.3g}"
        if self.learned:
            return f"The model learned {of} in {steps}."
        if self.learned is None:
            return f"On {of}, {change} in {steps}; whether that is learned, is unknown."
        return f"The model did not learn {of} in {steps}: {change}."

    @property
    def _says_why(self):
        # What is wrong with data or setup counts even if a batch could be learned.
        return not self.learned or self.diagnosis.verdict == "inconsistent"

    def __str__(self) -> str:
        if self._says_why and self.diagnosis.findings:
            return f"{self.sentence}\n\n{self.diagnosis}"
        return self.sentence + (" No cause was found." if self._says_why else "")

    def _repr_html_(self) -> str:
        # Notebooks call this for the last line of a cell.
        found = self.diagnosis._repr_html_() if self._says_why else ""
        return f"<p><b>{escape(self.sentence)}</b></p>{found}"


def overfit_batch(
    model: keras.Model | Callable[[], keras.Model],
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    batch_size: int = 32,
    steps: int = 300,
) -> BatchCheck:
    """Find out whether a model can learn a single batch by heart.

    A model that cannot fit 32 samples cannot fit more of them either, and on one batch
    this shows in seconds. A copy of the model is trained on the batch, under
    `TrainingDoctor`, until it has learned it; the model itself stays as it is.

    Dropout, weight decay and other regularizers stay on: if they prevent that a batch
    is learned, this is among the findings.

    Args:
        model: Compiled Keras model, which is copied with its present weights, or a
            function without arguments that returns one.
        x: Inputs: an array, a list or dict of arrays, or an iterable of batches as
            `fit` takes it, of which the first one is drawn.
        y: Targets, as `fit` takes them. Defaults to `None`.
        sample_weight: Weights of the samples, as `fit` takes them. Defaults to `None`.
        batch_size: Integer, how many samples to take if `x` are arrays. Defaults to
            `32`.
        steps: Integer, the most steps. Defaults to `300`.

    Returns:
        `BatchCheck`.

    Raises:
        ValueError: If the model is not compiled or cannot be copied, or an argument is
            invalid.

    Example:
        >>> import keras, numpy as np
        >>> from kcomponents.treatment import overfit_batch
        >>> x = np.random.default_rng(0).normal(size=(99, 4)).astype("float32")
        >>> y = (x[:, 0] * x[:, 1] > 0).astype("float32")
        >>> hidden = keras.layers.Dense(64, "relu")
        >>> last = keras.layers.Dense(1, "sigmoid")
        >>> model = keras.Sequential([keras.Input((4,)), hidden, last])
        >>> model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
        >>> overfit_batch(model, x, y).learned
        True

    Reference:
        Andrej Karpathy, [A recipe for training neural
        networks](https://karpathy.github.io/2019/04/25/recipe/), 2019.
    """
    positive_int("steps", steps)
    positive_int("batch_size", batch_size)
    [batch] = first_batches(x, y, sample_weight, batch_size, count=1)
    copy = fork(model, steps_per_execution=1)
    doctor = Examiner()
    learned = _Learned(doctor)
    samples = len(keras.tree.flatten(batch[0])[0])
    updates = getattr(copy.optimizer, "gradient_accumulation_steps", None) or 1
    with no_trace(), _console.silence():
        history = copy.fit(
            *batch[:2],
            sample_weight=batch[2],
            batch_size=samples,
            epochs=steps * updates,
            shuffle=False,
            verbose=0,
            callbacks=[doctor, learned],
        )
    # While gradients are accumulated, the loss of the batch stays the same.
    losses = tuple(float(loss) for loss in history.history["loss"][::updates])
    skill = learned.skill()
    if not math.isnan(skill):
        answer = skill >= LEARNED
    else:
        answer = None if losses[-1] < STUCK * losses[0] else False
    # Notes say what was not checked, such as overfitting, which is what is wanted here.
    diagnosis = dataclasses.replace(doctor.diagnosis, notes=())
    return BatchCheck(answer, skill, losses, samples, diagnosis)


class _Learned(keras.callbacks.Callback):
    """Stops when the outputs are right on the batch, as the doctor scores them."""

    def __init__(self, doctor):
        super().__init__()
        self._doctor, self._readings = doctor, 0

    def skill(self):
        """Return the skill of the worst output, NaN if it is unknown."""
        return min(skills(self._doctor.record).values(), default=math.nan)

    def on_epoch_end(self, epoch, logs=None):
        readings = len(self._doctor.record.readings)
        if readings == self._readings:
            return
        self._readings = readings
        skill, loss = self.skill(), (logs or {}).get("loss", 0.0)
        if skill >= LEARNED or not math.isfinite(loss):
            self.model.stop_training = True
