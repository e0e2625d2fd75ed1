"""Predictions with dropout: sampled, by weight scaling, and their comparison."""

import gc
import threading
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops

from kcomponents.inference import (
    compare_dropout_inference,
    mc_predict,
    weight_scaling_predict,
)
from kcomponents.inference.predict import are_probabilities
from kcomponents.layers import MCDropout, MCSpatialDropout1D, RReLU

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(6, 8)).astype("float32")


def chain(*middle, last="softmax", size=8):
    return keras.Sequential(
        [keras.Input((size,)), *middle, layers.Dense(3, last, name="last")]
    )


def functional():
    inputs = keras.Input((8,))
    hidden = layers.Dense(5, "relu")(inputs)
    hidden = layers.Dropout(0.5)(hidden, training=False)
    return keras.Model(inputs, layers.Dense(3, "softmax")(hidden))


def nested():
    inside = keras.Sequential([layers.Dense(5), layers.Dropout(0.5)])
    return chain(keras.Sequential([layers.Dense(5), inside]))


def shared():
    inputs = keras.Input((8,))
    one = layers.Dropout(0.5)
    hidden = one(layers.Dense(8)(one(inputs)))
    return keras.Model(inputs, layers.Dense(3, "softmax")(hidden))


class Subclassed(keras.Model):
    """Hands `training` on, as books teach."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(5)
        self.normalization = layers.BatchNormalization()
        self.dropout = layers.Dropout(0.5)
        self.last = layers.Dense(3, "softmax")

    def call(self, inputs, training=False):
        hidden = self.normalization(self.hidden(inputs), training=training)
        return self.last(self.dropout(hidden, training=training))


class WithoutTraining(keras.Model):
    """Has no such argument."""

    def __init__(self):
        super().__init__()
        self.dropout = layers.Dropout(0.5)
        self.last = layers.Dense(3, "softmax")

    def call(self, inputs):
        return self.last(self.dropout(inputs))


def built(model):
    model(X)
    return model


def recurrent():
    inputs = keras.Input((8,))
    hidden = layers.Reshape((4, 2))(inputs)
    hidden = layers.LSTM(5, dropout=0.5)(hidden)
    return keras.Model(inputs, layers.Dense(3, "softmax")(hidden))


def bidirectional():
    inputs = keras.Input((8,))
    hidden = layers.Reshape((4, 2))(inputs)
    hidden = layers.Bidirectional(layers.GRU(3, recurrent_dropout=0.5))(hidden)
    return keras.Model(inputs, layers.Dense(3, "softmax")(hidden))


def attentive():
    inputs = keras.Input((8,))
    hidden = layers.Reshape((4, 2))(inputs)
    hidden = layers.MultiHeadAttention(1, 4, dropout=0.5)(hidden, hidden)
    hidden = layers.Attention(dropout=0.5)([hidden, hidden])
    return keras.Model(inputs, layers.Dense(3, "softmax")(layers.Flatten()(hidden)))


MODELS = {
    "functional": functional,
    "nested": nested,
    "shared": shared,
    "subclassed": lambda: built(Subclassed()),
    "without training": lambda: built(WithoutTraining()),
    "recurrent": recurrent,
    "bidirectional": bidirectional,
    "attentive": attentive,
}
NOISE = {
    "Dropout": lambda: layers.Dropout(0.5),
    "batch-wide": lambda: layers.Dropout(0.5, noise_shape=(1, None)),
    "AlphaDropout": lambda: layers.AlphaDropout(0.5),
    "GaussianDropout": lambda: layers.GaussianDropout(0.5),
    "GaussianNoise": lambda: layers.GaussianNoise(0.5),
    "MCDropout": lambda: MCDropout(0.5),
    "RReLU": lambda: RReLU(0.1, 0.9),
}


def state(model):
    weights = {id(w) for w in model.weights}
    return (
        [np.array(w.numpy()) for w in model.weights],
        [vars(layer).get("call") for layer in model._flatten_layers()],
        [v.trainable for v in model.variables if id(v) in weights],
        len(model.losses),
    )


def same_state(before, after):
    for old, new in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(old, new)
    assert before[1:] == after[1:] and not any(before[1])


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model_is_sampled_for_each_input_and_does_not_change(name):
    model = MODELS[name]()
    before, plain = state(model), model.predict(X, verbose=0)
    found = mc_predict(model, np.repeat(X[:1], 6, 0), 7, return_samples=True)
    assert found.samples.shape == (7, 6, 3)
    # Each sample and each input has its own masks.
    assert (found.samples.std(0) > 0).any() and (found.samples.std(1) > 0).any()
    same_state(before, state(model))
    np.testing.assert_allclose(model.predict(X, verbose=0), plain, atol=1e-6)


@pytest.mark.parametrize("name", NOISE)
def test_every_kind_of_noise_is_on_and_shared_by_all_inputs_if_asked(name):
    # Below 0, where a random slope shows.
    model, x = chain(NOISE[name](), last=None), -np.ones((5, 8), "float32")
    found = mc_predict(model, x, 9, batch_size=12, same_mask=True, return_samples=True)
    samples = found.samples
    np.testing.assert_allclose(samples, samples[:, :1].repeat(5, 1), atol=1e-6)
    assert len(np.unique(samples[:, 0, 0])) > 3
    found = mc_predict(model, x, 9, return_samples=True)
    assert len(np.unique(found.samples[:, 0, 0])) > 3
    within = name == "batch-wide"
    assert bool(np.ptp(found.samples, axis=1).max() < 1e-6) == within


def test_samples_in_one_batch_are_those_of_a_call_in_training():
    model = chain(layers.Dropout(0.5, seed=3))
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    found = mc_predict(model, X, 4, return_samples=True).samples
    expected = twin(np.tile(X, (4, 1)), training=True)
    expected = ops.convert_to_numpy(expected).reshape(4, 6, 3)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    # Its generators have moved on alike, so the next ones are equal too.
    found = mc_predict(model, X, 1, return_samples=True).samples[0]
    expected = ops.convert_to_numpy(twin(X, training=True))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_mean_and_deviation_are_those_of_a_loop_of_single_predictions():
    model = chain(layers.Dense(20, "relu"), MCDropout(0.5))
    found = mc_predict(model, X, 2000)
    loop = np.stack([ops.convert_to_numpy(model(X)) for _ in range(400)])
    error = np.sqrt(found.std**2 * (1 / 2000 + 1 / 400))
    assert (np.abs(found.mean - loop.mean(0)) < 5 * error + 1e-6).all()
    np.testing.assert_allclose(found.std, loop.std(0), rtol=0.3, atol=1e-3)


def test_the_mean_of_dropped_inputs_is_the_input():
    model = keras.Sequential([keras.Input((8,)), layers.Dropout(0.25)])
    found = mc_predict(model, X, 3000)
    # x / (1 - rate) times a Bernoulli variable has x^2 rate / (1 - rate).
    std = np.abs(X) * np.sqrt(1 / 3)
    assert (np.abs(found.mean - X) <= 5 * std / np.sqrt(3000) + 1e-6).all()
    np.testing.assert_allclose(found.std, std, rtol=0.15)


def test_batch_normalization_uses_its_averages_and_keeps_them():
    normalization = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((8,)), normalization, layers.Dropout(0.5)])
    normalization.moving_mean.assign(np.full(8, -3.0))
    normalization.moving_variance.assign(np.full(8, 4.0))
    before = state(model)
    found = mc_predict(model, X, 30, return_samples=True).samples
    same_state(before, state(model))
    expected = np.broadcast_to((X + 3) / np.sqrt(4 + 1e-3), found.shape)
    kept = found != 0
    np.testing.assert_allclose(found[kept], 2 * expected[kept], rtol=1e-4)


@pytest.mark.parametrize("batch_size", [3, 20, 1000])
def test_one_mask_holds_for_all_inputs_over_all_chunks(batch_size):
    model = keras.Sequential([keras.Input((50,)), layers.Dropout(0.5)])
    ones = np.ones((7, 50), "float32")
    options = {"batch_size": batch_size, "return_samples": True}
    found = mc_predict(model, ones, 5, same_mask=True, **options).samples
    assert found.shape == (5, 7, 50)
    assert (found == found[:, :1]).all()
    assert len({row.tobytes() for row in found[:, 0]}) == 5
    found = mc_predict(model, ones, 5, **options).samples
    assert len({row.tobytes() for row in found.reshape(35, 50)}) == 35


def test_spatial_dropout_drops_whole_channels_with_one_mask_too():
    x = np.ones((3, 4, 20), "float32")
    for layer in (layers.SpatialDropout1D(0.5), MCSpatialDropout1D(0.5)):
        model = keras.Sequential([keras.Input((4, 20)), layer])
        for same_mask in (False, True):
            found = mc_predict(
                model, x, 4, same_mask=same_mask, return_samples=True
            ).samples
            assert (found == found[:, :, :1]).all()
            assert (found == found[:, :1]).all() == same_mask
            assert set(np.unique(found)) == {0, 2}


def test_the_same_seed_gives_the_same_samples_and_the_next_call_others():
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        model = chain(layers.Dropout(0.5))
        found.append([mc_predict(model, X, 3, batch_size=9).mean for _ in range(2)])
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0][0] != found[0][1]).any()


def test_entropy_and_mutual_information_follow_their_definitions():
    model = chain(layers.Dropout(0.5))
    found = mc_predict(model, X, 40, return_samples=True)
    p = found.samples.astype("float64")
    whole = -(p.mean(0) * np.log(p.mean(0))).sum(-1)
    each = -(p * np.log(p)).sum(-1).mean(0)
    np.testing.assert_allclose(found.mean, p.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.std, p.std(0), rtol=1e-4)
    np.testing.assert_allclose(found.entropy, whole, rtol=1e-5)
    np.testing.assert_allclose(found.mutual_information, whole - each, atol=1e-5)
    assert (found.mutual_information >= 0).all() and (found.entropy > 0).all()


@pytest.mark.parametrize("units, activation", [(3, "softmax"), (1, "sigmoid")])
def test_logits_become_probabilities_first(units, activation):
    means = []
    for last in (None, activation):
        keras.utils.set_random_seed(1)
        head = [layers.Dropout(0.5, seed=1), layers.Dense(units, last)]
        model = keras.Sequential([keras.Input((8,)), *head])
        means.append(mc_predict(model, X, 8, from_logits=last is None))
    np.testing.assert_allclose(means[0].mean, means[1].mean, atol=1e-6)
    np.testing.assert_allclose(means[0].entropy, means[1].entropy, atol=1e-5)


def test_outputs_that_are_no_probabilities_have_no_entropy():
    found = mc_predict(chain(layers.Dropout(0.5), last=None), X, 4)
    assert found.entropy is None and found.mutual_information is None
    assert found.samples is None


def test_several_inputs_and_outputs_keep_their_structure():
    inputs = {"a": keras.Input((8,), name="a"), "b": keras.Input((2,), name="b")}
    both = layers.Dropout(0.5)(layers.Concatenate()(list(inputs.values())))
    heads = {"value": layers.Dense(2)(both), "kind": layers.Dense(3, "softmax")(both)}
    model = keras.Model(inputs, heads)
    x = {"a": X, "b": np.ones((6, 2))}
    found = mc_predict(model, x, 5, return_samples=True)
    assert found.mean["value"].shape == (6, 2) and found.entropy["value"] is None
    assert found.entropy["kind"].shape == (6,)
    assert found.samples["kind"].shape == (5, 6, 3)


def test_masks_of_padded_sequences_reach_behind_the_dropout():
    inputs = keras.Input((4,), dtype="int32")
    hidden = layers.Embedding(5, 3, mask_zero=True)(inputs)
    hidden = layers.GlobalAveragePooling1D()(layers.Dropout(0.5, seed=1)(hidden))
    model = keras.Model(inputs, hidden)
    short, long = np.array([[1, 2, 0, 0]]), np.array([[1, 2, 1, 2]])
    found = mc_predict(model, np.concatenate([short, long]), 4000).mean
    # Padding counts for nothing: the mean is over two places, not over four.
    np.testing.assert_allclose(found[0], found[1], atol=0.01)


def test_half_precision_comes_back_as_float32():
    keras.config.set_dtype_policy("mixed_float16")
    model = chain(layers.Dense(6, "relu"), layers.Dropout(0.5))
    for same_mask in (False, True):
        found = mc_predict(model, X, 20, same_mask=same_mask)
        assert found.mean.dtype == found.entropy.dtype == "float32"
        assert (found.std > 0).any()


class Rows(layers.Layer):
    """Notes how many rows come by."""

    def build(self, input_shape):
        self.seen = []

    def call(self, inputs):
        self.seen.append(inputs.shape[0])
        return inputs


def test_layers_before_the_first_noise_run_once_for_all_samples():
    early, late = Rows(), Rows()
    model = chain(early, layers.Dense(4), layers.Dropout(0.5), late)
    mc_predict(model, X, 5)
    assert (early.seen[-1], late.seen[-1]) == (6, 30)


def around(end):
    """Return a model whose dropout has a way around it, and what counts its rows."""
    inputs, rows = keras.Input((8,)), Rows()
    hidden = rows(inputs)
    dropped = layers.Dropout(0.5, seed=1)(hidden)
    outputs = dropped + hidden if end == "sum" else [dropped, hidden]
    return keras.Model(inputs, outputs), rows


@pytest.mark.parametrize("end", ["sum", "outputs"])
def test_with_a_bypass_around_the_noise_all_layers_run_for_each_sample(end):
    model, rows = around(end)
    found = mc_predict(model, X, 5, return_samples=True).samples
    assert rows.seen[-1] == 30
    dropped = found - X if end == "sum" else found[0]
    kept = np.abs(dropped) > 1e-6
    np.testing.assert_allclose(dropped[kept], np.tile(2 * X, (5, 1, 1))[kept], 1e-4)
    assert 0.3 < kept.mean() < 0.7


def test_a_deleted_model_is_not_kept_alive():
    model = chain(layers.Dropout(0.5))
    mc_predict(model, X, 2)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def batches():
    yield X[:4], np.zeros(4)
    yield X[4:], np.zeros(2)


@pytest.mark.parametrize("kind", ["tensor", "double", "generator", "list"])
def test_inputs_may_be_tensors_or_batches(kind):
    given = {
        "tensor": ops.convert_to_tensor(X),
        "double": X.astype("float64"),
        "generator": batches(),
        "list": iter([X[:4], X[4:]]),
    }
    found = []
    for x in (X, given[kind]):
        keras.utils.set_random_seed(2)
        found.append(mc_predict(chain(layers.Dropout(0.5)), x, 3).mean)
    np.testing.assert_array_equal(*found)


def test_a_new_rate_takes_effect_in_the_next_call():
    dropout = layers.Dropout(0.5)
    model = keras.Sequential([keras.Input((8,)), dropout])
    ones = np.ones((4, 8))
    assert mc_predict(model, ones, 50, return_samples=True).samples.max() == 2
    dropout.rate = 0.75
    assert mc_predict(model, ones, 50, return_samples=True).samples.max() == 4


class Fails(layers.Layer):
    """Stops a prediction midway, if told."""

    fails = False

    def call(self, inputs):
        if self.fails:
            raise RuntimeError("midway")
        return inputs


def test_after_an_error_the_model_is_as_before():
    failing = Fails()
    model = chain(layers.Dropout(0.5), failing)
    before, plain = state(model), model.predict(X, verbose=0)
    failing.fails = True
    with pytest.raises(RuntimeError, match="midway"):
        mc_predict(model, X, 3)
    failing.fails = False
    same_state(before, state(model))
    np.testing.assert_array_equal(model.predict(X, verbose=0), plain)
    assert (mc_predict(model, X, 3).std > 0).any()


class Meanwhile(layers.Layer):
    """Lets another thread call a layer in the middle of a prediction."""

    other = None

    def call(self, inputs):
        if self.other is not None:
            thread = threading.Thread(target=self.other)
            thread.start()
            thread.join()
        return inputs


def test_other_threads_predict_without_noise():
    dropout, between, seen = layers.Dropout(0.5), Meanwhile(), []
    model = chain(dropout, between)
    between.other = lambda: seen.append(ops.convert_to_numpy(dropout(X)))
    mc_predict(model, X, 3)
    assert seen
    for found in seen:
        np.testing.assert_array_equal(found, X)


def refused(match, model, x=X, *arguments, **options):
    with pytest.raises(ValueError, match=match):
        mc_predict(model, x, *arguments, **options)


def test_rejects_models_that_cannot_be_sampled():
    good = chain(layers.Dropout(0.5))
    refused("must have a layer with dropout", chain(layers.Dense(3)))
    refused("must have a layer with dropout", chain(layers.Dropout(0.0)))
    refused("`samples` must be a positive integer", good, X, 0)
    refused("`samples` must be a positive integer", good, X, 2.5)
    refused("`batch_size` must be a positive integer", good, batch_size=0)
    refused("`same_mask` must be a boolean", good, same_mask="yes")
    refused("must be built", keras.Sequential([layers.Dropout(0.5)]))
    fixed = keras.Input(batch_shape=(6, 8))
    refused("batches of any size", keras.Model(fixed, layers.Dropout(0.5)(fixed)))
    refused("inputs share must come", recurrent(), same_mask=True)
    refused("inputs share must come", attentive(), same_mask=True)
    wrong = chain(layers.Dropout(0.5, noise_shape=(6, 8)))
    refused("inputs share must come", wrong)
    summed = keras.Sequential(
        [keras.Input((8,)), layers.Dropout(0.5), layers.Lambda(ops.sum)]
    )
    refused("a row for each input", summed)


@pytest.mark.parametrize(
    "x", [[], X[:0], "text", 3, np.array(["a"]), [X, X[:2]], [[1.0, 2.0]], iter([])]
)
def test_rejects_invalid_inputs(x):
    refused("`x` must be an array of numbers", chain(layers.Dropout(0.5)), x)


LABELED_RANDOM = np.random.default_rng(0)
ROWS = LABELED_RANDOM.normal(size=(40, 8)).astype("float32")
LABELS = LABELED_RANDOM.integers(0, 3, 40)


def classifier(*middle, last=None):
    """Return a net that ends in logits, unless `last` says otherwise."""
    return chain(*middle, last=last)


def test_weight_scaling_equals_predict_with_and_without_dropout():
    for middle in ([layers.Dropout(0.5)], []):
        model = classifier(
            layers.Dense(5, "relu"), *middle, layers.BatchNormalization()
        )
        expected = model.predict(ROWS, verbose=0)
        found = weight_scaling_predict(model, ROWS, batch_size=7)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_weight_scaling_equals_multiplied_weights():
    model = classifier(
        layers.Dropout(0.25), layers.Dense(5, "relu"), layers.Dropout(0.5)
    )
    first, last = (layer for layer in model.layers if layer.weights)
    # Dropout that is not inverted trains weights that are smaller by 1 - rate.
    (w, b), (v, c) = first.get_weights(), last.get_weights()
    w, v = w / 0.75, v / 0.5
    expected = np.maximum(ROWS @ (0.75 * w) + b, 0) @ (0.5 * v) + c
    np.testing.assert_allclose(weight_scaling_predict(model, ROWS), expected, atol=1e-5)


def test_layers_that_are_always_on_are_off_only_during_the_call():
    dropout = MCDropout(0.5)
    model = classifier(dropout, RReLU(0.1, 0.9, inference="sample"))
    same = classifier(RReLU(0.1, 0.9))
    same.set_weights(model.get_weights())
    expected = same.predict(ROWS, verbose=0)
    for _ in range(2):
        found = weight_scaling_predict(model, ROWS)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert dropout.active == "always" and "call" not in vars(dropout)
    assert (mc_predict(model, ROWS, 3).std > 0).any()


def test_logits_become_probabilities():
    model = classifier(layers.Dropout(0.5))
    odds = np.exp(model.predict(ROWS, verbose=0))
    found = weight_scaling_predict(model, ROWS, from_logits=True)
    np.testing.assert_allclose(found, odds / odds.sum(-1, keepdims=True), atol=1e-6)


def test_the_comparison_follows_its_definitions():
    model = classifier(layers.Dropout(0.5, seed=1), last="softmax")
    twin = classifier(layers.Dropout(0.5, seed=1), last="softmax")
    twin.set_weights(model.get_weights())
    found = compare_dropout_inference(model, ROWS, LABELS, [2, 7])
    one = model.predict(ROWS, verbose=0)
    p = mc_predict(twin, ROWS, 7, return_samples=True).samples
    assert list(found.monte_carlo) == [2, 7]
    rows = [(found.weight_scaling, one), (found.monte_carlo[2], p[:2].mean(0))]
    for score, mean in [*rows, (found.monte_carlo[7], p.mean(0))]:
        assert score.accuracy == np.mean(mean.argmax(-1) == LABELS)
        nll = -np.log(mean[np.arange(40), LABELS]).mean()
        assert score.nll == pytest.approx(nll, rel=1e-4)
    centered = [np.log(q) - np.log(q).mean(-1, keepdims=True) for q in (one, p)]
    off = centered[1].mean(0) - centered[0]
    gap = np.sqrt(np.mean(off**2) / np.mean(centered[0] ** 2))
    assert found.monte_carlo[7].gap == pytest.approx(gap, rel=1e-4)
    assert found.weight_scaling.gap == 0


def test_labels_may_be_integers_columns_or_one_hot():
    found = []
    for y in (LABELS, LABELS[:, None], np.eye(3)[LABELS]):
        keras.utils.set_random_seed(0)
        model = classifier(layers.Dropout(0.5))
        found.append(compare_dropout_inference(model, ROWS, y, 3, from_logits=True))
    assert found[0] == found[1] == found[2]


def test_one_output_unit_means_two_classes():
    head = [layers.Dropout(0.5), layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((8,)), *head])
    found = compare_dropout_inference(model, ROWS, LABELS > 0, 4)
    right = (model.predict(ROWS, verbose=0)[:, 0] > 0.5) == (LABELS > 0)
    assert found.weight_scaling.accuracy == right.mean()


def test_the_gap_of_a_linear_network_falls_with_the_root_of_the_samples():
    model = classifier(layers.Dense(30), layers.Dropout(0.5))
    counts = [10, 1000]
    found = compare_dropout_inference(model, ROWS, LABELS, counts, from_logits=True)
    few, many = (found.monte_carlo[count].gap for count in counts)
    assert 5 < few / many < 20


@pytest.mark.parametrize(
    "y, samples, match",
    [
        (LABELS[:-1], 3, "must be 40 labels"),
        (LABELS + 1, 3, "must be 40 labels"),
        (LABELS - 1, 3, "must be 40 labels"),
        (LABELS + 0.5, 3, "must be 40 labels"),
        (LABELS, [], "at least one"),
        (LABELS, [3, 0], "positive integer"),
        (LABELS, 1.5, "positive integer"),
    ],
)
def test_rejects_labels_and_numbers_that_do_not_fit(y, samples, match):
    model = classifier(layers.Dropout(0.5))
    with pytest.raises(ValueError, match=match):
        compare_dropout_inference(model, ROWS, y, samples, from_logits=True)


@pytest.mark.any_backend
def test_probabilities_are_floats_that_sum_to_one_for_each_of_several_samples():
    one = np.full((2, 3, 4), 0.25)
    assert are_probabilities(one) and are_probabilities(one[..., :1])
    negative = one - np.array([0.5, -0.5, 0, 0])
    for other in (
        one[0],
        np.ones((2, 3, 1), "int32"),
        negative,
        2 * one,
        5 * one[..., :1],
    ):
        assert not are_probabilities(other)


def test_rejects_outputs_that_are_no_probabilities():
    with pytest.raises(ValueError, match="one output of class probabilities"):
        compare_dropout_inference(classifier(layers.Dropout(0.5)), ROWS, LABELS)
    with pytest.raises(ValueError, match="must be built"):
        weight_scaling_predict(keras.Sequential([layers.Dense(2)]), ROWS)
