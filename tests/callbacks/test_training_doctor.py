"""The doctor during training: what it records, and that training is unaffected."""

import copy
import json
import logging

import keras
import numpy as np
import pytest

from kcomponents import _backends, doctor
from kcomponents.callbacks import EarlyStopping, TrainingDoctor
from kcomponents.record import Record
from tests.callbacks.crashing import CrashAfter, Stopped
from tests.keras_own import takes_several_steps
from tests.probes.models import models

BACKEND = keras.backend.backend()


def data(rows=64, columns=3):
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, columns)).astype("float32")
    return x, (x[:, :1] > 0).astype("float32")


def net(activation="sigmoid", loss="binary_crossentropy", optimizer="adam", **settings):
    hidden = keras.layers.Dense(8, "relu", name="hidden")
    last = keras.layers.Dense(1, activation, name="last")
    model = keras.Sequential([keras.Input((3,)), hidden, last], name="net")
    model.compile(optimizer, loss, **settings)
    return model


def watched(model, *callbacks, x=None, y=None, watching=None, **settings):
    """Fit a model under a doctor, and return the doctor."""
    watching = TrainingDoctor() if watching is None else watching
    if x is None:
        x, y = data()
    settings = {"epochs": 3, "batch_size": 16, "verbose": 0, **settings}
    model.fit(x, y, callbacks=[watching, *callbacks], **settings)
    return watching


def rules(watching):
    return [finding.label for finding in watching.diagnosis.findings]


def arrays_of(model):
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(v) for v in variables]


# The others are tested with the probes that the doctor stands on.
KINDS = "custom_train_step", "functional", "nested", "shared", "subclassed"


@pytest.mark.parametrize("kind", KINDS)
def test_leaves_the_training_of_every_kind_of_model_as_it_is(kind):
    ends = []
    for callbacks in ([], [TrainingDoctor()]):
        keras.utils.set_random_seed(0)
        model, x, y = models[kind]()
        model.compile("adam", "mse")
        keras.utils.set_random_seed(1)
        model.fit(x, y, epochs=2, batch_size=4, verbose=0, callbacks=callbacks)
        ends.append(arrays_of(model))
    for without, under in zip(*ends, strict=True):
        np.testing.assert_allclose(under, without, rtol=0, atol=1e-6)


def batches_of(x, y):
    while True:
        for start in range(0, len(x), 16):
            yield x[start : start + 16], y[start : start + 16]


class Batches(keras.utils.PyDataset):
    """Batches whose inputs are drawn from a generator, as augmented images are."""

    def __init__(self):
        super().__init__()
        self.random = np.random.default_rng(0)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        x = self.random.normal(size=(16, 3)).astype("float32")
        return x, (x[:, :1] > 0).astype("float32")


def feeds():
    x, y = data()
    found = {
        "generator": lambda: {"x": batches_of(x, y), "steps_per_epoch": 4},
        "dataset": lambda: {"x": Batches()},
    }
    if BACKEND == "tensorflow":
        import tensorflow as tf

        found["tf.data"] = lambda: {
            "x": tf.data.Dataset.from_tensor_slices((x, y)).shuffle(64, 3).batch(24)
        }
    if BACKEND == "torch":
        import torch

        parts = torch.utils.data.TensorDataset(*map(torch.as_tensor, (x, y)))
        found["loader"] = lambda: {
            "x": torch.utils.data.DataLoader(parts, batch_size=24, shuffle=True)
        }
    return found


@pytest.mark.parametrize("kind", ["generator", "dataset", "tf.data", "loader"])
@pytest.mark.parametrize("steps", [1, 3])
def test_sees_first_batches_of_data_that_are_drawn_and_trains_on_them(kind, steps):
    if kind not in feeds() or (steps > 1 and not takes_several_steps()):
        pytest.skip("Data of another backend, or several steps, which Keras refuses")
    ends, seen = [], []
    for under in (False, True):
        keras.utils.set_random_seed(0)
        model = net("relu", steps_per_execution=steps)
        watching = TrainingDoctor()
        keras.utils.set_random_seed(1)
        shuffle = {"shuffle": False}
        callbacks = [watching] if under else []
        model.fit(
            **feeds()[kind](), **shuffle, epochs=2, verbose=0, callbacks=callbacks
        )
        ends.append(arrays_of(model))
        seen.append(watching)
    for without, under in zip(*ends, strict=True):
        # XLA may sum in another order in a step that also measures.
        tolerance = 1e-6 if BACKEND == "jax" else 0
        np.testing.assert_allclose(under, without, rtol=0, atol=tolerance)
    assert rules(seen[1])[0] == "wrong_loss_or_output_activation"
    assert seen[1].record.structure["data"]["sampled"] >= 24


def test_records_what_it_saw_in_plain_numbers(tmp_path):
    path = tmp_path / "record.jsonl"
    model = net(metrics=["accuracy"])
    watching = watched(model, watching=TrainingDoctor(record_path=path))
    record = Record.load(path)
    assert repr(record.to_dict()) == repr(watching.record.to_dict())
    assert [reading.epoch for reading in record.readings] == [0, 0, 1, 2]
    assert [reading.step for reading in record.readings] == [0, 4, 8, 12]
    values = record.readings[-1].values
    kernel = model.layers[0].kernel.path
    assert values["gradient_norm"][kernel] > 0 and values["weight_norm"][kernel] > 0
    assert set(values["dead_units"]) == {model.layers[0].path}
    [score] = values["sample_accuracy"].values()
    x, y = data()
    predictions = keras.ops.convert_to_numpy(model(x))
    assert score == pytest.approx(np.mean((predictions > 0.5) == y))
    assert doctor.examine(record) == watching.diagnosis


def test_gradient_norms_are_those_of_the_steps():
    x, y = data(16)
    model = net("linear", "mse", keras.optimizers.SGD(0.0))
    watching = watched(model, x=x, y=y, epochs=1)
    hidden, _, last, _ = (keras.ops.convert_to_numpy(v) for v in model.weights)
    active = np.maximum(x @ hidden, 0)
    error = 2 * (active @ last - y) / len(x)
    expected = np.linalg.norm(active.T @ error)
    values = watching.record.readings[-1].values["gradient_norm"]
    assert values[model.layers[1].kernel.path] == pytest.approx(expected, rel=1e-4)


def test_is_quiet_about_a_training_that_goes_well(caplog, capsys):
    x, y = data(256)
    model = net(optimizer=keras.optimizers.Adam(0.02))
    watching = watched(model, x=x, y=y, epochs=12)
    assert watching.diagnosis.verdict == "healthy" and not rules(watching)
    assert not caplog.records and not capsys.readouterr().out


def test_logs_its_sentence_once_when_something_is_wrong(caplog):
    with caplog.at_level(logging.WARNING, "kcomponents"):
        watching = watched(net("relu"))
    [entry] = caplog.records
    assert entry.getMessage() == watching.diagnosis.sentence
    assert watching.diagnosis.sentence.startswith("Something in the data or")


def test_speaks_before_the_first_step():
    said = []
    watching = TrainingDoctor()
    ask = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: said.append(rules(watching))
    )
    watched(net("relu"), ask, watching=watching)
    assert said == [["wrong_loss_or_output_activation"]]


def test_says_what_does_not_fit_before_a_step_fails_of_it(caplog):
    with pytest.raises(Stopped), caplog.at_level(logging.WARNING, "kcomponents"):
        watched(net("relu"), CrashAfter(1))
    [entry] = caplog.records
    assert entry.getMessage().startswith("Something in the data or setup is wrong")


def test_stops_a_training_that_is_in_vain():
    stopping = TrainingDoctor(stop_on=("wrong_loss_or_output_activation",))
    model = net("relu")
    assert len(watched(model, watching=stopping).record.logs) == 1
    by_verdict = TrainingDoctor(stop_on="inconsistent")
    assert len(watched(net("relu"), watching=by_verdict).record.logs) == 1
    other = TrainingDoctor(stop_on=("loss_nan",))
    assert len(watched(net("relu"), watching=other).record.logs) == 3


def test_asks_rules_of_ones_own_and_outlives_those_that_fail():
    def fails(case):
        return case.nothing_of_this_name

    def finds(case):
        return [doctor.Finding("mine", "", ("It is so.",), "high")]

    asking = TrainingDoctor(rules=[fails, "dead_relu", finds], stop_on="mine")
    watching = watched(net(), watching=asking)
    assert rules(watching) == ["mine"] and len(watching.record.logs) == 1
    assert "Rule fails was skipped because it raised" in " ".join(
        watching.diagnosis.notes
    )


@pytest.mark.any_backend
def test_all_rules_are_the_default():
    assert TrainingDoctor().rules == TrainingDoctor(rules=None).rules == doctor.RULES
    assert TrainingDoctor(rules=[]).rules == ()


def test_a_record_goes_on_through_a_loop_of_fits():
    watching, model, (x, y) = TrainingDoctor(), net(), data()
    for epoch in range(25):
        watched(model, x=x, y=y, watching=watching, epochs=1)
        if epoch == 0:
            first = watching.record.structure["initial"]
    epochs = [entry["epoch"] for entry in watching.record.logs]
    assert epochs == list(range(25))
    readings = watching.record.readings[1:]
    assert [reading.epoch for reading in readings] == list(range(25))
    # Each fit that is watched from within has to compile its step.
    within = [r.epoch for r in readings if "gradient_norm" in r.values]
    assert within == [0, 1, 3, 7, 15]
    assert watching.record.structure["initial"] == first
    watched(net(), watching=watching, epochs=1)
    assert len(watching.record.logs) == 1


@pytest.mark.any_backend
def test_a_loop_of_fits_may_count_epochs_on():
    watching, model, (x, y) = TrainingDoctor(), net(), data()
    for epoch in range(5):
        counted = {"initial_epoch": epoch, "epochs": epoch + 1}
        watched(model, x=x, y=y, watching=watching, **counted)
    readings = watching.record.readings[1:]
    within = [r.epoch for r in readings if "gradient_norm" in r.values]
    assert within == [0, 1, 3]


@pytest.mark.any_backend
def test_long_trainings_are_looked_at_less_and_less_often():
    watching = watched(net(), epochs=200, batch_size=64)
    looked = [reading.epoch for reading in watching.record.readings[1:]]
    assert looked[:20] == list(range(20)) and looked[-1] == 199
    assert len(looked) < 50 and len(watching.record.logs) == 200


@pytest.mark.any_backend
def test_looks_as_often_as_asked():
    watching = watched(net(), watching=TrainingDoctor(every=4), epochs=10)
    looked = [reading.epoch for reading in watching.record.readings[1:]]
    assert looked == [0, 4, 8, 9]


def test_an_interrupted_training_is_judged_by_what_was_seen():
    watching = TrainingDoctor()
    with pytest.raises(Stopped):
        watched(net("relu"), CrashAfter(9), watching=watching)
    assert rules(watching)[0] == "wrong_loss_or_output_activation"
    assert len(watching.record.logs) == 2
    model = net()
    before = len(model.variables)
    with pytest.raises(Stopped):
        watched(model, CrashAfter(9), watching=watching)
    watched(model, watching=watching)
    assert len(model.variables) == before


def test_data_of_the_users_own_are_looked_at():
    x, y = data()
    watching = TrainingDoctor(data=(x[:20], y[:20]))
    watched(net(), watching=watching)
    assert watching.record.structure["data"]["rows"] == 20


def test_examines_a_model_and_data_without_training():
    x, y = data()
    model = net("relu")
    before = [v.numpy() for v in model.variables]
    found = TrainingDoctor.examine_now(model, x, y)
    assert [f.label for f in found.findings] == ["wrong_loss_or_output_activation"]
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert TrainingDoctor.examine_now(net(), x, y).verdict == "not_trained"


def test_a_model_that_is_not_built_yet_is_watched():
    model = keras.Sequential([keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    watching = watched(model)
    assert watching.record.readings[-1].values["gradient_norm"]["all"] > 0


class Plain(keras.Model):
    """A model whose `call` takes inputs alone."""

    def __init__(self):
        super().__init__()
        self.hidden, self.last = keras.layers.Dense(4, "relu"), keras.layers.Dense(1)

    def call(self, inputs):
        return self.last(self.hidden(inputs))


def test_a_model_whose_call_knows_nothing_of_training_is_run_on_its_data():
    model = Plain()
    model.compile("sgd", "mse")
    values = watched(model).record.readings[-1].values
    predictions = keras.ops.convert_to_numpy(model(data()[0]))
    assert values["sample_spread"]["output"] == pytest.approx(
        predictions.std(), rel=1e-4
    )


def test_what_could_not_be_seen_is_a_note_of_the_diagnosis(monkeypatch):
    def broken(x):
        raise RuntimeError("There is nothing to call here.")

    monkeypatch.setattr(_backends, "inference", lambda *_: broken)
    found = watched(net()).diagnosis
    assert not found.findings and found.verdict == "not_judged"
    assert any("run the model on its data: There is nothing" in n for n in found.notes)


def trained_as_without_the_doctor(make, feed, **options):
    """Fit a model with and without a doctor, compare its weights, return the doctor."""
    ends = []
    for callbacks in ([], [TrainingDoctor()]):
        keras.utils.set_random_seed(0)
        model = make()
        model.fit(*feed(), shuffle=False, verbose=0, callbacks=callbacks, **options)
        ends.append(model.get_weights())
    for without, under in zip(*ends, strict=True):
        np.testing.assert_allclose(under, without, rtol=0, atol=1e-6)
    return callbacks[0]


def unbuilt(*layers):
    model = keras.Sequential([*layers, keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    return model


def test_a_model_that_its_first_batch_builds_is_trained_as_without_the_doctor():
    def make():
        # Dropout has a variable before the model is built.
        return unbuilt(keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5))

    doctor = trained_as_without_the_doctor(make, lambda: [Batches()], epochs=2)
    assert "gradient_norm" in doctor.record.readings[-1].values


class Neighbors(keras.layers.Layer):
    """Adds up the features of linked nodes, of all nodes at once."""

    def __init__(self):
        super().__init__()
        self.inner = keras.layers.Dense(4)

    def call(self, x):
        links = keras.ops.eye(64)
        return self.inner(keras.ops.matmul(links, x))


def test_a_network_that_takes_all_nodes_at_once_is_trained_as_without_the_doctor():
    def make():
        return unbuilt(Neighbors(), keras.layers.ReLU())

    options = {"batch_size": 64, "epochs": 3}
    doctor = trained_as_without_the_doctor(make, data, **options)
    assert "sample_accuracy" in doctor.record.readings[-1].values


class TwoTowers(keras.Model):
    """A model whose call builds one of its towers, and whose loss the other."""

    def __init__(self):
        super().__init__()
        self.queries = keras.Sequential([keras.layers.Dense(4)])
        self.answers = keras.Sequential([keras.layers.Dense(4)])

    def call(self, x):
        return self.queries(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        apart = keras.ops.square(y_pred - self.answers(y))
        return keras.ops.mean(apart)


@pytest.mark.skipif(
    BACKEND != "tensorflow", reason="Keras does not train it on other backends"
)
@pytest.mark.filterwarnings("ignore:.build... was called on layer 'two_towers'")
def test_a_model_that_its_call_builds_in_part_is_trained_as_without_the_doctor():
    def make():
        model = TwoTowers()
        model.compile("adam")
        return model

    doctor = trained_as_without_the_doctor(make, lambda: [Batches()], epochs=2)
    notes = doctor.record.structure["notes"]
    assert any("steps are not measured" in note for note in notes)


class Mystery(keras.losses.Loss):
    """A loss of the user's own, of embeddings."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def call(self, y_true, y_pred):
        apart = keras.ops.square(y_pred - keras.ops.roll(y_pred, 1, axis=0))
        return self.factor * keras.ops.mean(apart, axis=-1)


def embedding_net(loss):
    """Return a network whose outputs are not predictions of the targets."""
    layers = [keras.Input((3,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(5)]
    model = keras.Sequential(layers)
    model.compile("adam", loss)
    return model


def test_progress_is_not_judged_where_only_the_user_knows_the_loss():
    found = watched(embedding_net(Mystery()), epochs=8).diagnosis
    assert found.verdict == "not_judged" and not found.findings
    assert any("loss or the targets are custom" in note for note in found.notes)


def test_a_loss_without_a_gradient_is_found_without_knowing_it():
    found = watched(embedding_net(Mystery(0.0)), epochs=8).diagnosis
    assert [finding.label for finding in found.findings][0] == "no_gradient"


def test_nothing_watched_is_not_healthy():
    found = TrainingDoctor().diagnosis
    assert found.verdict == "not_watched" and "fit(callbacks=" in found.sentence


def test_an_exception_in_fit_is_in_the_diagnosis():
    class Stumbling(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("The disk is full.")

    watching = TrainingDoctor()
    x, y = data()
    with pytest.raises(RuntimeError, match="disk"):
        net().fit(x, y, verbose=0, callbacks=[watching, Stumbling()])
    found = watching.diagnosis
    assert found.verdict == "interrupted"
    assert "`fit` ended with RuntimeError: The disk is full." in found.notes
    # The next `fit` starts with a clean sheet.
    watched(net(), watching=watching)
    assert watching.diagnosis.verdict != "interrupted"


def test_random_numbers_of_the_model_go_on_as_without_it():
    ends = []
    for callbacks in ([], [TrainingDoctor()]):
        keras.utils.set_random_seed(3)
        always = keras.layers.Dropout(0.5)
        inputs = keras.Input((3,))
        hidden = always(keras.layers.Dense(8, "relu")(inputs), training=True)
        model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
        model.compile("sgd", "mse")
        x, y = data()
        model.fit(x, y, epochs=3, verbose=0, callbacks=callbacks)
        ends.append(arrays_of(model))
    for without, under in zip(*ends, strict=True):
        np.testing.assert_array_equal(without, under)


def test_works_beside_early_stopping_and_can_be_copied():
    x, y = data()
    stopper = EarlyStopping(monitor="loss", patience=1, min_delta=9)
    watching = copy.deepcopy(TrainingDoctor())
    watched(net(), stopper, x=x, y=y, watching=watching, epochs=9)
    again = copy.deepcopy(watching)
    assert again.diagnosis == watching.diagnosis
    assert json.dumps(again.diagnosis.to_dict())


def test_loss_scaling_and_accumulation_are_survived():
    optimizer = keras.optimizers.Adam(1e-3, gradient_accumulation_steps=2)
    assert watched(net(optimizer=optimizer)).record.readings[-1].step > 0
    inputs = keras.Input((3,))
    last = keras.layers.Dense(1, "sigmoid", dtype="mixed_float16")(inputs)
    model = keras.Model(inputs, last)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    model.compile(scaled, "binary_crossentropy")
    assert watched(model).record.readings[-1].values["gradient_norm"]["all"] > 0


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"data": 3}, r"`data` must be a pair \(x, y\) .* Received: data=3"),
        ({"every": 0}, "`every` must be"),
        (
            {"stop_on": ("dead",)},
            "`stop_on` must contain only these verdicts and labels: ",
        ),
        ({"rules": ("dead",)}, "`rules` must be functions, or among"),
    ],
)
def test_refuses_wrong_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        TrainingDoctor(**wrong)


def test_refuses_data_that_do_not_suit_the_model():
    x, y = data()
    with pytest.raises(ValueError, match="`data` must be inputs and targets that fit"):
        watched(net(), watching=TrainingDoctor(data=(x[:, :2], y)))
    with pytest.raises(ValueError, match="`model` must be compiled with a loss"):
        TrainingDoctor.examine_now(keras.Sequential([keras.layers.Dense(1)]), x, y)
