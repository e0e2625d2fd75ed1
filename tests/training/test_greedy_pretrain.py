"""greedy_pretrain: stages equal those trained by hand, and change nothing else."""

import copy
import gc
import re
import weakref

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents.layers import PReLU
from kcomponents.training import greedy_pretrain
from kcomponents.training.greedy_pretrain import Corruption, outputs_of

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(size=(96, 6)).astype("float32")
LABELS = (X[:, 0] > X[:, 1]).astype("int32")


def hidden(*units):
    return [layers.Dense(number, "sigmoid") for number in units]


def values(stack):
    """Return copies of all weights of some layers."""
    return [np.array(w.numpy()) for layer in stack for w in layer.weights]


def equal(one, other, tolerance=0):
    for first, second in zip(one, other, strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=tolerance)


class Seen(keras.callbacks.Callback):
    """Let a function see the model of each stage when its training begins and ends."""

    def __init__(self, see):
        super().__init__()
        self.see = see

    def on_train_begin(self, logs=None):
        self.see(self.model)

    def on_train_end(self, logs=None):
        self.see(self.model)


def test_stages_equal_those_done_by_hand():
    keras.utils.set_random_seed(1)
    stack = hidden(5, 3)
    made, histories = greedy_pretrain(stack, X, epochs=2, batch_size=16)
    keras.utils.set_random_seed(1)
    one, two = hidden(5, 3)
    by_hand = keras.Sequential([keras.Input((6,)), one, two])
    x, losses = X, []
    for layer in (one, two):
        stage = keras.Sequential([keras.Input(x.shape[1:]), layer])
        decoder = layers.Dense(x.shape[1])
        decoder.build((None, layer.units))
        trained = keras.Sequential([keras.Input(x.shape[1:]), layer, decoder])
        trained.compile("adam", "mse")
        losses += trained.fit(x, x, batch_size=16, epochs=2, verbose=0).history["loss"]
        x = stage.predict(x, verbose=0)
    equal(values(made.layers), values(by_hand.layers), 1e-6)
    found = [loss for history in histories for loss in history["loss"]]
    np.testing.assert_allclose(found, losses, rtol=1e-5)


def test_the_reconstruction_improves_on_training_and_validation_data():
    _, [history] = greedy_pretrain(
        hidden(6), X, epochs=12, optimizer=keras.optimizers.Adam(0.03), batch_size=16,
        validation_split=0.25,
    )  # fmt: skip
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert history["val_loss"][-1] < 0.7 * history["val_loss"][0]


def test_a_stage_touches_no_other_layer_and_its_optimizer_is_new():
    stack, head = hidden(5, 3), layers.Dense(2)
    optimizers, looks = [], []

    def see(model):
        optimizers.append((model.optimizer, int(model.optimizer.iterations.numpy())))
        looks.append([values([layer]) for layer in (*stack, head)])

    given = keras.optimizers.SGD(0.5, momentum=0.9)
    model, _ = greedy_pretrain(
        stack, X, head=head, optimizer=given, callbacks=[Seen(see)], epochs=1
    )
    for place, stage in enumerate((0, 1)):
        before, after = looks[2 * place : 2 * place + 2]
        for number in range(3):
            if number != stage:
                equal(before[number], after[number])
        assert not np.allclose(before[stage][0], after[stage][0], atol=1e-4)
    assert [steps for _, steps in optimizers] == [0, 3, 0, 3]
    assert optimizers[0][0] is not optimizers[2][0]
    assert not given.built and optimizers[0][0].get_config() == given.get_config()
    assert model.layers == [*stack, head]
    assert model.built and not model.compiled


def test_normalization_and_activation_layers_belong_to_the_stage_before_them():
    stages = []

    def see(model):
        stages.append([type(layer).__name__ for layer in model.chain.layers])

    stack = [
        layers.Rescaling(0.5),
        layers.Dense(4),
        layers.BatchNormalization(),
        PReLU(),
        layers.Dense(3, trainable=False),
        keras.Sequential([layers.Dense(2)]),
        layers.Dropout(0.5),
    ]
    model, _ = greedy_pretrain(stack, X, epochs=1, callbacks=[Seen(see)])
    first = ["Dense", "BatchNormalization", "PReLU", "Dense"]
    assert stages[::2] == [[*first, "Dense"], ["Sequential", "Dropout", "Dense"]]
    # Averages, too, are moved by the stage alone.
    assert np.any(stack[2].moving_mean.numpy() != 0)
    assert not stack[4].trainable and len(model.layers) == 7


def test_of_a_sequential_model_the_last_stage_is_the_head():
    head = [layers.Dense(2), layers.Softmax()]
    model, looks = keras.Sequential([*hidden(4), *head]), []
    found, histories = greedy_pretrain(
        model, X, epochs=1, callbacks=[Seen(lambda _: looks.append(values(head)))]
    )
    assert found is model and len(histories) == 1
    assert model.input_shape == (None, 6)
    equal(looks[0], values(head))


def test_a_pretrained_model_trains_on_and_is_saved(tmp_path):
    head = layers.Dense(2, "softmax")
    model, _ = greedy_pretrain(hidden(4), X, head=head, epochs=1)
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(X, LABELS, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"][0])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    equal([loaded.predict(X, verbose=0)], [model.predict(X, verbose=0)], 1e-6)


def test_layers_do_not_remember_how_they_were_trained():
    made = []

    def decoder(shape):
        layer = layers.Dense(shape[-1], "sigmoid")
        made.append(weakref.ref(layer))
        return layer

    stack = hidden(4)
    model, _ = greedy_pretrain(stack, X, epochs=1, decoder=decoder)
    assert stack[0].output is model.outputs[0]
    keras.backend.clear_session(free_memory=False)
    gc.collect()
    assert made[0]() is None


class Counting(layers.Dense):
    """Count how many inputs are 0 in training."""

    def build(self, input_shape):
        super().build(input_shape)
        self.zeros = self.add_weight(shape=(), trainable=False, initializer="zeros")

    def call(self, inputs, training=False):
        if training:
            zeros = keras.ops.cast(keras.ops.equal(inputs, 0), "float32")
            self.zeros.assign_add(keras.ops.sum(zeros))
        return super().call(inputs)


def test_corruption_sets_its_fraction_of_the_inputs_to_zero():
    layer = Counting(4)
    greedy_pretrain([layer], X, epochs=10, corruption=0.3)
    seen = 10 * X.size
    deviation = np.sqrt(0.3 * 0.7 / seen)
    assert abs(float(layer.zeros.numpy()) / seen - 0.3) < 5 * deviation


def test_corruption_leaves_the_other_inputs_and_prediction_alone():
    x, corrupt = np.full((50, 40), 3.0, "float32"), Corruption(0.5)
    found = keras.ops.convert_to_numpy(corrupt(x, training=True))
    assert set(np.unique(found)) == {0.0, 3.0}
    equal([keras.ops.convert_to_numpy(corrupt(x, training=False))], [x])


@pytest.mark.any_backend
def test_supervised_stages_learn_the_targets_with_heads_of_their_own():
    stack = [layers.Conv1D(4, 3), layers.Conv1D(3, 2), layers.Flatten()]
    head, stages = layers.Dense(2, "softmax"), []
    model, histories = greedy_pretrain(
        stack,
        X.reshape(96, 6, 1),
        LABELS,
        mode="supervised",
        optimizer=keras.optimizers.Adam(0.05),
        loss="sparse_categorical_crossentropy",
        head=head,
        callbacks=[Seen(lambda model: stages.append(model.chain.layers))],
    )
    for history in histories:
        assert history["loss"][-1] < 0.8 * history["loss"][0]
    # As many axes come to a new head as to the one given: one `Flatten` is new.
    assert stages[0][1] is not stack[2] and stages[2][1] is stack[2]
    assert [[type(layer).__name__ for layer in stage] for stage in stages[::2]] == [
        ["Conv1D", "Flatten", "Dense"],
        ["Conv1D", "Flatten", "Dense"],
    ]
    heads = [stage[-1] for stage in stages[::2]]
    assert len({id(layer) for layer in (*heads, head)}) == 3
    assert {layer.units for layer in heads} == {2}
    assert model.output_shape == (None, 2)


@pytest.mark.parametrize("padding, kept", [("same", True), ("valid", False)])
def test_a_stage_that_keeps_positions_is_decoded_by_position(padding, kept):
    rows = []
    stage = layers.Conv2D(3, 2, padding=padding)
    images = RANDOM.uniform(size=(8, 5, 4, 2))
    greedy_pretrain(
        [stage],
        images,
        epochs=1,
        callbacks=[Seen(lambda m: rows.append(m.chain.layers))],
    )
    kernels = [
        layer.kernel.shape for layer in rows[0] if isinstance(layer, layers.Dense)
    ]
    assert kernels == [(3, 2) if kept else (4 * 3 * 3, 40)]


def test_mixed_precision_trains_with_a_loss_scale():
    keras.config.set_dtype_policy("mixed_float16")
    kinds, stack = [], hidden(4)
    _, [history] = greedy_pretrain(
        stack, X, epochs=2, corruption=0.2,
        callbacks=[Seen(lambda model: kinds.append(type(model.optimizer).__name__))],
    )  # fmt: skip
    assert set(kinds) == {"LossScaleOptimizer"}
    assert np.isfinite(history["loss"]).all()
    assert stack[0].kernel.dtype == "float32"


def test_half_precision_does_not_round_word_indices():
    keras.config.set_dtype_policy("mixed_float16")
    words = layers.Embedding(3000, 2)
    words.build()
    table = words.embeddings.numpy()
    found = outputs_of([words], np.array([[2049.0, 2999.0]], "float32"), 1)
    equal(found, [table[[2049, 2999]]], 1e-3)
    assert np.abs(table[2049] - table[2048]).max() > 1e-2


def test_a_failure_in_the_middle_leaves_all_flags_and_the_other_layers():
    stack, stages = [*hidden(4, 3), layers.Dense(3, trainable=False)], []

    class Fails(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            stages.append(epoch)
            if len(stages) == 2:
                raise RuntimeError("no more")

    keras.Sequential([keras.Input((6,)), *stack])
    flags, last = [layer.trainable for layer in stack], values(stack[2:])
    with pytest.raises(RuntimeError, match="no more"):
        greedy_pretrain(stack, X, epochs=1, callbacks=[Fails()])
    assert [layer.trainable for layer in stack] == flags
    equal(values(stack[2:]), last)


def test_callbacks_are_copied_for_each_stage():
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=0, min_delta=9.0)
    before = copy.copy(stop.__dict__)
    _, histories = greedy_pretrain(hidden(4, 3), X, epochs=5, callbacks=[stop])
    assert stop.__dict__ == before
    assert [len(history["loss"]) for history in histories] == [2, 2]


def test_tensors_work_like_arrays_and_a_seed_repeats_the_training():
    found = []
    for x in (X, keras.ops.convert_to_tensor(X)):
        keras.utils.set_random_seed(3)
        model, _ = greedy_pretrain(hidden(3), x, epochs=1, corruption=0.5)
        found.append(values(model.layers))
    equal(*found)


SUPERVISED = {"mode": "supervised", "loss": "mse", "head": layers.Dense(1, name="head")}
REFUSED = {
    "`mode` is unknown.*'autoencoder'": {"mode": "autoencode"},
    "Supervised mode needs `y`.*Received: y=None": SUPERVISED,
    "Supervised mode needs.*loss=None": SUPERVISED | {"y": LABELS, "loss": None},
    "Supervised mode needs.*head=": SUPERVISED | {"y": LABELS, "head": None},
    "`decoder` must be None": SUPERVISED | {"y": LABELS, "decoder": lambda shape: None},
    "`corruption` must be.*below 1.*=1.0": {"corruption": 1},
    "`corruption` must be.*at least 0.*=-0.1": {"corruption": -0.1},
    "`validation_split` must be": {"validation_split": 1.5},
    "`epochs` must be a positive integer": {"epochs": 0},
    "`batch_size` must be a positive integer": {"batch_size": 2.5},
    "`optimizer` must be": {"optimizer": None},
    "at least one layer.*layers=\\[\\]": {"layers": []},
    "must have a layer with trainable.*'rest'": {"layers": [layers.ReLU(name="rest")]},
    "must have a layer": {"layers": keras.Sequential([layers.Dense(2)])},
    "`layers` must be a list": {"layers": layers.Dense(2)},
    "`head` must be None": {
        "layers": keras.Sequential(hidden(2, 2)),
        "head": layers.Dense(1),
    },
    "cannot reconstruct": {"layers": [layers.Embedding(3, 2)]},
    "`x` must be an array.*type='list'": {"x": [[1.0, 2.0]]},
    "`x` must be an array.*shape=\\(96,\\)": {"x": X[:, 0]},
    "`x` must be an array.*at least one": {"x": X[:0]},
    "`x` must be finite": {"x": np.where(X > 0.5, np.nan, X)},
    "expected min_ndim=4": {"layers": [layers.Conv2D(2, 3)]},
    "outputs of shape \\(6,\\).*shape=\\(2,\\)": {
        "decoder": lambda shape: layers.Dense(2)
    },
}


@pytest.mark.parametrize("message", REFUSED)
def test_rejects_wrong_arguments_before_training(message):
    arguments = {"layers": hidden(3), "x": X, **REFUSED[message]}
    with pytest.raises(ValueError) as caught:
        greedy_pretrain(**arguments)
    assert re.search(message, str(caught.value), re.DOTALL)
