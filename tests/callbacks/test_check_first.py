"""check_first: the doctor tries a copy of the model on one batch before training."""

import copy
import importlib
import logging
import pickle
import signal

import keras
import numpy as np
import pytest

from kcomponents import callbacks, treatment
from kcomponents.callbacks import Resume, TrainingDoctor
from kcomponents.treatment import BatchCheck
from tests.backend_cases import once
from tests.callbacks.crashing import CrashAfter, Stopped
from tests.callbacks.test_training_doctor import arrays_of
from tests.keras_own import needs_several_steps

BACKEND = keras.backend.backend()
layers = keras.layers
X = np.random.default_rng(0).normal(size=(96, 4)).astype("float32")
Y = (X[:, 0] * X[:, 1] > 0).astype("float32")
SIZE, EPOCHS = 24, 2

pytestmark = [
    pytest.mark.filterwarnings("ignore:.shuffle=True. was passed"),
    pytest.mark.filterwarnings("ignore:No hidden layer with a saturating activation"),
]


class Batches(keras.utils.PyDataset):
    """Draws each batch at random."""

    def __len__(self):
        return 4

    def __getitem__(self, number):
        rows = np.random.permutation(len(X))[:SIZE]
        return X[rows], Y[rows]


def batches():
    dataset = Batches()
    while True:
        yield dataset[0]


def dataset_of_backend():
    """Return a dataset or loader with an order of its own."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(96, 3).batch(SIZE)
    if BACKEND == "torch":
        import torch

        rows = torch.utils.data.TensorDataset(*map(torch.as_tensor, (X, Y)))
        return torch.utils.data.DataLoader(rows, batch_size=SIZE, shuffle=True)
    return Batches()


DATA = {
    "arrays": lambda: {"x": X, "y": Y, "batch_size": SIZE},
    "class weights": lambda: {
        **DATA["arrays"](),
        "class_weight": {0: 1.0, 1: 2.0},
        "validation_split": 0.25,
    },
    "dataset": lambda: {"x": Batches()},
    "dataset of the backend": lambda: {"x": dataset_of_backend()},
    "generator": lambda: {"x": batches(), "steps_per_epoch": 4},
}
KINDS = "arrays", "dataset of the backend", "generator"


def net(activation="relu", rate=0.01, **settings):
    keras.utils.set_random_seed(0)
    parts = layers.Dense(64, activation), layers.Dropout(0.1)
    model = keras.Sequential([keras.Input((4,)), *parts, layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", **settings)
    return model


def fit(model, *watching, kind="arrays", epochs=EPOCHS, **options):
    options = {**DATA[kind](), "verbose": 0, "epochs": epochs, **options}
    model.fit(callbacks=list(watching), **options)
    return arrays_of(model)


def assert_same(ours, plain):
    assert len(ours) == len(plain)
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def warnings_of_ours(caplog):
    found = [record for record in caplog.records if record.name == "kcomponents"]
    return [r.getMessage() for r in found if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("kind", [*KINDS, *once("class weights", "dataset")])
def test_training_is_that_without_the_check(kind):
    watching = TrainingDoctor(check_first=True)
    ours, plain = fit(net(), watching, kind=kind), fit(net(), kind=kind)
    assert_same(ours, plain)
    assert watching.batch_check.learned is True
    assert watching.batch_check.samples == SIZE


@needs_several_steps
def test_training_of_several_steps_at_once_is_that_without_the_check():
    watching = TrainingDoctor(check_first=True)
    ours = fit(net(steps_per_execution=2), watching, kind="generator")
    assert_same(ours, fit(net(steps_per_execution=2), kind="generator"))
    assert watching.batch_check.learned is True


@pytest.mark.parametrize("first", [False, *once(True)])
def test_other_monitors_of_the_model_do_not_matter(first):
    others = [callbacks.GradientNormLogger(), callbacks.DeadReLUMonitor()]
    watching = TrainingDoctor(check_first=True)
    ordered = [watching, *others] if first else [*others, watching]
    assert_same(fit(net(), *ordered), fit(net()))
    assert watching.batch_check.learned is True
    # They have measured the training alone.
    steps = [reading.step for reading in watching.record.readings]
    assert max(steps) <= EPOCHS * len(X) // SIZE
    assert len(others[0].record.readings if others[0].record else ()) <= EPOCHS


@pytest.mark.any_backend
def test_at_most_32_samples_are_tried():
    watching = TrainingDoctor(check_first=True)
    fit(net(), watching, batch_size=64)
    assert watching.batch_check.samples == 32


def test_a_batch_that_is_not_learned_is_logged_before_the_first_step(caplog):
    said = []

    class Listener(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            said.append(warnings_of_ours(caplog))

    watching = TrainingDoctor(check_first=True)
    with caplog.at_level(logging.INFO, "kcomponents"):
        fit(net(None), watching, Listener())
    check = watching.batch_check
    assert check.learned is False
    [evidence, *_] = check.diagnosis.findings[0].evidence
    assert said[0] == [f"{check.sentence} {evidence}"]
    assert check.sentence.startswith("The model did not learn a batch of 24 samples")


@pytest.mark.any_backend
def test_without_a_finding_the_warning_says_so(caplog, monkeypatch):
    nothing = TrainingDoctor().diagnosis
    check = BatchCheck(False, 0.1, (1.0, 1.0), SIZE, nothing)
    monkeypatch.setattr(treatment, "overfit_batch", lambda *_: check)
    watching = TrainingDoctor(check_first=True)
    fit(net(), watching, epochs=1)
    assert watching.batch_check is check
    assert warnings_of_ours(caplog)[0] == f"{check.sentence} No cause was found."


@pytest.mark.any_backend
@pytest.mark.parametrize("learned", [True, None])
def test_a_batch_that_is_learned_or_unknown_is_not_logged(learned, caplog, monkeypatch):
    check = BatchCheck(learned, 0.1, (1.0, 1.0), SIZE, TrainingDoctor().diagnosis)
    monkeypatch.setattr(treatment, "overfit_batch", lambda *_: check)
    watching = TrainingDoctor(check_first=True)
    fit(net(), watching, epochs=1)
    assert watching.batch_check is check
    assert not any(check.sentence in said for said in warnings_of_ours(caplog))


class Uncopied(keras.Model):
    """Has a `compile` of its own, which a copy cannot repeat."""

    def __init__(self):
        super().__init__()
        self.last = layers.Dense(1, "sigmoid")

    def call(self, x):
        return self.last(x)

    def compile(self, optimizer, **settings):
        super().compile(optimizer, "binary_crossentropy", **settings)


@pytest.mark.parametrize("checks", [False, True])
def test_a_model_that_cannot_be_copied_is_trained_all_the_same(checks, caplog):
    ends = []
    for watching in ([], [TrainingDoctor(check_first=checks)]):
        keras.utils.set_random_seed(0)
        model = Uncopied()
        model.compile(keras.optimizers.Adam(0.01))
        ends.append(fit(model, *watching))
    assert_same(*ends)
    assert watching[0].batch_check is None
    said = [text for text in warnings_of_ours(caplog) if "check_first" in text]
    assert len(said) == checks
    assert not checks or "its class has a `compile` of its own" in said[0]


@pytest.mark.any_backend
def test_a_check_that_fails_leaves_the_training_alone(caplog, monkeypatch):
    def fails(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(treatment, "overfit_batch", fails)
    watching = TrainingDoctor(check_first=True)
    assert_same(fit(net(), watching), fit(net()))
    assert watching.batch_check is None and len(watching.record.logs) == EPOCHS
    [said] = [text for text in warnings_of_ours(caplog) if "check_first" in text]
    assert "out of memory" in said


@pytest.mark.any_backend
def test_a_generator_gives_all_of_its_batches_to_the_training():
    seen = []

    def counted():
        for number in range(8):
            seen.append(number)
            yield X[number * 12 :][:12], Y[number * 12 :][:12]

    watching, model = TrainingDoctor(check_first=True), net()
    model.fit(counted(), steps_per_epoch=8, verbose=0, callbacks=[watching])
    assert seen == [*range(8)]
    assert int(model.optimizer.iterations) == 8
    assert watching.batch_check.samples == 12


@pytest.mark.any_backend
def test_only_the_first_fit_of_a_model_is_checked(monkeypatch):
    checked, real = [], treatment.overfit_batch

    def counted(model, *arguments):
        checked.append(model)
        return real(model, *arguments)

    monkeypatch.setattr(treatment, "overfit_batch", counted)
    watching, model, other = TrainingDoctor(check_first=True), net(), net()
    fit(model, watching, epochs=1)
    first = watching.batch_check
    fit(model, watching, epochs=1)
    assert watching.batch_check is first and checked == [model]
    fit(other, watching, epochs=1)
    assert watching.batch_check is not first and checked == [model, other]


@pytest.mark.any_backend
def test_a_fit_that_takes_no_step_is_not_the_first_one():
    watching, model = TrainingDoctor(check_first=True), net()
    fit(model, watching, epochs=0)
    assert watching.batch_check is None
    fit(model, watching)
    assert watching.batch_check.learned is True


@pytest.mark.parametrize("save_freq", [3, *once("epoch")])
def test_a_resumed_training_is_not_checked_again(save_freq, tmp_path, monkeypatch):
    checked, real = [], treatment.overfit_batch

    def counted(model, *arguments):
        checked.append(model)
        return real(model, *arguments)

    monkeypatch.setattr(treatment, "overfit_batch", counted)

    def train(*others, folder):
        watching = TrainingDoctor(check_first=True)
        resume = Resume(tmp_path / folder, save_freq)
        return fit(net(), watching, resume, *others), watching

    with pytest.raises(Stopped):
        train(CrashAfter(6), folder="a")
    assert len(checked) == 1
    ours, resumed = train(folder="a")
    assert len(checked) == 1 and resumed.batch_check is None
    whole, _ = train(folder="b")
    assert len(checked) == 2
    assert_same(ours, whole)
    assert_same(ours, fit(net()))


def test_ctrl_c_ends_the_check_and_the_training(monkeypatch):
    learned = importlib.import_module("kcomponents.treatment.overfit_batch")._Learned
    epochs = []

    def interrupted(self, epoch, logs=None):
        epochs.append(epoch)
        if epoch == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(learned, "on_epoch_end", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        model = net()
        start = model.get_weights()
        with pytest.raises(KeyboardInterrupt):
            fit(model, TrainingDoctor(check_first=True))
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert epochs == [0, 1, 2, 3]
    assert_same(model.get_weights(), start)
    monkeypatch.undo()
    watching = TrainingDoctor(check_first=True)
    fit(model, watching)
    assert watching.batch_check.learned is True


@pytest.mark.any_backend
def test_a_fit_of_ones_own_is_said_to_be_unchecked(caplog):
    watching, model = TrainingDoctor(check_first=True), net()
    watching.set_model(model)
    watching.on_train_begin()
    watching.on_train_end()
    assert watching.batch_check is None
    said = [text for text in warnings_of_ours(caplog) if "check_first" in text]
    assert len(said) == 1 and "cannot be looked at" in said[0]


@pytest.mark.any_backend
def test_batches_that_no_one_may_look_at_are_said_to_be_unchecked(caplog, monkeypatch):
    # As on several devices with TensorFlow.
    training_doctor = importlib.import_module("kcomponents.callbacks.training_doctor")
    blind = type("Blind", (), {"batch_iterator": staticmethod(lambda *_: None)})
    monkeypatch.setattr(training_doctor, "_backends", blind)
    watching = TrainingDoctor(check_first=True)
    assert_same(fit(net(), watching), fit(net()))
    assert watching.batch_check is None
    said = [text for text in warnings_of_ours(caplog) if "check_first" in text]
    assert len(said) == 1 and "cannot be looked at" in said[0]


@pytest.mark.any_backend
def test_a_doctor_with_a_check_can_be_copied_and_pickled():
    watching = TrainingDoctor(check_first=True)
    fit(net(), watching)
    for again in (copy.deepcopy(watching), pickle.loads(pickle.dumps(watching))):
        assert again.check_first is True
        assert again.batch_check == watching.batch_check
        assert again.diagnosis == watching.diagnosis


@pytest.mark.any_backend
def test_nothing_is_checked_by_default():
    watching = TrainingDoctor()
    fit(net(), watching)
    assert watching.check_first is False and watching.batch_check is None


@pytest.mark.any_backend
def test_refuses_what_is_no_boolean():
    with pytest.raises(ValueError, match="`check_first` must be a boolean"):
        TrainingDoctor(check_first="yes")
