"""exclude_from_decay: only the selected weights decay in training."""

import keras
import numpy as np
import pytest
from keras import layers

from kcomponents.regularizers import exclude_from_decay

X = np.ones((8, 2), "int32")


def make():
    parts = [
        layers.Embedding(3, 4),
        layers.Dense(4),
        layers.LayerNormalization(),
        layers.PReLU(),
        layers.Flatten(),
        layers.Dense(1),
    ]
    model = keras.Sequential([keras.Input((2,), dtype="int32"), *parts])
    model.set_weights([w + 1 for w in model.get_weights()])
    return model


def decaying(model):
    """Name the weights that a step without any gradient makes smaller."""
    before = model.get_weights()
    model.fit(X, np.zeros((8, 1)), batch_size=8, verbose=0)
    pairs = zip(model.weights, before, model.get_weights(), strict=True)
    return [w.name for w, a, b in pairs if np.abs(b).sum() < 0.99 * np.abs(a).sum()]


def no_loss(true, found):
    return 0 * found


KERNELS = ["kernel", "kernel"]
WITHOUT_EMBEDDINGS = [*KERNELS[:1], "bias", "gamma", "beta", "alpha", "kernel", "bias"]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("moment", ["before compile", "unbuilt", "built", "fitted"])
def test_only_kernels_decay(moment, policy):
    keras.config.set_dtype_policy(policy)
    model = make()
    optimizer = keras.optimizers.SGD(0.5, weight_decay=0.2)
    if moment == "before compile":
        exclude_from_decay(optimizer, model)
    model.compile(optimizer, no_loss)
    if moment == "built":
        model.optimizer.build(model.trainable_variables)
    if moment == "fitted":
        assert decaying(model) == ["embeddings", *WITHOUT_EMBEDDINGS]
    if moment != "before compile":
        exclude_from_decay(model.optimizer, model)
    assert decaying(model) == KERNELS


@pytest.mark.parametrize("optimizer", ["AdamW", "Lion", "RMSprop"])
def test_other_optimizers_exclude_weights_too(optimizer):
    model = make()
    make_optimizer = getattr(keras.optimizers, optimizer)
    model.compile(make_optimizer(0.5, weight_decay=0.2), no_loss)
    exclude_from_decay(model.optimizer, model)
    assert decaying(model) == KERNELS


def test_keep_selects_what_decays_and_the_last_call_counts():
    model = make()
    model.compile(keras.optimizers.SGD(0.5, weight_decay=0.2), no_loss)
    exclude_from_decay(model.optimizer, model, keep="slopes")
    assert decaying(model) == ["alpha"]
    paths = exclude_from_decay(model.optimizer, model, keep=["kernels", "embeddings"])
    assert decaying(model) == ["embeddings", *KERNELS]
    assert [path.split("/")[-1] for path in paths] == WITHOUT_EMBEDDINGS[1:5] + ["bias"]


def test_excluded_weights_train_as_without_decay():
    found = []
    for decay in (0.0, 0.5):
        model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
        model.compile(keras.optimizers.AdamW(0.05, weight_decay=decay), "mse")
        exclude_from_decay(model.optimizer, model)
        model.fit(np.zeros((8, 3)), np.ones((8, 2)), epochs=3, verbose=0)
        found.append(model.layers[0].bias.numpy())
    assert found[0].any()
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    "optimizer, message",
    [
        (keras.optimizers.SGD(), "must have weight decay"),
        (
            keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
            "must have weight decay",
        ),
        ("adamw", "must be a Keras optimizer"),
        (None, "must be a Keras optimizer"),
    ],
)
def test_rejects_optimizers_without_decay(optimizer, message):
    with pytest.raises(ValueError, match=message):
        exclude_from_decay(optimizer, make())


def test_rejects_an_unbuilt_model_and_a_rule_that_matches_nothing():
    optimizer = keras.optimizers.AdamW()
    with pytest.raises(ValueError, match="must be built"):
        exclude_from_decay(optimizer, keras.Sequential([layers.Dense(2)]))
    with pytest.raises(ValueError, match="`keep` matches no weight.*'kernels'"):
        exclude_from_decay(optimizer, make(), keep="kernals")
    frozen = make()
    frozen.trainable = False
    with pytest.raises(ValueError, match="match a trainable weight"):
        exclude_from_decay(optimizer, frozen)
