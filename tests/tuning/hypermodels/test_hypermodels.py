"""Ready hypermodels: every choice builds, all of one size, compiled for their task."""

import keras
import keras_tuner
import numpy as np
import pytest

from kcomponents import tuning
from kcomponents.initializers import IRNN
from kcomponents.tuning._space_walk import explore
from kcomponents.tuning.hypermodels.conv import ConvHyperModel
from kcomponents.tuning.hypermodels.dense import DenseHyperModel
from kcomponents.tuning.hypermodels.recurrent import RecurrentHyperModel

SMALL = {"depth": (1, 2), "units": (8,), "optimizer": ("sgd",), "momentum": None}
# What is left to choose is built in a few models, for compiling takes its time.
FEW = {**SMALL, "l1": None, "normalization": ("none", "batch")}
ONLY = {**FEW, "l2": None, "activation": ("relu", "maxout:2")}
CELLS = {"cell": ("simple_rnn", "irnn"), "clipping": None, "l2": None}
RANDOM = np.random.default_rng(0)


def built(hypermodel, **values):
    hp = keras_tuner.HyperParameters()
    hp.values = {name.replace("__", "/"): value for name, value in values.items()}
    model = hypermodel.build(hp)
    known = {registered.name for registered in hp.space if hp.is_active(registered)}
    assert hp.values.keys() <= known
    return model


@pytest.mark.parametrize(
    "hypermodel",
    [
        DenseHyperModel((8, 8), 10, units=(32,), depth=3),
        ConvHyperModel((8, 8, 3), 10, units=(16,), depth=3),
        ConvHyperModel((16, 4), 2, units=(32,), depth=1),
    ],
    ids=["dense", "conv2d", "conv1d"],
)
def test_a_maxout_model_has_the_weights_of_the_model_with_relu(hypermodel):
    plain = built(hypermodel).count_params()
    for pieces in (2, 3, 4):
        values = {"activation": "maxout", "activation__pieces": pieces}
        maxout = built(hypermodel, **values).count_params()
        assert maxout == pytest.approx(plain, rel=0.04)


@pytest.mark.parametrize(
    "hypermodel, shape",
    [
        (DenseHyperModel((5,), 3, activation=("relu", "prelu"), **FEW), (5,)),
        (ConvHyperModel((6, 6, 2), 3, kernel_size=3, **ONLY), (6, 6, 2)),
        (ConvHyperModel((6, 2), 3, kernel_size=3, **ONLY), (6, 2)),
        (RecurrentHyperModel((4, 2), 3, **CELLS, **FEW), (4, 2)),
    ],
    ids=["dense", "conv2d", "conv1d", "recurrent"],
)
def test_every_branch_trains(hypermodel, shape):
    x = RANDOM.normal(size=(4, *shape)).astype("float32")
    tried = tuning.validate(hypermodel, x, np.array([0, 1, 2, 0]))
    assert tried[0]["dropout"] == 0 and tried[0]["normalization"] == "none"


@pytest.mark.any_backend
def test_a_search_begins_with_the_plain_model():
    model = DenseHyperModel((5,), 3).build(keras_tuner.HyperParameters())
    kinds = [type(layer).__name__ for layer in model.layers]
    block = ["Dense", "Activation", "Dropout"]
    assert kinds == ["InputLayer", *block, *block, "Dense"]
    assert not model.losses and isinstance(model.optimizer, keras.optimizers.Adam)
    assert model.layers[-1].activation is keras.activations.linear


def test_a_classifier_gives_logits_and_a_regression_numbers():
    x = RANDOM.normal(size=(4, 5)).astype("float32")
    model = built(DenseHyperModel((5,), 3, **SMALL))
    assert model.loss.get_config()["from_logits"]
    assert "accuracy" in model.evaluate(x, np.zeros(4), verbose=0, return_dict=True)
    model = built(DenseHyperModel((5,), 2, "regression", **SMALL))
    y = np.zeros((4, 2), "float32")
    told = model.evaluate(x, y, verbose=0, return_dict=True)
    predicted = model.predict(x, verbose=0)
    assert told["loss"] == pytest.approx(np.mean(predicted**2), rel=1e-5)


def test_normalization_stands_before_the_activation_and_dropout_behind():
    hypermodel = DenseHyperModel((5,), 3, **SMALL)
    model = built(hypermodel, depth=1, normalization="batch", activation="prelu")
    kinds = [type(layer).__name__ for layer in model.layers][1:]
    assert kinds == ["Dense", "BatchNormalization", "PReLU", "Dropout", "Dense"]


def test_every_hidden_kernel_has_the_penalty_and_no_other_weight():
    hypermodel = DenseHyperModel((5,), 3, **SMALL)
    values = {"regularizer": "l2", "activation": "prelu", "depth": 2}
    model = built(hypermodel, **values)
    carrying = [w.path.split("/")[-1] for w in model.weights if w.regularizer]
    assert carrying == ["kernel", "kernel"] and len(model.losses) == 2


def test_only_kernels_decay():
    hypermodel = DenseHyperModel((5,), 3, **SMALL, weight_decay=(0.1, 0.2))
    values = {"optimizer__decay": True, "activation": "prelu", "depth": 1}
    model = built(hypermodel, **values)
    before = [np.copy(weight) for weight in model.get_weights()]
    weights = model.trainable_weights
    model.optimizer.apply([keras.ops.zeros(w.shape) for w in weights], weights)
    changed = [
        weight.path.split("/")[-1]
        for weight, old, new in zip(
            model.weights, before, model.get_weights(), strict=True
        )
        if not np.array_equal(old, new)
    ]
    assert changed == ["kernel", "kernel"]


def test_an_irnn_begins_by_copying_its_state():
    model = built(RecurrentHyperModel((4, 2), 3, **SMALL), cell="irnn")
    [cell] = [la for la in model.layers if isinstance(la, keras.layers.SimpleRNN)]
    assert isinstance(cell.recurrent_initializer, IRNN)
    assert cell.activation is keras.activations.relu


def test_the_state_of_other_cells_chooses_its_activation():
    model = built(
        RecurrentHyperModel((4, 2), 3, **SMALL), cell="gru", activation="relu"
    )
    assert model.layers[1].activation is keras.activations.relu
    with pytest.raises(ValueError, match="functions, not layers"):
        RecurrentHyperModel((4, 2), 3, activation=("prelu",))
    only = RecurrentHyperModel((4, 2), 3, cell="irnn")
    assert "activation" not in explore(only).values


@pytest.mark.any_backend
def test_sizes_may_be_open():
    sequences = built(RecurrentHyperModel((None, 2), 3, **SMALL))
    assert sequences.output_shape == (None, 3)
    images = built(ConvHyperModel((None, None, 2), 3, **SMALL), activation="prelu")
    assert images.output_shape == (None, 3)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "make",
    [
        lambda: DenseHyperModel((5,), 0),
        lambda: DenseHyperModel((5,), 3, "ranking"),
        lambda: DenseHyperModel((5,), 3, depth=(3, 1)),
        lambda: DenseHyperModel((5,), 3, depth=(1, 2, 3)),
        lambda: DenseHyperModel((5,), 3, units=()),
        lambda: ConvHyperModel((5,), 3),
        lambda: ConvHyperModel((5, 5, 1), 3, kernel_size=0),
        lambda: RecurrentHyperModel((5,), 3),
        lambda: RecurrentHyperModel((5, 2), 3, cell=("lstms",)),
        lambda: DenseHyperModel((5,), 3, activation=("rleu",)),
        lambda: DenseHyperModel((5,), 3, max_dropout=1.0),
        lambda: DenseHyperModel((5,), 3, optimizer=()),
        lambda: DenseHyperModel((5,), 3, l1=(1, 0)),
    ],
)
def test_a_wrong_argument_is_refused(make):
    with pytest.raises(ValueError, match="Received"):
        make()
