"""What an output depends on shows when an input changes, and only then."""

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents._recording.dependence import (
    Dependence,
    next_values,
    swapped_targets,
)
from kcomponents._recording.outputs import outputs_of
from kcomponents.callbacks import TrainingDoctor

RANDOM = np.random.default_rng(5)
TEXT = RANDOM.integers(0, 9, (40, 13)).astype("int32")


def granted(count=99):
    """Return a function that allows so many runs."""
    left = iter([True] * count)
    return lambda: next(left, False)


def test_targets_are_the_next_values_of_an_input():
    x, y = TEXT[:, :-1], TEXT[:, 1:]
    other = RANDOM.integers(0, 9, x.shape)
    assert next_values([other, x], y) == 1
    assert next_values([other], y) is None
    assert next_values([x], y[..., None]) == 0
    # What happens now is no secret.
    assert next_values([x], x) is None


def test_a_series_has_next_values_too():
    series = RANDOM.normal(size=(20, 9, 2)).astype("float32")
    assert next_values([series[:, :-1]], series[:, 1:]) == 0
    assert next_values([series[:, :-1, :1]], series[:, 1:]) is None


def test_constants_and_short_rows_have_no_next_values():
    assert next_values([np.zeros((9, 8))], np.zeros((9, 8))) is None
    assert next_values([TEXT[:, :3]], TEXT[:, 1:4]) is None
    assert next_values([TEXT[:, :4]], TEXT[:, 1:5]) == 0
    # Not sequences at all.
    assert next_values([TEXT[:, 0]], TEXT[:, 1]) is None


def test_padding_after_the_text_does_not_hide_next_values():
    padded = TEXT.copy()
    padded[:, 5:] = 0
    assert next_values([padded[:, :-1]], padded[:, 1:]) == 0
    wrong = padded[:, 1:].copy()
    wrong[:, :4] = RANDOM.permutation(wrong[:, :4])
    assert next_values([padded[:, :-1]], wrong) is None


def texts(*between):
    """Return a model from ids to a number of classes at each position."""
    ids = keras.Input((12,), dtype="int32")
    x = layers.Embedding(9, 8)(ids)
    for layer in between:
        x = layer(x)
    return keras.Model(ids, layers.Dense(9)(x))


class Attend(layers.Layer):
    """Attention of a sequence to itself."""

    def __init__(self, causal):
        super().__init__()
        self.attention, self.causal = layers.MultiHeadAttention(2, 4), causal

    def call(self, x):
        return self.attention(x, x, use_causal_mask=self.causal)


class Centered(layers.Layer):
    """Takes off the mean over positions."""

    def call(self, x):
        return x - keras.ops.mean(x, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Attend(True), False),
        (lambda: Attend(False), True),
        (lambda: layers.Conv1D(8, 3, padding="causal"), False),
        (lambda: layers.Conv1D(8, 3, padding="same"), True),
        (lambda: layers.GRU(8, return_sequences=True), False),
        (lambda: layers.Bidirectional(layers.GRU(4, return_sequences=True)), True),
        (lambda: layers.LayerNormalization(axis=-1), False),
        (lambda: Centered(), True),
        (lambda: layers.BatchNormalization(), False),
    ],
)
def test_an_output_that_uses_later_positions_changes_with_them(make, expected):
    model, x = texts(make()), TEXT[:, :-1]

    def run(inputs):
        return [keras.ops.convert_to_numpy(model(inputs, training=False))]

    dependence = Dependence(run, x, lambda: run(x), granted())
    share = dependence.sees_later(0, 0)
    assert share > 0.05 if expected else share == 0.0


def test_without_work_left_nothing_is_said():
    outputs = [np.zeros((40, 12, 9))]
    dependence = Dependence(
        lambda x: outputs, TEXT[:, :-1], lambda: outputs, granted(0)
    )
    assert dependence.sees_later(0, 0) is None
    assert dependence.inputs_of_outputs() is None


@pytest.mark.any_backend
def test_the_inputs_of_an_output_are_those_it_changes_with():
    x = [RANDOM.normal(size=(30, 2)) for _ in range(3)]

    def run(inputs):
        first, second, _ = inputs
        return [first.sum(1), first * second, np.full(30, np.nan)]

    dependence = Dependence(run, x, lambda: run(x), granted())
    assert dependence.inputs_of_outputs() == [[0], [0, 1], []]
    # The work of one run is not enough for three inputs.
    assert Dependence(run, x, lambda: run(x), granted(1)).inputs_of_outputs() is None


def two_outputs(targets, task="mse"):
    """Return two outputs with these targets."""
    ways = [keras.Input((3,), name=name) for name in ("left", "right")]
    ends = [
        layers.Dense(1, name=name)(way)
        for name, way in zip(("near", "far"), ways, strict=True)
    ]
    model = keras.Model(ways, ends)
    loss = {"class": "MeanSquaredError", "name": "mse", "config": {}}
    found = outputs_of(model, loss, targets, [np.zeros((200, 1))] * 2)
    return found


def test_targets_are_swapped_if_each_is_told_by_the_inputs_of_the_other():
    x = [RANDOM.normal(size=(200, 3)) for _ in range(2)]
    y = [part[:, :1] for part in x]
    right = swapped_targets(x, two_outputs(y), [[0], [1]])
    wrong = swapped_targets(x, two_outputs(y[::-1]), [[0], [1]])
    assert right["outputs"] == ["near", "far"]
    assert right["own"] > 0.9 and right["other"] < 0.1
    assert wrong["own"] < 0.1 and wrong["other"] > 0.9


def test_swapped_targets_of_ids_are_found_by_which_ids_occur():
    ids = [RANDOM.integers(0, 8, (400, 1)) for _ in range(2)]
    effect = np.array([1.0, -1, 1, -1, -1, 1, 1, -1])
    y = [effect[part] for part in ids]
    outputs = two_outputs(y[::-1])
    found = swapped_targets(ids, outputs, [[0], [1]], ids=[0, 1])
    assert found["own"] < 0.1 and found["other"] > 0.9


def test_outputs_with_the_same_inputs_say_nothing_of_their_targets():
    x = [RANDOM.normal(size=(200, 3)) for _ in range(2)]
    outputs = two_outputs([part[:, :1] for part in x])
    assert swapped_targets(x, outputs, [[0, 1], [0, 1]]) is None
    assert swapped_targets(x, outputs, [[0], []]) is None
    # Too few samples for simple models.
    few = [part[:20] for part in x]
    outputs = two_outputs([part[:, :1] for part in few])
    assert swapped_targets(few, outputs, [[0], [1]]) is None


def data_of(model, x, y, **settings):
    """Return the facts of the data after one epoch."""
    doctor = TrainingDoctor()
    model.fit(x, y, verbose=0, callbacks=[doctor], **settings)
    return doctor.record.structure["data"]


def test_a_fit_records_what_its_outputs_see():
    model = texts(Attend(False))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = data_of(model, TEXT[:, :-1], TEXT[:, 1:])
    assert found["outputs"][0]["sees_later"] > 0.05
    # Scores of later epochs do not change what was measured before the first step.
    assert "swapped" not in found
    found = data_of(model, TEXT[:, :-1], TEXT[:, :-1])
    assert "sees_later" not in found["outputs"][0]


def test_a_stream_keeps_what_was_seen_before_its_first_step():
    model = texts(Attend(False))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def batches():
        for start in range(0, 40, 10):
            rows = TEXT[start : start + 10]
            yield rows[:, :-1], rows[:, 1:]

    found = data_of(model, batches(), None, shuffle=False, steps_per_epoch=4)
    assert found["streamed"] and found["outputs"][0]["sees_later"] > 0.05


def test_a_stream_keeps_what_it_knows_of_two_outputs():
    ways = [keras.Input((3,), name=name) for name in ("left", "right")]
    ends = [layers.Dense(1, name=f"{way.name}_end")(way) for way in ways]
    model = keras.Model(ways, ends)
    model.compile("sgd", ["mse", "mse"])
    x = [RANDOM.normal(size=(180, 3)).astype("float32") for _ in range(2)]
    y = [part[:, :1] for part in x[::-1]]

    def batches():
        for start in (0, 60, 120):
            rows = slice(start, start + 60)
            yield tuple(part[rows] for part in x), tuple(part[rows] for part in y)

    found = data_of(model, batches(), None, shuffle=False, steps_per_epoch=3)
    assert found["swapped"]["own"] < 0.2 and found["swapped"]["other"] > 0.8
