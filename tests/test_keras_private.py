"""The private names of Keras: what each one does, and what is lost without it."""

import ast
import importlib
import pathlib
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents import (
    _backends,
    _keras,
    analysis,
    callbacks,
    inference,
    layers,
    optimizers,
)
from kcomponents._keras import (
    extra_variables,
    features,
    fit_state,
    model_reuse,
    models,
)
from kcomponents._keras.features import IN_SOME, NEEDED, OPTIONAL, MissingInKeras
from kcomponents.callbacks._score import direction_of
from kcomponents.inference import _sampling
from kcomponents.tuning._reuse import structure
from tests import keras_versions
from tests.keras_own import takes_several_steps


def built(**arguments):
    variable = keras.Variable([1.0, 2.0])
    optimizer = keras.optimizers.SGD(**arguments)
    optimizer.build([variable])
    return optimizer, variable


def test_a_built_optimizer_lists_what_it_updates():
    optimizer, variable = built()
    [found] = _keras.optimized_variables(optimizer)
    assert found is variable


def test_the_source_of_a_learning_rate_is_kept():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    optimizer, _ = built(learning_rate=schedule)
    assert _keras.learning_rate_source(optimizer) is schedule
    optimizer, _ = built(learning_rate=0.1)
    assert _keras.learning_rate_source(optimizer) is None


def test_variables_without_weight_decay_are_carried_over():
    source = keras.optimizers.SGD(1.0, weight_decay=0.5)
    target = keras.optimizers.SGD(1.0, weight_decay=0.5)
    names = ["decayed", "kept"]
    decayed, kept = (keras.Variable([1.0], name=name) for name in names)
    source.exclude_from_weight_decay(var_list=[kept])
    _keras.carry_over(source, target)
    target.apply([ops.zeros((1,))] * 2, [decayed, kept])
    assert [float(ops.convert_to_numpy(v)[0]) for v in (decayed, kept)] == [0.5, 1.0]


def test_state_is_carried_over():
    source, variable = built(momentum=0.9)
    source.apply([ops.array([1.0, 2.0])])
    target = keras.optimizers.SGD(momentum=0.9)
    _keras.carry_over(source, target)
    assert int(ops.convert_to_numpy(target.iterations)) == 1
    for mine, its in zip(target.variables, source.variables, strict=True):
        assert ops.convert_to_numpy(mine).tolist() == ops.convert_to_numpy(its).tolist()


class Watching(_keras.AccumulatedGradients, keras.optimizers.SGD):
    """Keeps what it sees, and halves it."""

    def process_accumulated(self, grads, variables):
        self.__dict__.setdefault("seen", []).append((grads, variables))
        return [g / 2 for g in grads]


@pytest.mark.parametrize("steps", [None, 2])
def test_accumulated_gradients_pass_the_hook_before_they_are_applied(steps):
    variables = [keras.Variable([0.0]), keras.Variable([0.0])]
    optimizer = Watching(1.0, gradient_accumulation_steps=steps)
    for value in (2.0, 4.0):
        optimizer.apply([ops.array([value]), ops.array([2 * value])], variables)
    moved = [float(ops.convert_to_numpy(v)[0]) for v in variables]
    if steps is None:
        assert moved == [-6.0, -12.0] and not hasattr(optimizer, "seen")
    else:
        assert moved == [-1.5, -3.0]
        grads, seen = optimizer.seen[-1]
        assert [float(ops.convert_to_numpy(g)[0]) for g in grads] == [3.0, 6.0]
        assert [s is v for s, v in zip(seen, variables, strict=True)] == [True, True]
    assert len(optimizer.variables) == (2 if steps is None else 4)


def test_a_layer_lists_those_directly_below_it():
    dense, cell = keras.layers.Dense(2), keras.layers.GRUCell(2)
    inner = keras.Sequential([dense])
    owner = keras.layers.Layer()
    owner.many, owner.named = [inner], {"cell": cell}
    found = _keras.sublayers(owner)
    assert len(found) == 2 and found[0] is inner and found[1] is cell
    assert _keras.sublayers(dense) == []


@pytest.mark.parametrize("chain", [True, False])
def test_a_graph_lists_its_calls_with_what_goes_in_and_out(chain):
    inputs, layer = keras.Input((2,)), keras.layers.Dense(2)
    if chain:
        model = keras.Sequential([inputs, layer])
    else:
        model = keras.Model(inputs, layer(layer(inputs)))
    calls = [call for call in _keras.calls_of(model) if call[0] is layer]
    assert len(calls) == (1 if chain else 2)
    outputs = {id(out) for _, _, made in calls for out in made}
    assert id(model.outputs[0]) in outputs
    taken = {id(given) for _, tensors, _ in calls for given in tensors}
    assert id(model.inputs[0]) in taken


def test_a_subclassed_or_unbuilt_model_has_no_graph():
    class Own(keras.Model):
        def call(self, x):
            return x

    for model in (Own(), keras.Sequential([keras.layers.Dense(1)])):
        with pytest.raises(ValueError, match="`Sequential` or functional"):
            _keras.calls_of(model)


def test_the_metrics_passed_to_compile_are_known():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert _keras.metric_arguments(model) == []
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mape"])
    assert _keras.metric_arguments(model) == [["mae"], ["mape"]]


def small():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


carried = pytest.mark.skipif(
    not _backends.carries_state, reason="steps change variables, and return no state"
)


def with_extra(model=None):
    """Return a model, and its `ExtraState` with a variable of each kind."""
    model = small() if model is None else model
    model.optimizer.build(model.trainable_variables)
    extra = [keras.Variable([value], trainable=False) for value in (7.0, 8.0)]
    state = _keras.ExtraState(model)
    state.replace([extra[0]], [extra[1]])
    return model, state, extra


def among(variable, variables):
    return any(variable is other for other in variables)


@carried
def test_extra_variables_are_in_the_state_of_a_step_only_while_it_is_traced(tmp_path):
    model, state, [of_model, of_optimizer] = with_extra()
    weights, slots = len(model.variables), len(model.optimizer.variables)
    with state.present():
        assert among(of_model, model.non_trainable_variables)
        assert among(of_optimizer, model.optimizer.variables)
        assert not among(of_model, model.weights)
        with state.present():
            pass
        assert among(of_model, model.non_trainable_variables)
    assert len(model.variables) == weights
    assert len(model.optimizer.variables) == slots


@carried
def test_the_state_of_a_step_is_extended_and_stripped_again():
    model = keras.Sequential([dropping(), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model, state, [of_model, of_optimizer] = with_extra(model)
    parts = "trainable", "non_trainable", "optimizer", "metrics"
    plain = model._get_jax_state(**{f"{part}_variables": True for part in parts})
    extended = state.extend(plain)
    with state.present():
        expected = [v.value for v in model.non_trainable_variables]
        assert [id(v) for v in extended[1]] == [id(v) for v in expected]
        expected = [v.value for v in model.optimizer.variables]
        assert [id(v) for v in extended[2]] == [id(v) for v in expected]
    after = [[value + 1 for value in part] for part in extended]
    stripped = state.strip(after)
    for part, values in zip(plain, stripped, strict=True):
        for before, value in zip(part, values, strict=True):
            np.testing.assert_allclose(before + 1, value)
    # Another state has nothing to take out.
    assert [len(part) for part in state.plain(plain)] == [len(part) for part in plain]
    assert [of_model.numpy(), of_optimizer.numpy()] == [7.0, 8.0]
    state.flush()
    assert [of_model.numpy(), of_optimizer.numpy()] == [8.0, 9.0]


def test_a_variable_for_all_steps_of_a_model_is_no_weight_and_in_no_file(tmp_path):
    model, extra = small(), keras.Variable([7.0], trainable=False)
    _keras.add_to_model(model, [extra])
    assert _keras.extra_variables_of(model) == [extra]
    assert among(extra, model.non_trainable_variables)
    assert not among(extra, model.weights)
    model.save(tmp_path / "model.keras")
    extra_variables.remove_from_model(model, [extra])
    assert not among(extra, model.variables)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.variables) == len(model.variables)


def test_every_step_passes_its_gradients_through_one_method():
    optimizer, variable = built()
    seen = []
    name = _keras.clipping_method()
    original = getattr(optimizer, name)
    setattr(optimizer, name, lambda g: seen.append(g) or original(g))
    optimizer.apply([ops.ones((2,))], [variable])
    assert len(seen) == 1


def test_a_stateless_scope_is_known():
    assert not _keras.in_stateless_scope()
    with keras.StatelessScope():
        assert _keras.in_stateless_scope()


def test_metrics_are_known_once_built_with_their_direction():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae", keras.metrics.AUC(name="auc")])
    x = ops.ones((2, 2))
    model.fit(x, ops.ones((2, 1)), verbose=0)
    found = {m.name: _keras.metric_direction(m) for m in _keras.built_metrics(model)}
    assert found == {"loss": None, "mae": "down", "auc": "up"}


@pytest.mark.parametrize("freq, later", [(1, False), (2, True), ([2], True)])
def test_a_fit_says_when_it_validates(freq, later):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, found = ops.ones((2, 2)), []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            found.append(_keras.validates_later())

    options = {"callbacks": [Look()], "verbose": 0, "validation_freq": freq}
    model.fit(x, x[:, :1], validation_data=(x, x[:, :1]), **options)
    model.fit(x, x[:, :1], **options)
    assert found == [later, False]
    assert _keras.validates_later() is False


def test_moving_averages_and_where_they_are_is_known():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1, use_ema=True)
    model.compile(optimizer, "mse")
    swap, x = keras.callbacks.SwapEMAWeights(swap_on_epoch=True), ops.ones((2, 2))
    model.fit(x, x[:, :1], verbose=0)
    variables = [variable for variable, _ in _keras.moving_averages(optimizer)]
    assert variables == model.trainable_variables
    assert all(a.shape == v.shape for v, a in _keras.moving_averages(optimizer))
    assert _keras.moving_averages(keras.optimizers.SGD()) == []
    swap.set_model(model)
    swap.set_params({"epochs": 2})
    assert _keras.averages_in_model(swap) is False
    swap.on_epoch_end(0)
    assert _keras.averages_in_model(swap) is True


class During(keras.callbacks.Callback):
    """Calls a function in hooks of `fit`."""

    def __init__(self, **hooks):
        super().__init__()
        for name, function in hooks.items():
            setattr(self, name, function)


def numbered(count=6):
    x = np.arange(count, dtype="float32").reshape(-1, 1)
    return np.repeat(x, 2, axis=1), x


def fit(model, callback, **options):
    x, y = numbered()
    options = {"batch_size": 1, "shuffle": False, "verbose": 0, **options}
    return model.fit(x, y, callbacks=[callback], **options)


def test_the_arguments_of_a_running_fit_are_known():
    assert _keras.running_fit() == {}
    seen = []
    hook = During(on_train_begin=lambda logs: seen.append(_keras.running_fit()))
    options = {"validation_batch_size": 3, "validation_steps": 1}
    fit(small(), hook, validation_data=numbered(), initial_epoch=1, epochs=3, **options)
    [known] = seen
    assert (known["initial_epoch"], known["epochs"], known["batch_size"]) == (1, 3, 1)
    assert len(known["validation_data"]) == 2 and known["validation_freq"] == 1
    assert (known["validation_batch_size"], known["validation_steps"]) == (3, 1)
    assert hasattr(known["epoch_iterator"], "steps_per_execution")


def test_a_fit_starts_at_the_epoch_that_is_set():
    model, seen = small(), []

    def begin(logs):
        seen.append(_keras.first_epoch(model))
        _keras.set_first_epoch(model, 2)
        seen.append(_keras.first_epoch(model))

    assert fit(model, During(on_train_begin=begin), epochs=4).epoch == [2, 3]
    assert seen == [0, 2]
    _keras.reset_first_epoch(model)
    assert fit(model, During(), epochs=1).epoch == [0]


def test_the_data_of_an_epoch_can_be_skipped():
    drawn = []

    def batches():
        for number in range(6):
            drawn.append(number)
            yield np.full((1, 2), number, "float32"), np.zeros((1, 1), "float32")

    def begin(logs):
        _keras.draw_epoch(_keras.running_fit()["epoch_iterator"])
        assert drawn[:3] == [0, 1, 2]

    model = small()
    before = [v.numpy() for v in model.variables]
    logs = []
    keep = During(
        on_train_begin=begin, on_epoch_end=lambda epoch, found: logs.append(found)
    )
    options = {"steps_per_epoch": 3, "verbose": 0, "shuffle": False}
    model.optimizer.learning_rate = 0.0
    model.fit(batches(), callbacks=[keep], **options)
    # What is left to train on are the other three.
    x = np.repeat(np.arange(3.0, 6.0).reshape(-1, 1), 2, axis=1)
    expected = np.mean(np.square(x @ before[0] + before[1]))
    assert logs[0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_an_epoch_of_data_can_start_in_its_middle():
    model, seen, skipped = small(), [], []

    def begin(epoch, logs):
        if epoch == 0:
            found = _keras.running_fit()["epoch_iterator"]
            _keras.skip_steps(found, 4, skipped.append)

    watching = During(
        on_epoch_begin=begin, on_train_batch_end=lambda b, logs: seen.append(b)
    )
    fit(model, watching, epochs=2)
    assert seen == [4, 5, 0, 1, 2, 3, 4, 5] and len(skipped) == 1
    x, _ = skipped[0][:2]
    assert ops.convert_to_numpy(x).tolist() == [[3, 3]]


@pytest.mark.parametrize("wanted", [1, 4, 99])
def test_first_batches_are_shown_and_trained_on_all_the_same(wanted):
    shown, ends = [], []

    def see(batch):
        shown.append(ops.convert_to_numpy(batch[0]).tolist())
        return 0 if len(shown) < wanted else None

    def begin(logs):
        epochs = _keras.running_fit()["epoch_iterator"]
        _keras.show_first_batches(epochs, see, _backends.batch_iterator)

    for hooks in ({}, {"on_train_begin": begin}):
        keras.utils.set_random_seed(0)
        model = small()
        fit(model, During(**hooks), epochs=2)
        ends.append([v.numpy() for v in model.variables])
    for without, with_it in zip(*ends, strict=True):
        np.testing.assert_array_equal(without, with_it)
    assert len(shown) == min(wanted, 6) and shown[0] == [[0, 0]]


def test_data_that_is_shorter_than_before_is_an_error():
    def begin(epoch, logs):
        found = _keras.running_fit()["epoch_iterator"]
        _keras.skip_steps(found, 4, lambda batch: None)

    def batches():
        for _ in range(2):
            yield np.zeros((1, 2), "float32"), np.zeros((1, 1), "float32")

    with pytest.raises(ValueError, match="shorter now. Received: steps_done=4"):
        small().fit(
            batches(),
            steps_per_epoch=6,
            shuffle=False,
            verbose=0,
            callbacks=[During(on_epoch_begin=begin)],
        )


def test_the_last_step_of_several_in_one_call_is_known():
    together, seen = 2 if takes_several_steps() else 1, []
    model, watching = small(), During()
    model.compile("sgd", "mse", steps_per_execution=together)
    watching.on_train_batch_end = lambda batch, logs: seen.append(
        _keras.last_step(watching, batch)
    )
    fit(model, watching)
    assert seen == [*range(together - 1, 6, together)]


def test_metrics_are_built_from_a_batch():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    before = len(model.metrics_variables)
    _keras.build_metrics(model, tuple(ops.convert_to_tensor(v) for v in numbered()))
    assert len(model.metrics_variables) == before + 2


def test_hooks_in_another_thread_are_waited_for():
    done = []

    class Slow(keras.callbacks.Callback):
        async_safe = True

        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.05)
            done.append(batch)

    running = keras.callbacks.CallbackList([Slow()], model=small())
    running.on_train_begin()
    running.on_train_batch_end(0, {})
    _keras.wait_for_hooks(running)
    assert done == [0]
    running.on_train_end()


def test_random_numbers_without_a_seed_come_from_one_variable():
    keras.random.normal((1,))
    seeds = _keras.global_seeds()
    state = seeds.numpy()
    first = ops.convert_to_numpy(keras.random.normal((3,)))
    seeds.assign(state)
    assert ops.convert_to_numpy(keras.random.normal((3,))).tolist() == first.tolist()


@pytest.mark.parametrize(
    "callback",
    [
        keras.callbacks.History(),
        keras.callbacks.ReduceLROnPlateau("loss"),
        keras.callbacks.EarlyStopping("loss"),
        keras.callbacks.ModelCheckpoint("a.keras"),
        keras.callbacks.SwapEMAWeights(),
    ],
    ids=lambda callback: type(callback).__name__,
)
def test_callbacks_of_keras_remember_under_these_names(callback):
    names = _keras.STATE_OF_CALLBACKS[type(callback)]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(use_ema=True), "mse")
    callback.set_model(model)
    callback.on_train_begin({})
    assert [name for name in names if not hasattr(callback, name)] == []


# What is lost without a name: each test removes one from a Keras object, or from what
# `kcomponents._keras` finds.


def remove(patch, thing, name):
    """Remove an attribute from an object, or from the classes that define it."""
    # On PyTorch, layers keep their sublayers there.
    for names in (vars(thing), vars(thing).get("_modules", {})):
        if name in names:
            patch.delitem(names, name)
    for cls in type(thing).__mro__:
        if name in vars(cls):
            patch.delattr(cls, name)


def functional():
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(1)(inputs))


def dropping():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])


def running(*callbacks):
    return keras.callbacks.CallbackList(list(callbacks), model=small())


def data_of_fit():
    seen = []
    hook = During(on_train_begin=lambda logs: seen.append(_keras.running_fit()))
    fit(small(), hook)
    return seen[0]["epoch_iterator"]


def optimizer():
    return built(use_ema=True)[0]


def schedule():
    return keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)


def clipped(optimizer):
    return optimizers.clipped(optimizer, agc=0.1)


def accumulating(_):
    return clipped(keras.optimizers.SGD(gradient_accumulation_steps=2))


def explained(model):
    return analysis.linear_region(model, VECTORS)


def new_variables():
    return [keras.Variable([0.0], trainable=False)]


def test_the_epoch_decides_the_order_of_arrays_only_where_keras_counts_it():
    epochs = data_of_fit()
    vars(epochs.data_adapter).pop("_epoch", None)
    _keras.set_shuffles(epochs, 3)
    assert _keras.shuffles_of(epochs) is None
    epochs.data_adapter._epoch = 1
    for number in (3, None):
        _keras.set_shuffles(epochs, number)
        assert _keras.shuffles_of(epochs) == 3
    assert _keras.shuffles_of(fit_state.UNKNOWN) is None


CHECKPOINT = (
    lambda: keras.callbacks.ModelCheckpoint("a.keras"),
    lambda callback: _keras.wait_for_hooks(running(callback)),
)
FLUSHED = (running, _keras.wait_for_hooks)
EXTRA = (
    optimizer,
    lambda found: extra_variables.add_to_optimizer(found, new_variables()),
)
VECTORS = np.ones((1, 2), "float32")
# Name → a function that makes an object with it, and one that uses it.
USES = {
    "CallbackList._async_train": FLUSHED,
    "CallbackList._flush_futures": FLUSHED,
    "EpochIterator._enumerate_iterator": (
        data_of_fit,
        lambda epochs: _keras.skip_steps(epochs, 1, print),
    ),
    "EpochIterator.catch_stop_iteration": (data_of_fit, _keras.draw_epoch),
    "EpochIterator.steps_per_execution": (
        data_of_fit,
        lambda epochs: _keras.show_first_batches(
            epochs, print, _backends.batch_iterator
        ),
    ),
    "Function._nodes_by_depth": (functional, explained),
    "Layer._layers": (dropping, lambda model: inference.mc_predict(model, VECTORS)),
    "Layer._non_trainable_variables": (small, model_reuse.own_variables),
    "Layer._remat_mode": (small, model_reuse.rematerializes),
    "Layer._seed_generators": (
        small,
        lambda model: extra_variables.add_to_model(model, new_variables()),
    ),
    "Layer._trainable_variables": (small, model_reuse.own_variables),
    "Model._compile_config": (small, models.compile_arguments),
    "Model._initial_epoch": (small, lambda model: _keras.set_first_epoch(model, 1)),
    "Model._symbolic_build": (
        small,
        lambda model: _keras.build_metrics(model, numbered()),
    ),
    "ModelCheckpoint._batches_seen_since_last_saving": CHECKPOINT,
    "ModelCheckpoint._last_batch_seen": CHECKPOINT,
    "Optimizer._backend_apply_gradients": (optimizer, accumulating),
    "Optimizer._clip_gradients": (optimizer, accumulating),
    "Optimizer._learning_rate": (
        lambda: built(learning_rate=schedule())[0],
        _keras.learning_rate_source,
    ),
    "Optimizer._model_variables_moving_average": (optimizer, _keras.moving_averages),
    "Optimizer._track_variable": EXTRA,
    "Optimizer._trainable_variables": (optimizer, clipped),
    "Optimizer._untrack_variable": EXTRA,
    "Optimizer._use_weight_decay": (
        optimizer,
        lambda optimizer: model_reuse.uses_weight_decay(optimizer, new_variables()),
    ),
    "Sequential._functional": (small, explained),
    "SpatialDropout._get_noise_shape": (
        lambda: keras.layers.SpatialDropout1D(0.5),
        lambda layer: model_reuse.spatial_noise_shape(layer, VECTORS),
    ),
    "SwapEMAWeights._ema_weights_in_model": (
        keras.callbacks.SwapEMAWeights,
        _keras.averages_in_model,
    ),
    "functional.Functional": (
        lambda: models.functional,
        lambda _: models.is_plain(small()),
    ),
    "global_state.get_global_attribute": (
        lambda: fit_state.global_state,
        lambda _: _keras.global_seeds(),
    ),
    "seed_generator.GLOBAL_SEED_GENERATOR": (
        lambda: fit_state.seed_generator,
        lambda _: _keras.global_seeds(),
    ),
}


def says_lack_of(name, error):
    feature = NEEDED[name]
    lacks = f"`{name}`, which Keras {keras.__version__} does not have."
    said = f"{feature.needs} {lacks} Use Keras {features.TESTED}, or {feature.instead}."
    return str(error.value) == said


@pytest.mark.parametrize("name", USES)
def test_a_feature_says_which_name_it_lacks(name, monkeypatch):
    make, use = USES[name]
    thing, attribute = make(), name.rpartition(".")[2]
    if attribute == "_learning_rate":
        # Keras itself reads it there.
        config = thing.get_config()
        monkeypatch.setattr(type(thing), "get_config", lambda self: config)
    for one in (name, *features.in_place_of(name)):
        remove(monkeypatch, thing, one.rpartition(".")[2])
    with pytest.raises(MissingInKeras) as caught:
        use(thing)
    assert says_lack_of(name, caught)


EXCLUSIONS = {
    "_exclude_from_weight_decay": lambda self: self._exclude_from_weight_decay_pattern,
    "_exclude_from_weight_decay_pattern": lambda self: self._exclude_from_weight_decay,
}


@pytest.mark.parametrize("name", EXCLUSIONS)
def test_clipping_says_that_exclusions_from_decay_would_be_lost(name, monkeypatch):
    cls = keras.optimizers.Optimizer
    monkeypatch.setattr(cls, "exclude_from_weight_decay", EXCLUSIONS[name])
    with pytest.raises(MissingInKeras) as caught:
        clipped(keras.optimizers.SGD(weight_decay=0.1))
    assert says_lack_of(f"Optimizer.{name}", caught)
    assert type(clipped(keras.optimizers.SGD())).__name__ == "ClippedSGD"


def test_data_under_another_name_in_fit_is_noticed():
    names = {"__name__": "keras.src.trainers.other", "running": _keras.running_fit}
    exec("def fit(validation_freq):\n    return running()", names)
    with pytest.raises(MissingInKeras) as caught:
        _keras.draw_epoch(names["fit"](1)["epoch_iterator"])
    assert says_lack_of("fit.epoch_iterator", caught)
    names["__name__"] = "mine"
    assert names["fit"](1) == {"validation_freq": 1}


def lose(patch, *names):
    """Hide these names from `kcomponents._keras`, but not from Keras itself."""

    def needed(owner, name):
        if name in names:
            raise features.missing(name)
        return features.needed(owner, name)

    for path in pathlib.Path(features.__file__).parent.glob("[a-z]*.py"):
        module = importlib.import_module(f"kcomponents._keras.{path.stem}")
        if module is not features and hasattr(module, "needed"):
            patch.setattr(module, "needed", needed)


OF_MONITORS = ["Layer._layers", "Optimizer._clip_gradients"]
OF_MONITORS += ["Optimizer._trainable_variables"]
if _backends.carries_state:
    OF_MONITORS += ["Layer._seed_generators", "Optimizer._track_variable"]
    OF_MONITORS += ["Optimizer._untrack_variable"]


@pytest.mark.parametrize("name", OF_MONITORS)
def test_a_monitor_that_lacks_a_name_leaves_the_model_trainable(
    name, monkeypatch, tmp_path
):
    model, monitor = small(), callbacks.GradientNormLogger()
    with monkeypatch.context() as patch:
        lose(patch, name)
        with pytest.raises(MissingInKeras) as caught:
            fit(model, monitor)
    assert says_lack_of(name, caught)
    left = [*model.variables, *model.optimizer.variables]
    assert not any(variable.name == "tally" for variable in left)
    count = len(model.variables)
    fit(model, During())
    model.save(tmp_path / "model.keras")
    assert len(model.variables) == count
    fit(model, monitor)


@pytest.mark.parametrize("name", OF_MONITORS)
def test_the_doctor_notes_which_name_it_lacks(name, monkeypatch):
    lose(monkeypatch, name)
    doctor = callbacks.TrainingDoctor()
    fit(small(), doctor, epochs=2)
    assert any(f"`{name}`" in note for note in doctor.record.structure["notes"])
    assert len(doctor.record.logs) == 2


def batches():
    for _ in range(6):
        yield np.zeros((1, 2), "float32"), np.zeros((1, 1), "float32")


@pytest.mark.parametrize("name", [n for n in NEEDED if n.startswith("EpochIterator")])
def test_the_doctor_trains_on_a_generator_whose_batches_it_cannot_read(
    name, monkeypatch
):
    lose(monkeypatch, name)
    doctor = callbacks.TrainingDoctor()
    options = {"steps_per_epoch": 3, "epochs": 2, "verbose": 0, "shuffle": False}
    small().fit(batches(), callbacks=[doctor], **options)
    notes = doctor.record.structure["notes"]
    assert any(note.startswith("The doctor could not read the data") for note in notes)
    assert any(f"`{name}`" in note for note in notes)
    assert len(doctor.record.logs) == 2
    assert doctor.record.readings[-1].values["gradient_norm"]


def test_all_else_works_without_any_of_the_names(monkeypatch):
    lose(monkeypatch, *NEEDED)
    stop = callbacks.EarlyStopping("loss", restore_best_weights=True)
    model = keras.Sequential([keras.Input((2,)), layers.MaxoutDense(2, 2)])
    model.compile("sgd", "mse")
    fit(model, stop, epochs=2)
    assert stop.best is not None
    assert structure.structure_of(model) is None
    assert models.gate_of(dropping(), []) is None


def test_metrics_without_their_names_have_no_direction(monkeypatch):
    model = small()
    model.compile("sgd", "mse", metrics=["mae"])
    [found] = [m for m in model.metrics if hasattr(m, "_user_metrics")]
    assert direction_of(model, "mae") == "min"
    for name in ("_user_metrics", "_user_weighted_metrics"):
        with monkeypatch.context() as patch:
            remove(patch, found, name)
            assert _keras.metric_arguments(model) == []
            assert direction_of(model, "mae") is None
    metric = keras.metrics.MeanSquaredError()
    remove(monkeypatch, metric, "_direction")
    assert _keras.metric_direction(metric) is None


def test_helpers_do_without_names_that_cost_little(monkeypatch):
    monkeypatch.setattr(models, "stateless_scope", None)
    assert _keras.in_stateless_scope()
    monkeypatch.setattr(model_reuse, "global_state", None)
    model_reuse.forget_names()
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(2), *dropping().layers]
    )
    [noisy] = _sampling.noisy_layers(model)
    assert models.gate_of(model, [noisy]) is noisy
    monkeypatch.setattr(models, "masking", None)
    assert models.gate_of(model, [noisy]) is None
    assert inference.mc_predict(model, VECTORS, 3).mean.shape == (1, 2)


IMPORTED = [
    "backend.common.global_state",
    "backend.common.masking",
    "backend.common.stateless_scope",
    "models.functional",
    "random.seed_generator",
]


def test_importing_needs_no_private_module():
    code = f"""
import sys, keras
hidden = {{f"keras.src.{{name}}": None for name in {IMPORTED}}}
found = {{name: sys.modules[name] for name in hidden}}
sys.modules.update(hidden)
import kcomponents
from kcomponents._keras import fit_state, models
sys.modules.update(found)
model = keras.Sequential([keras.Input((2,)), kcomponents.layers.MaxoutDense(1, 2)])
model.compile("sgd", "mse")
logger = kcomponents.callbacks.GradientNormLogger()
model.fit(keras.ops.ones((4, 2)), keras.ops.ones((4, 1)), verbose=0, callbacks=[logger])
for use in (lambda: models.is_plain(model), fit_state.global_seeds):
    try:
        use()
    except RuntimeError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("`WithActivation` and `Regularized` need `functional.Func")
    assert second.startswith("`Resume` needs `seed_generator.GLOBAL_SEED_GENERATOR`")


def test_the_page_says_what_the_installed_keras_lacks():
    page = pathlib.Path(__file__).parents[1] / "docs" / "keras_versions.md"
    found = keras_versions.row()
    version = " ".join(found.split()[:3])
    # The second table is of what Keras itself does otherwise.
    rows = page.read_text(encoding="utf-8").split("\n## What")[0].splitlines()
    kept = [row for row in rows if row.startswith(version)]
    if not kept:
        pytest.skip(f"{page.name} has no row yet of Keras {keras.__version__}")
    assert kept == [found], "see `python -m tests.keras_versions`"


def test_a_name_that_keras_lacks_is_in_its_row(monkeypatch):
    owners = keras_versions.owners_of_names()
    monkeypatch.setattr(keras_versions, "owners_of_names", lambda: owners)
    before = keras_versions.row()
    remove(monkeypatch, owners["Layer"], "_remat_mode")
    remove(monkeypatch, owners["Metric"], "_direction")
    _, _, lacks, lost, _ = keras_versions.row().split("|")
    assert "`Layer._remat_mode`, `Metric._direction`" in lacks
    assert NEEDED["Layer._remat_mode"].needs in lost
    assert OPTIONAL["Metric._direction"] in lost
    assert "_remat_mode" not in before


def test_each_private_name_has_its_line_in_a_table():
    listed = {name.rpartition(".")[2] for name in [*NEEDED, *OPTIONAL, *IN_SOME]}
    tested = {*USES, *(f"Optimizer.{name}" for name in EXCLUSIONS)}
    assert {*tested, "fit.epoch_iterator"} == set(NEEDED)
    assert not set(NEEDED) & set(OPTIONAL)
    own = {"_keras"}
    used, modules = set(), set()
    for path in pathlib.Path(features.__file__).parent.glob("*.py"):
        if path.name == "features.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                used |= {node.attr} if node.attr.startswith("_") else set()
                of_self = getattr(node.value, "id", "") == "self"
                if of_self and isinstance(node.ctx, ast.Store):
                    own.add(node.attr)
            elif isinstance(node, ast.FunctionDef):
                own.add(node.name)
            elif isinstance(node, ast.ImportFrom):
                assert not node.module.startswith("keras.src")
            elif isinstance(node, ast.Call):
                if getattr(node.func, "id", "") == "module":
                    modules.add(node.args[0].value)
    private = {name for name in used if not name.startswith("__")} - own
    assert private <= listed
    assert sorted(modules) == IMPORTED
