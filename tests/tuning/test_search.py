"""Search: keras-tuner's interface, every trial kept, each failure a reason."""

import dataclasses
import functools
import inspect
import logging
import sys

import keras
import keras_tuner
import numpy as np
import optuna
import pytest

from kcomponents import tuning
from kcomponents.tuning._engine.settings import INSTEAD, OF_ORACLE, OF_TUNER, Settings
from tests.keras_versions import needs_keras
from tests.tuning.small import build, data, run, search_of


def told(search, name):
    """Return one thing of every trial, in the order of their slots."""
    return [trial[name] for trial in search.results["trials"]]


@pytest.mark.any_backend
def test_a_search_is_a_tuner_with_its_methods(tmp_path, capsys):
    search = run(search_of(tmp_path))
    assert isinstance(search, keras_tuner.Tuner)
    (best,) = search.get_best_hyperparameters()
    assert set(best.values) == {"activation", "learning_rate"}
    search.results_summary()
    search.search_space_summary()
    assert "learning_rate" in capsys.readouterr().out
    assert search.remaining_trials == 0


@pytest.mark.any_backend
def test_the_best_model_has_the_score_that_was_told(tmp_path):
    search = run(search_of(tmp_path), epochs=3)
    (x, y) = data()[1]
    found = search.get_best_models()[0].evaluate(x, y, verbose=0, return_dict=True)
    best = search.oracle.get_best_trials()[0]
    assert found["accuracy"] == pytest.approx(best.score, abs=1e-6)
    saved = keras.saving.load_model(tmp_path / "untitled_project" / "best.keras")
    np.testing.assert_array_equal(
        saved.predict(x, verbose=0), search.get_best_models()[0].predict(x, verbose=0)
    )


@pytest.mark.any_backend
def test_the_first_trial_is_relu_and_the_defaults(tmp_path):
    search = run(search_of(tmp_path, max_trials=2))
    first = search.results["trials"][0]
    assert first["kind"] == "baseline"
    assert first["values"] == {"activation": "relu", "learning_rate": 1e-3}


@pytest.mark.any_backend
def test_exactly_as_many_trials_end_as_were_asked_for(tmp_path):
    search = run(search_of(tmp_path, max_trials=4))
    assert told(search, "id") == ["0", "1", "2", "3"]
    assert set(told(search, "state")) <= {"completed", "pruned", "failed"}
    run(search_of(tmp_path, max_trials=4))
    assert told(search, "attempts") == [1, 1, 1, 1]


@pytest.mark.any_backend
def test_more_trials_may_be_asked_for_later(tmp_path):
    run(search_of(tmp_path, max_trials=2))
    search = run(search_of(tmp_path, max_trials=4))
    assert told(search, "attempts") == [1, 1, 1, 1]


@pytest.mark.parametrize("seed", [0, pytest.param(7, marks=pytest.mark.any_backend)])
def test_the_same_seed_gives_the_same_search(tmp_path, seed):
    found = []
    for name in ("first", "second"):
        search = run(search_of(tmp_path / name, max_trials=4, seed=seed))
        found.append((told(search, "values"), told(search, "score")))
    assert found[0] == found[1]


@pytest.mark.any_backend
def test_another_seed_gives_another_search(tmp_path):
    found = [
        told(run(search_of(tmp_path / str(seed), seed=seed)), "values")
        for seed in (0, 1)
    ]
    assert found[0] != found[1]


@pytest.mark.any_backend
def test_a_search_that_is_gone_on_with_is_what_it_would_have_been(tmp_path):
    whole = run(search_of(tmp_path / "whole", max_trials=5))
    run(search_of(tmp_path / "parts", max_trials=2))
    parts = run(search_of(tmp_path / "parts", max_trials=5))
    assert told(parts, "values") == told(whole, "values")
    assert told(parts, "score") == told(whole, "score")


@pytest.mark.any_backend
@pytest.mark.parametrize("level", [optuna.logging.DEBUG, optuna.logging.ERROR])
def test_a_search_is_quiet_and_leaves_the_logging_of_optuna_alone(tmp_path, level):
    logged, before = [], optuna.logging.get_verbosity()
    handler = logging.Handler()
    handler.emit = logged.append
    logger = logging.getLogger("optuna")
    logger.addHandler(handler)
    optuna.logging.set_verbosity(level)
    try:
        search = run(search_of(tmp_path, max_trials=3, repeats=1))
        search.report()
        assert optuna.logging.get_verbosity() == level
        assert logged == []
        # Studies of the user's own are logged as ever.
        optuna.create_study()
        assert len(logged) == (level == optuna.logging.DEBUG)
    finally:
        optuna.logging.set_verbosity(before)
        logger.removeHandler(handler)


class LoudSampler(optuna.samplers.RandomSampler):
    """A sampler that logs each value it samples."""

    def sample_independent(self, study, trial, name, distribution):
        optuna.logging.get_logger("optuna.samplers").info("Sampled %s.", name)
        return super().sample_independent(study, trial, name, distribution)


class LoudPruner(optuna.pruners.NopPruner):
    """A pruner that logs each trial it judges."""

    def prune(self, study, trial):
        optuna.logging.get_logger("optuna.pruners").info("Judged %s.", trial.number)
        return super().prune(study, trial)


@pytest.mark.any_backend
def test_what_a_sampler_and_a_pruner_log_is_silenced_and_only_in_the_search(tmp_path):
    logged, before = [], optuna.logging.get_verbosity()
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())
    logger = logging.getLogger("optuna")
    logger.addHandler(handler)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        run(search_of(tmp_path, sampler=LoudSampler(seed=0), pruner=LoudPruner()))
        assert (logged, optuna.logging.get_verbosity()) == ([], optuna.logging.INFO)
        study = optuna.create_study(sampler=LoudSampler(seed=0))
        study.ask().suggest_float("x", 0.0, 1.0)
        assert logged[-1] == "Sampled x."
    finally:
        optuna.logging.set_verbosity(before)
        logger.removeHandler(handler)


class BrokenSampler(optuna.samplers.RandomSampler):
    """A sampler that fails."""

    def sample_independent(self, study, trial, name, distribution):
        raise TypeError("No sample.")


@pytest.mark.any_backend
def test_a_sampler_that_fails_ends_the_search_and_its_trial_waits(tmp_path):
    before = optuna.logging.get_verbosity()
    search = search_of(tmp_path, sampler=BrokenSampler(seed=0))
    with pytest.raises(TypeError, match="No sample"):
        run(search)
    assert optuna.logging.get_verbosity() == before
    assert told(search, "state")[1:] == ["waiting", "waiting"]


@pytest.mark.any_backend
def test_without_a_seed_one_is_drawn_and_kept(tmp_path):
    first = run(search_of(tmp_path, max_trials=2, seed=None))
    later = run(search_of(tmp_path, max_trials=2, seed=None))
    assert first.results["seed"] == later.results["seed"]


@pytest.mark.any_backend
def test_every_trial_tells_what_it_took(tmp_path):
    trial = run(search_of(tmp_path)).results["trials"][0]
    assert set(trial["curves"]) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert [len(curve) for curve in trial["curves"].values()] == [2] * 4
    assert trial["score"] == max(trial["curves"]["val_accuracy"])
    # Epochs count from 1.
    best = trial["curves"]["val_accuracy"].index(trial["score"]) + 1
    assert trial["best_epoch"] == best
    assert trial["parameters"] == 4 * 8 + 8 + 8 * 2 + 2
    assert trial["seconds"] > 0
    assert trial["peak_memory"] > 1e6
    assert trial["versions"]["keras"] == keras.__version__


@pytest.mark.any_backend
def test_a_grid_tries_every_value_once(tmp_path):
    def made(hp):
        kinds = hp.Choice("activation", ["relu", "tanh"])
        units = hp.Int("units", 2, 4)
        hidden = keras.layers.Dense(units, kinds)
        model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    search = search_of(
        tmp_path, made, "val_loss", sampler="grid", max_trials=None, pruner="none"
    )
    values = told(run(search, epochs=1), "values")
    pairs = [(found["activation"], found["units"]) for found in values]
    assert sorted(pairs) == [(k, u) for k in ("relu", "tanh") for u in (2, 3, 4)]


@pytest.mark.any_backend
def test_the_winner_and_the_baseline_are_trained_with_other_seeds(tmp_path):
    search = run(search_of(tmp_path, finalists=1, repeats=2, pruner="none"))
    repeats = [t for t in search.results["trials"] if t["kind"] == "repeat"]
    assert len(repeats) == 4
    assert len({trial["seed"] for trial in repeats}) == 4
    ranked = search.oracle.get_best_trials(3)
    (winner, *_) = [t.trial_id for t in ranked if t.trial_id != "0"]
    assert {trial["of"] for trial in repeats} == {"0", winner}


@pytest.mark.any_backend
def test_what_was_given_up_is_trained_in_full_before_it_wins(tmp_path):
    every = optuna.pruners.ThresholdPruner(upper=-1.0)
    search = run(search_of(tmp_path, max_trials=6, pruner=every, finalists=1), epochs=3)
    trials = {trial["id"]: trial for trial in search.results["trials"]}
    full = [trial for trial in trials.values() if trial["kind"] == "full"]
    assert full
    assert {trials[trial["of"]]["state"] for trial in full} == {"pruned"}
    assert {trial["epochs"] for trial in full} == {3}


@pytest.mark.any_backend
def test_existing_hypermodels_with_their_own_fit_run_unchanged(tmp_path):
    class Own(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            size = hp.Choice("batch_size", [16, 32])
            return model.fit(*args, **{**kwargs, "batch_size": size})

    search = run(search_of(tmp_path, Own()))
    # What `fit` asks for is known once a first trial has run.
    assert "batch_size" in told(search, "values")[-1]


@pytest.mark.any_backend
def test_a_fit_that_returns_a_number_is_minimized(tmp_path):
    class Parabola(keras_tuner.HyperModel):
        def build(self, hp):
            hp.Float("x", -1.0, 1.0)
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            return hp.get("x") ** 2

    search = search_of(tmp_path, Parabola(), None, max_trials=4)
    search.search(verbose=0)
    best = search.oracle.get_best_trials()[0]
    assert best.score == min(told(search, "score"))
    assert best.score == best.hyperparameters.get("x") ** 2


@pytest.mark.any_backend
def test_a_tuner_with_its_own_run_trial_runs_unchanged(tmp_path):
    class Own(tuning.Search):
        def run_trial(self, trial, *args, **kwargs):
            return {"val_loss": trial.hyperparameters.get("learning_rate")}

    search = Own(build, max_trials=3, repeats=0, seed=0, directory=str(tmp_path))
    search.search(verbose=0)
    scores = [values["learning_rate"] for values in told(search, "values")]
    assert told(search, "score") == scores


@pytest.mark.any_backend
def test_an_own_run_trial_may_change_the_arguments_and_call_the_original(tmp_path):
    class Own(tuning.Search):
        def run_trial(self, trial, *args, **kwargs):
            kwargs["epochs"] = trial.hyperparameters.Int("epochs", 2, 3)
            return super().run_trial(trial, *args, **kwargs)

    few = {"max_trials": 3, "repeats": 0, "finalists": 0, "seed": 0, "pruner": "none"}
    search = Own(build, "val_accuracy", directory=str(tmp_path), **few)
    trials = run(search, epochs=1).results["trials"]
    wanted = [trial["values"].get("epochs", 2) for trial in trials]
    assert [trial["epochs"] for trial in trials] == wanted
    # Known once a first trial has run.
    assert "epochs" in trials[-1]["values"]


@pytest.mark.any_backend
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_what_was_tried_is_not_tried_again(tmp_path, sampler):
    def made(hp):
        hp.Choice("number", [1, 2, 3])
        hp.Boolean("flag")
        return build_plain()

    search = search_of(tmp_path, made, "val_loss", max_trials=6, sampler=sampler)
    values = told(run(search, epochs=1), "values")
    assert len({tuple(found.items()) for found in values}) == 6


def build_plain():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.any_backend
def test_callbacks_of_the_user_are_copied_for_each_trial(tmp_path):
    stopper = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    search = run(search_of(tmp_path), epochs=5, callbacks=[stopper])
    assert told(search, "epochs") == [2, 2, 2]
    assert stopper.model is None


def test_a_trial_that_becomes_nan_costs_an_epoch_and_not_the_search(tmp_path):
    def made(hp):
        model = build(hp)
        if hp.Choice("poison", [False, True]):
            model.optimizer.learning_rate = np.nan
        return model

    search = run(search_of(tmp_path, made, max_trials=5, pruner="none"), epochs=4)
    trials = search.results["trials"]
    poisoned = [trial for trial in trials if trial["values"]["poison"]]
    assert poisoned
    assert {trial["reason"] for trial in poisoned} == {"nan"}
    assert {trial["epochs"] for trial in poisoned} <= {1, 2}
    well = [trial for trial in trials if not trial["values"]["poison"]]
    assert {trial["state"] for trial in well} == {"completed"}


@pytest.mark.any_backend
def test_a_trial_whose_units_die_is_ended_with_that_reason(tmp_path):
    def made(hp):
        dead = hp.Choice("dead", [False, True])
        start = keras.initializers.Constant(-100.0 if dead else 0.0)
        hidden = keras.layers.Dense(8, "relu", bias_initializer=start)
        model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(2)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"])
        return model

    search = search_of(tmp_path, made, max_trials=2, sampler="grid", baseline=False)
    trials = run(search, epochs=8).results["trials"]
    reasons = {trial["values"]["dead"]: trial["reason"] for trial in trials}
    assert reasons[True] == "dead_relu"
    assert reasons[False] != "dead_relu"
    assert trials[1]["epochs"] < 8


@pytest.mark.any_backend
@pytest.mark.parametrize("reuse", [True, False])
def test_metrics_are_named_alike_in_all_trials(tmp_path, reuse):
    def build(hp):
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        output = keras.layers.Dense(
            1, hp.Choice("activation", ["sigmoid", "hard_sigmoid"])
        )
        model = keras.Sequential([keras.Input((4,)), output])
        model.compile(keras.optimizers.SGD(rate), "mse", metrics=[keras.metrics.AUC()])
        return model

    objective = keras_tuner.Objective("val_auc", "max")
    settings = {"reuse": reuse, "doctor": False, "pruner": "none"}
    search = run(search_of(tmp_path, build, objective, **settings))
    assert told(search, "state") == ["completed"] * 3


@pytest.mark.parametrize("reuse", [True, False])
def test_models_are_built_with_the_precision_that_was_set(tmp_path, reuse):
    def build_and_look(hp):
        seen.append(keras.config.dtype_policy().name)
        return build(hp)

    seen, before = [], keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        run(search_of(tmp_path, build_and_look, reuse=reuse))
    finally:
        keras.config.set_dtype_policy(before)
    assert len(seen) > 3 and set(seen) == {"mixed_bfloat16"}


@pytest.mark.any_backend
def test_a_crash_is_a_reason_and_three_of_one_kind_end_the_search(tmp_path):
    def made(hp):
        if hp.Float("number", 0.0, 1.0) > 0:
            raise TypeError("No such thing.")
        return build_plain()

    search = search_of(tmp_path, made, "val_loss", max_trials=9)
    with pytest.raises(RuntimeError, match="No such thing"):
        run(search)
    trials = search.results["trials"]
    assert [t["reason"] for t in trials[:4]] == [None, "crash", "crash", "crash"]
    assert {t["state"] for t in trials[4:]} == {"waiting"}


@pytest.mark.any_backend
def test_memory_that_is_used_up_is_a_reason_of_its_own(tmp_path):
    def made(hp):
        if hp.Choice("large", [False, True]):
            raise MemoryError
        return build_plain()

    search = search_of(tmp_path, made, "val_loss", sampler="grid", max_trials=2)
    assert told(run(search), "reason") == [None, "out_of_memory"]


@pytest.mark.any_backend
def test_a_trial_that_takes_too_long_is_ended(tmp_path):
    search = run(search_of(tmp_path, trial_timeout=1e-6), epochs=5)
    assert told(search, "reason") == ["timeout"] * 3
    assert told(search, "epochs") == [1] * 3


@pytest.mark.any_backend
def test_the_weights_of_the_best_few_are_kept(tmp_path):
    search = run(search_of(tmp_path, max_trials=5, keep_models=2, pruner="none"))
    kept = {path.name for path in (tmp_path / "untitled_project").glob("trial_*")}
    best = search.oracle.get_best_trials(2)
    assert kept == {f"trial_{trial.trial_id}" for trial in best}
    with pytest.raises(ValueError, match="only the best trials"):
        search.get_best_models(5)


@pytest.mark.any_backend
def test_an_objective_that_is_not_logged_is_refused_after_an_epoch(tmp_path):
    search = search_of(tmp_path, objective=keras_tuner.Objective("f1", "max"))
    with pytest.raises(ValueError, match=r"accuracy, loss, val_accuracy, val_loss.*f1"):
        run(search, epochs=50)
    assert {trial["state"] for trial in search.results["trials"]} == {"waiting"}


@pytest.mark.any_backend
def test_several_objectives_are_summed(tmp_path):
    both = ["val_loss", keras_tuner.Objective("val_accuracy", "max")]
    trial = run(search_of(tmp_path, objective=both)).results["trials"][0]
    sums = [
        loss - accuracy
        for loss, accuracy in zip(
            trial["curves"]["val_loss"], trial["curves"]["val_accuracy"], strict=True
        )
    ]
    assert trial["score"] == pytest.approx(min(sums))


@pytest.mark.any_backend
def test_several_executions_are_averaged(tmp_path):
    search = run(search_of(tmp_path, executions_per_trial=2, pruner="none"))
    assert told(search, "epochs") == [4] * 3


@pytest.mark.any_backend
def test_a_space_without_a_choice_is_refused(tmp_path):
    search = search_of(tmp_path, lambda hp: build_plain(), "val_loss")
    with pytest.raises(ValueError, match="define a hyperparameter"):
        run(search)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "wrong",
    [
        {"max_trials": 0},
        {"workers": 0},
        {"workers": 1.5},
        {"sampler": "anneal"},
        {"pruner": "often"},
        {"engine": "spark"},
        {"seed": -1},
        {"repeats": -1},
        {"trial_timeout": 0},
        {"lease_seconds": float("nan")},
        {"keep_models": 0},
        {"executions_per_trial": 0},
        {"executions_per_trial": 1.5},
        {"executions_per_trial": "2"},
        {"executions_per_trial": True},
        {"overwrite": "no"},
        {"tune_new_entries": 2},
        {"max_model_size": 0},
        {"max_model_size": -1},
        {"max_model_size": 1e6},
    ],
    ids=str,
)
def test_wrong_settings_are_refused_before_anything_is_built(tmp_path, wrong):
    (name,) = wrong

    def made(hp):
        raise AssertionError("It was built.")

    with pytest.raises(ValueError, match=f"{name}.*Received: {name}="):
        search_of(tmp_path, made, **wrong)
    assert not list(tmp_path.iterdir())


@pytest.mark.any_backend
def test_every_argument_is_in_the_signature_with_its_default():
    found = inspect.signature(tuning.Search).parameters
    defaults = {f.name: f.default for f in dataclasses.fields(Settings)}
    of_keras_tuner = {}
    for kind in (keras_tuner.Oracle, keras_tuner.Tuner):
        of_keras_tuner |= inspect.signature(kind).parameters
    for name in (*OF_ORACLE[1:], *OF_TUNER):
        defaults[name] = of_keras_tuner[name].default
    assert {name: found[name].default for name in defaults} == defaults
    others = {"hypermodel", "objective", "unknown"}
    assert set(found) == {*defaults, *others}
    assert all(p.annotation is not inspect.Parameter.empty for p in found.values())


@pytest.mark.any_backend
def test_no_argument_of_keras_tuner_is_forgotten():
    tuners = keras_tuner.RandomSearch, keras_tuner.BayesianOptimization
    tuners += keras_tuner.Hyperband, keras_tuner.GridSearch, keras_tuner.Tuner
    theirs = set().union(*(inspect.signature(kind).parameters for kind in tuners))
    ours = set(inspect.signature(tuning.Search).parameters)
    assert theirs - ours - {"kwargs"} == INSTEAD.keys()


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("worker", "Did you mean `workers`"),
        ("samplers", "Did you mean `sampler`"),
        ("directry", "Did you mean `directory`"),
        ("qqq", r"See `help\(Search\)`"),
        ("max_epochs", "Pass `epochs`"),
        ("max_retries_per_trial", "Use `max_retries`"),
    ],
)
def test_an_unknown_argument_is_refused_with_a_hint(tmp_path, name, hint):
    match = f"Unknown argument `{name}`. {hint}.* Received: {name}=2"
    with pytest.raises(ValueError, match=match):
        search_of(tmp_path, **{name: 2})
    assert not list(tmp_path.iterdir())


@pytest.mark.any_backend
@pytest.mark.parametrize("library", ["keras_tuner", "optuna", "filelock", "psutil"])
def test_a_missing_library_is_named_with_how_to_install_it(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(vars(tuning), "Search", raising=False)
    name = library.replace("_", "-")
    match = rf'needs {name}. Run `pip install "kcomponents\[tuning\]"`'
    with pytest.raises(ImportError, match=match):
        tuning.Search  # noqa: B018


@pytest.mark.any_backend
def test_arguments_of_keras_tuner_have_their_effect(tmp_path):
    hp = keras_tuner.HyperParameters()
    hp.Fixed("learning_rate", 0.01)
    search = search_of(
        tmp_path,
        objective="val_loss",
        hyperparameters=hp,
        tune_new_entries=False,
        optimizer="sgd",
        loss="sparse_categorical_crossentropy",
        metrics=["mae"],
        max_model_size=10**6,
        project_name="mine",
        tuner_id="me",
    )
    model = search._build_hypermodel(search.oracle.get_space())
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert model.loss == "sparse_categorical_crossentropy"
    assert [space.name for space in search.oracle.get_space().space] == [
        "learning_rate"
    ]
    assert search.max_model_size == 10**6 and search.tuner_id == "me"
    assert search.project_dir == str(tmp_path / "mine")
    with pytest.raises(ValueError, match="hyperparameters"):
        search_of(tmp_path, tune_new_entries=False)


@pytest.mark.any_backend
def test_another_space_code_data_or_setting_is_not_mixed_in(tmp_path):
    run(search_of(tmp_path))

    def other(hp):
        hp.Choice("more", [1, 2])
        return build(hp)

    with pytest.raises(ValueError, match=r"(?s)\+.*more.*another `project_name`"):
        run(search_of(tmp_path, other))
    with pytest.raises(ValueError, match=r'(?s)-\s+"epochs": 2.*\+\s+"epochs": 3'):
        run(search_of(tmp_path), epochs=3)
    with pytest.raises(ValueError, match="sampler"):
        run(search_of(tmp_path, sampler="random"))
    search = search_of(tmp_path)
    (x, y), validation = data()
    with pytest.raises(ValueError, match="data"):
        search.search(x + 1, y, validation_data=validation, epochs=2, verbose=0)


@pytest.mark.any_backend
def test_what_a_partial_was_given_is_part_of_the_search(tmp_path):
    def made(hp, units):
        hp.Choice("units", [units, 2 * units])
        return build(hp)

    run(search_of(tmp_path, functools.partial(made, units=2), max_trials=2), epochs=1)
    other = functools.partial(made, units=4)
    with pytest.raises(ValueError, match=r"(?s)-units = 2.*\+units = 4"):
        run(search_of(tmp_path, other, max_trials=2), epochs=1)


@pytest.mark.any_backend
def test_a_search_can_be_forgotten(tmp_path):
    run(search_of(tmp_path))
    search = run(search_of(tmp_path, overwrite=True), epochs=1)
    assert told(search, "epochs") == [1, 1, 1]


@pytest.mark.any_backend
def test_a_store_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"a writable file.*Received: store"):
        search_of(tmp_path, store=str(tmp_path / "file" / "journal.log"))
    (tmp_path / "text.log").write_text("This is\nno journal.\n")
    with pytest.raises(ValueError, match="not a search journal"):
        search_of(tmp_path, store=str(tmp_path / "text.log"))


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("sqlite:///a.db", "several processes"),
        ("no://where", "store"),
        ("postgresql://nobody@127.0.0.1:1/none", "Cannot connect"),
    ],
)
def test_a_database_that_cannot_serve_is_refused(tmp_path, url, match):
    if url.startswith("postgresql"):
        pytest.importorskip("psycopg", reason="the database's driver is not installed")
    with pytest.raises(ValueError, match=match):
        search_of(tmp_path, store=url)


@pytest.mark.any_backend
def test_a_report_and_a_table_are_left(tmp_path):
    search = run(search_of(tmp_path))
    folder = tmp_path / "untitled_project"
    page = search.report()
    assert page == str(folder / "report.html")
    assert "val_accuracy" in (folder / "report.html").read_text()
    assert len((folder / "results.csv").read_text().splitlines()) == 4


@pytest.mark.any_backend
def test_a_trial_that_does_not_learn_is_ended_and_a_slow_start_is_not(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 4)).astype("float32")

    def made(hp):
        layer = keras.layers.Dense(1, kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((4,)), layer])
        kind = hp.Choice("rate", ["none", "slow"])
        rate = 1e-12 if kind == "none" else 2e-3
        model.compile(keras.optimizers.SGD(rate), "mse")
        return model

    search = search_of(
        tmp_path,
        made,
        "loss",
        sampler="grid",
        baseline=False,
        max_trials=2,
        pruner="none",
    )
    search.search(x, x[:, :1] - x[:, 1:2], epochs=9, verbose=0)
    assert told(search, "reason") == ["not_learning", None]
    assert told(search, "epochs") == [4, 9]


class Own(keras.Model):
    """A model that Keras knows no config of."""

    def __init__(self, rate):
        super().__init__()
        self.hidden = keras.layers.Dense(8, "relu")
        self.drop = keras.layers.Dropout(rate)
        self.outer = keras.layers.Dense(2)

    def call(self, x, training=False):
        return self.outer(self.drop(self.hidden(x), training=training))


@pytest.mark.any_backend
@needs_keras("3.11", "can save it")
def test_a_model_that_keras_cannot_save_is_searched_all_the_same(tmp_path, caplog):
    def made(hp):
        model = Own(hp.Float("dropout", 0.0, 0.5))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"])
        return model

    search = run(search_of(tmp_path, made, max_trials=2, pruner="none"))
    assert "Could not save the best model" in caplog.text
    x, y = data()[1]
    found = search.get_best_models()[0].evaluate(x, y, verbose=0, return_dict=True)
    assert found["accuracy"] == pytest.approx(max(told(search, "score")), abs=1e-6)
