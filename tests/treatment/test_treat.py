"""treat: what helps is found, what does not is said, and the model stays as it was."""

import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import scipy.stats
from keras import layers

from kcomponents._keras.random_state import random_state
from kcomponents.doctor import Diagnosis, Finding, Remedy
from kcomponents.treatment import Change, Treatment, Trial, treat
from kcomponents.treatment._pairs import FREEDOM, SPREAD, interval
from kcomponents.treatment._runs import Run
from kcomponents.treatment.treat import WORTH, _Treating

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(240, 6)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("float32")
VALID = X[200:], Y[200:]


def net(rate=1e-6, loss="binary_crossentropy", last="sigmoid"):
    def build():
        hidden = layers.Dense(16, "relu")
        model = keras.Sequential([keras.Input((6,)), hidden, layers.Dense(1, last)])
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        return model

    return build


def finding(*remedies, label="learning_rate_too_low"):
    return Diagnosis("not_learning", (Finding(label, "", ("So.",), "high", remedies),))


def rate(*values):
    return Remedy("learning_rate", values, "It may help.", "optimizer = ...")


def treated(model, diagnosis=None, epochs=3, **options):
    options = {"validation_data": VALID, "verbose": False, **options}
    x, y = options.pop("data", (X[:200], Y[:200]))
    return treat(model, x, y, epochs=epochs, diagnosis=diagnosis, **options)


def test_a_rate_that_is_too_low_is_raised_and_the_model_stays():
    model = net()()
    weights, randoms = model.get_weights(), random_state()
    found = treated(model, finding(rate(0.05)))
    assert [str(change) for change in found.changes] == ["learning_rate = 0.05"]
    [trial] = found.trials
    assert trial.outcome == "helps" and trial.metric == "val_accuracy"
    assert trial.interval[0] > 0 and found.after > found.before
    assert trial.pairs in (2, 3) and len(trial.curves) == trial.pairs
    assert {len(curve) for pair in trial.curves for curve in pair} == {3}
    assert found.trainings == 2 * trial.pairs
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not model.optimizer.built and str(random_state()) == str(randoms)
    assert "It helps to set learning_rate = 0.05: val_accuracy" in str(found)
    assert "optimizer = ..." in str(found) and "<pre>" in found._repr_html_()


def test_a_change_that_does_nothing_does_not_help():
    found = treated(net(0.05), finding(rate(0.0500001)))
    assert not found.changes and found.trials[0].outcome == "does not help"
    assert found.sentence == "No remedy was shown to help, of 1 that were tried."


def test_without_a_finding_there_is_nothing_to_treat():
    found = treated(net(0.05), Diagnosis("healthy", ()))
    assert found.trainings == 1 and not found.trials
    assert str(found) == "There is nothing to treat: No problems found."


def test_many_candidates_are_trained_for_a_third_of_the_epochs_first():
    found = treated(net(), finding(rate(0.05, 1e-5), Remedy("batch_size", (64,), "R.")))
    assert found.changes[0].value == 0.05
    outcomes = {str(trial.change): trial.outcome for trial in found.trials}
    assert outcomes["learning_rate = 0.05"] == "helps"
    # One for diagnosis, three for an epoch of three, and what one pair more takes.
    pairs = found.trials[0].pairs
    assert found.trainings == pytest.approx(2 * pairs + 2 / 3)


def test_steps_by_hand_and_changes_that_fail_are_not_tried():
    by_hand = Remedy("check_labels", (), "Look at them.")
    fails = Remedy("class_weight", ("balanced",), "R.")
    found = treated(net(), finding(by_hand, fails), data=(X[:200], [Y[:200]]))
    reasons = {trial.change.remedy.setting: trial.reason for trial in found.trials}
    assert reasons == {
        "check_labels": "it is a step to take by hand",
        "class_weight": "`y` must be one array for that",
    }
    assert found.sentence == "No remedy could be tried."


def test_a_training_that_fails_is_treated():
    def build():
        model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])
        model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["accuracy"])
        return model

    # The loss cannot compare three outputs with an integer.
    classes = (X[:, 0] > 0).astype("int32") + (X[:, 1] > 0)
    data, valid = (X[:200], classes[:200]), (X[200:], classes[200:])
    found = treated(build, data=data, validation_data=valid)
    assert [change.remedy.setting for change in found.changes] == [
        "output_activation_and_loss"
    ]
    assert (found.metric, found.before) == ("skill", 0.0) and found.after > 0.3


def test_a_failure_that_no_finding_explains_is_raised():
    class Broken(layers.Layer):
        def call(self, x, training=False):
            if training:
                raise ValueError("mine")
            return x

    def build():
        model = keras.Sequential([keras.Input((6,)), Broken(), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    with pytest.raises(ValueError, match="mine"):
        treated(build)


def test_early_stopping_ends_a_training_whose_weights_are_of_an_earlier_epoch():
    stopping = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=1, restore_best_weights=True
    )
    fit = {"x": X[:200], "y": Y[:200], "validation_data": VALID, "epochs": 50}
    run = Run(net(0.05), {**fit, "callbacks": [stopping]}, (), 0)
    run.train(40, keras.callbacks.Callback())
    assert run.done == 50 and len(run.curve("val_accuracy")) < 40
    kept = run.program.model.evaluate(*VALID, verbose=0, return_dict=True)
    np.testing.assert_allclose(run.value("val_accuracy"), kept["accuracy"], rtol=1e-5)
    np.testing.assert_allclose(run.value("val_loss"), kept["loss"], rtol=1e-4)
    assert run.value("val_accuracy", 1) == run.curve("val_accuracy")[0]


class FakeRun:
    """A training whose skill depends on its changes and its seed alone."""

    diagnosis_of = staticmethod(lambda changes: None)

    def __init__(self, source, fit, changes, seed):
        self.changes, self.seed, self.skills = tuple(changes), seed, source
        self.done, self.seconds, self.error, self.epochs = 0, 0.0, None, fit["epochs"]
        self.doctor = SimpleNamespace(record=SimpleNamespace(logs=[]))

    def train(self, epochs, stopper):
        for epoch in range(self.done, epochs):
            stopper.on_epoch_end(epoch)
        self.seconds += epochs - self.done
        self.done = epochs
        self.doctor.record.logs = [{}] * epochs

    def skill(self, epochs=None):
        key = frozenset(change.remedy.setting for change in self.changes)
        return self.skills[key] + 0.001 * self.seed

    def metric(self):
        return None, True

    def diagnosis(self):
        return FakeRun.diagnosis_of(self.changes)


def fake_treatment(monkeypatch, skills, remedies, epochs=9, **options):
    """Treat a program of which only the skills by changes are known."""
    monkeypatch.setattr(
        _Treating,
        "_start",
        lambda self, changes, seed: FakeRun(self._model, self._fit, changes, seed),
    )
    found = finding(*(Remedy(name, (1,), "R.") for name in remedies))
    monkeypatch.setattr(FakeRun, "diagnosis_of", staticmethod(lambda changes: found))
    skills = {frozenset(names.split()): value for names, value in skills.items()}
    return treat(skills, X, Y, epochs=epochs, verbose=False, **options)


def changed(treatment):
    return [change.remedy.setting for change in treatment.changes]


def outcomes(treatment):
    return {t.change.remedy.setting: t.outcome for t in treatment.trials}


@pytest.mark.any_backend
def test_what_helps_on_top_of_what_helped_is_added(monkeypatch):
    skills = {"": 0.1, "l2": 0.3, "noise": 0.6, "noise l2": 0.9}
    found = fake_treatment(monkeypatch, skills, ["l2", "noise"])
    # Two candidates are few enough to be trained to the end.
    assert changed(found) == ["l2", "noise"]
    assert (found.before, found.after) == pytest.approx((0.1005, 0.9005))
    assert found.metric == "skill"
    assert found.trainings == 6


@pytest.mark.any_backend
def test_the_best_of_many_go_on_and_what_spoils_a_training_is_left_out(monkeypatch):
    skills = {"": 0.4, "l2": 0.4, "noise": 0.7, "mask": 0.1, "noise l2": 0.7}
    skills["noise mask"] = 0.0
    remedies = ["l2", "mask", "noise"]
    found = fake_treatment(monkeypatch, skills, remedies, max_trainings=20)
    assert changed(found) == ["noise"]
    assert outcomes(found) == {
        "noise": "helps",
        "l2": "does not help",
        "mask": "does not help",
    }
    # Three for 3 of 9 epochs, two pairs, and in the second round two more each.
    assert found.trainings == pytest.approx(1 + 1 + 2 / 3 + 2 + 2 + 2)


@pytest.mark.any_backend
def test_each_candidate_is_named_when_the_budget_is_spent(monkeypatch):
    settings = ["l2", "noise", "mask"]
    skills = {"": 0.4} | dict.fromkeys(settings, 0.4)
    found = fake_treatment(monkeypatch, skills, settings, max_trainings=1.5)
    assert outcomes(found) == dict.fromkeys(settings, "not tried")
    assert {trial.reason for trial in found.trials} == {"the budget is spent"}


@pytest.mark.any_backend
def test_what_was_not_needed_is_named(monkeypatch):
    skills = {"": 0.1, "l2": 0.9, "noise": 0.9, "noise l2": 0.9}
    found = fake_treatment(monkeypatch, skills, ["l2", "noise"], max_trainings=4)
    assert changed(found) == ["l2"]
    assert found.trials[-1].reason == "another one helped first"


@pytest.mark.any_backend
def test_no_more_candidates_than_a_few_are_tried(monkeypatch):
    settings = ["l2", "noise", "mask", "dropout", "momentum", "units", "residual"]
    skills = {"": 0.4} | dict.fromkeys(settings, 0.4)
    found = fake_treatment(monkeypatch, skills, settings, max_trainings=20)
    assert outcomes(found)["residual"] == "not tried"
    assert not changed(found)


def test_the_budget_is_kept():
    found = treated(net(), finding(rate(0.05)), max_trainings=2)
    assert found.trainings == 2
    [trial] = found.trials
    assert trial.outcome == "not decided" and trial.reason == "the budget is spent"
    assert not found.changes


def test_what_was_known_is_kept_after_an_interruption(monkeypatch):
    def interrupt(self, run):
        raise KeyboardInterrupt

    monkeypatch.setattr(_Treating, "_final", interrupt)
    found = treated(net(), finding(rate(0.05)))
    assert found.diagnosis.verdict == "not_learning" and not found.changes


def test_each_training_is_announced(capsys):
    treated(net(), finding(rate(0.05)), epochs=1, verbose=True, max_trainings=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "treat: 1 epoch as it is"
    assert lines[1] == "treat: 1 epoch with learning_rate = 0.05"


def test_callbacks_of_the_training_are_used_on_copies_and_others_left_out():
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.05)
    written = keras.callbacks.CSVLogger("not/a/folder.csv")
    found = treated(net(), epochs=6, callbacks=[schedule, written])
    # With the rate of the schedule, there is nothing to treat.
    assert not found.changes and found.trainings == 1
    assert schedule.model is None and written.model is None


def test_both_trainings_of_a_pair_begin_alike():
    fit = {"x": X[:200], "y": Y[:200], "epochs": 2}
    # A rate that is the same anyway.
    change = Change("", "", rate(0.01), 0.01)
    runs = [Run(net(0.01), fit, changes, 3) for changes in ((), (change,))]
    stopper = keras.callbacks.Callback()
    runs[0].train(2, stopper)
    # In two parts.
    runs[1].train(1, stopper)
    runs[1].train(2, stopper)
    weights = [run.program.model.get_weights() for run in runs]
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.any_backend
def test_an_interval_is_that_of_student_with_a_variance_known_before():
    gains, scale = [0.3, 0.5, 0.1, 0.4], 2.0
    before = FREEDOM * (SPREAD * scale) ** 2
    freedom = len(gains) - 1 + FREEDOM
    variance = (before + np.var(gains) * len(gains)) / freedom
    due = scipy.stats.t.interval(
        0.95, freedom, np.mean(gains), math.sqrt(variance / len(gains))
    )
    np.testing.assert_allclose(interval(gains, scale), due, rtol=1e-3)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("gains", "outcome"),
    [
        ((0.0, 0.0), "does not help"),
        ((-0.1, -0.1), "does not help"),
        ((0.08, 0.08), None),
        ((0.09, 0.09), "helps"),
        # On two pairs, the interval is too wide for these.
        ((0.4, 0.05), None),
        ((WORTH * 0.9,) * 9, None),
        ((WORTH * 0.3,) * 9, None),
    ],
)
def test_a_difference_counts_if_its_interval_lies_above_0(gains, outcome):
    pairs = [SimpleNamespace(gain=gain, scale=1.0) for gain in gains]
    assert _Treating._outcome(pairs) == outcome


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("seeds", 1),
        ("seeds", 11),
        ("max_trainings", 0),
        ("max_minutes", -1),
        ("x", iter([X])),
        ("validation_data", iter([X])),
    ],
)
def test_wrong_arguments_are_refused_before_training(name, value):
    arguments = {"x": X, "y": Y, name: value}
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        treat(net(), **arguments)


@pytest.mark.any_backend
def test_a_treatment_is_shown_with_its_curves(tmp_path):
    change = Change("overfitting", "", Remedy("l2", (0.1,), "<R>"), 0.1)
    curves = (((0.1, 0.2), (0.3, math.nan)), ((0.1, 0.3), (0.5, 0.6)))
    helps = Trial(
        change, "helps", "", "val_accuracy", 0.2, 0.6, (0.1, 0.7), 2, 1.0, curves
    )
    by_hand = Trial(change, "not tried", "by hand")
    found = Treatment(finding(), (helps, by_hand), (change,), 4.0, "m", 0.2, 0.6)
    assert str(helps) == (
        "helps: l2 = 0.1. val_accuracy 0.2 → 0.6, change [+0.1, +0.7] in 2 pairs, "
        "1 times the time"
    )
    assert str(by_hand) == "not tried: l2 = 0.1 (by hand)"
    assert "&lt;R&gt;" in found._repr_html_()
    figure = found.plot(tmp_path / "picture.png")
    [axes] = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.1, 0.25])
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [0.4, 0.6])
    assert (tmp_path / "picture.png").stat().st_size > 1000
    healthy = Treatment(Diagnosis("healthy", ()), (), (), 1.0)
    assert healthy.plot().axes[0].texts[0].get_text() == healthy.sentence
