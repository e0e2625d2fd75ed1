"""The private Keras names that `kcomponents/_keras` leans on, one test each."""

import time

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents import _backends, _keras


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


def test_weight_decay_remembers_what_it_leaves_out():
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


def test_what_compile_was_asked_to_measure_is_kept():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert _keras.asked_metrics(model) == []
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mape"])
    assert _keras.asked_metrics(model) == [["mae"], ["mape"]]


def small():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_a_passenger_is_carried_but_is_no_weight():
    model, rider = small(), keras.Variable([7.0], trainable=False)
    _keras.board_model(model, [rider])
    assert any(v is rider for v in model.non_trainable_variables)
    assert not any(v is rider for v in model.weights)
    _keras.leave_model(model, [rider])
    assert not any(v is rider for v in model.variables)


def test_a_passenger_is_in_no_file(tmp_path):
    model, rider = small(), keras.Variable([7.0], trainable=False)
    _keras.board_model(model, [rider])
    model.save(tmp_path / "model.keras")
    _keras.leave_model(model, [rider])
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.variables) == len(model.variables)


def test_an_optimizer_carries_passengers_and_can_hide_them():
    optimizer, _ = built(momentum=0.9)
    count, rider = len(optimizer.variables), keras.Variable([7.0], trainable=False)
    _keras.board_optimizer(optimizer, [rider])
    assert optimizer.variables[-1] is rider
    # Only used where a compiled step carries its state along.
    if _backends.carries_state:
        with _keras.without(optimizer, [rider]):
            assert len(optimizer.variables) == count
        assert optimizer.variables[-1] is rider
    _keras.leave_optimizer(optimizer, [rider])
    assert len(optimizer.variables) == count


def test_every_step_passes_its_gradients_through_one_method():
    optimizer, variable = built()
    seen = []
    original = getattr(optimizer, _keras.CLIPPING)
    setattr(optimizer, _keras.CLIPPING, lambda g: seen.append(g) or original(g))
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


def test_passengers_of_a_model_are_told_from_its_own_variables():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])
    variable = keras.Variable([0.0])
    _keras.board_model(model, [variable])
    assert _keras.passengers(model) == [variable]


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
    variables = [variable for variable, _ in _keras.averages(optimizer)]
    assert variables == model.trainable_variables
    assert all(a.shape == v.shape for v, a in _keras.averages(optimizer))
    assert _keras.averages(keras.optimizers.SGD()) == []
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


def test_a_running_fit_tells_what_it_was_given():
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


def test_a_fit_begins_where_it_is_told_to():
    model, seen = small(), []

    def begin(logs):
        seen.append(_keras.begins_at(model))
        _keras.begin_at(model, 2)
        seen.append(_keras.begins_at(model))

    assert fit(model, During(on_train_begin=begin), epochs=4).epoch == [2, 3]
    assert seen == [0, 2]
    _keras.begun(model)
    assert fit(model, During(), epochs=1).epoch == [0]


def test_epochs_of_data_can_be_passed_by():
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


def test_an_epoch_of_data_can_begin_in_its_middle():
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
        return len(shown) < wanted

    def begin(logs):
        epochs = _keras.running_fit()["epoch_iterator"]
        _keras.see_first(epochs, see, _backends.again)

    for hooks in ({}, {"on_train_begin": begin}):
        keras.utils.set_random_seed(0)
        model = small()
        fit(model, During(**hooks), epochs=2)
        ends.append([v.numpy() for v in model.variables])
    for without, with_it in zip(*ends, strict=True):
        np.testing.assert_array_equal(without, with_it)
    assert len(shown) == min(wanted, 6) and shown[0] == [[0, 0]]


def test_data_that_is_shorter_than_before_is_told():
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


def test_metrics_are_built_from_a_batch():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    before = len(model.metrics_variables)
    _keras.build_metrics(model, tuple(ops.convert_to_tensor(v) for v in numbered()))
    assert len(model.metrics_variables) == before + 2


def test_callbacks_in_another_thread_are_waited_for():
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
