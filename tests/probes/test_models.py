"""For each kind of model, a probe measures the same as a handwritten loop."""

import contextlib

import keras
import numpy as np
import pytest

from kcomponents.probes import Probe, Statistic
from tests.probes.reading import Reader, expected_of, near
from tests.probes.replay import models, steps

BACKEND = keras.backend.backend()
# Site → name of the layer that the loop by hand watches, and the axis of units.
WATCHED = {
    "sequential": {"sequential/first": "first", "sequential/second": "second"},
    "functional": {"convolution": "convolution", "reader": "reader", "color": "color"},
    "subclassed": {
        "subclassed/hidden_0": "hidden_0",
        "subclassed/hidden_1": "hidden_1",
    },
    "nested": {
        "first": "first",
        "inner/inner_first": "inner_first",
        "inner/inner_second": "inner_second",
    },
    "shared": {"twice": "twice"},
    "time_distributed": {
        "time_distributed/each": "each",
        "time_distributed/recurrent": "recurrent",
    },
    "bidirectional": {"bidirectional/both_ways": "both_ways"},
    "activations": {
        "activations/activation": "activation",
        "activations/second": "second",
        "activations/relu": "relu",
    },
    "embedding": {},
    "custom_train_step": {"first": "first"},
}


def all_layers(model):
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def compiled(name):
    model, x, y = models[name]()
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=BACKEND == "jax")
    return model, x, y


@pytest.mark.parametrize("name", models)
def test_readings_equal_a_loop_by_hand(name):
    model, x, y = compiled(name)
    batches = [
        keras.tree.map_structure(lambda a, i=i: a[i : i + 4], (x, y)) for i in (0, 4)
    ]
    by_name = {layer.name: layer for layer in all_layers(model)}
    watch = [by_name[layer] for layer in WATCHED[name].values()]
    replayed = steps(model, batches, watch=watch)

    model, x, y = compiled(name)
    reader = Reader()
    # The Keras guide for JAX computes the loss outside of a stateless scope.
    unseen = name == "custom_train_step" and BACKEND == "jax"
    warning = pytest.warns(UserWarning, match="loss of this model cannot be measured")
    with warning if unseen else contextlib.nullcontext():
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[reader])
    for statistic, expected in expected_of(replayed).items():
        assert reader.values[statistic].keys() >= expected.keys(), statistic
        # A change of weights is a difference of near numbers in float32.
        loose = {"rtol": 1e-3, "atol": 1e-9} if statistic == "moved" else {}
        near(reader.values[statistic], expected, statistic, **loose)
    losses = 0.0 if unseen else sum(step.loss for step in replayed)
    near(reader.values["losses"], {"all": losses}, "losses")
    assert reader.values["batches"]["all"] == (0 if unseen else 2)

    plain = {site for site, w in reader.sites.items() if w.activation != "linear"}
    assert plain == WATCHED[name].keys()
    for site, layer in WATCHED[name].items():
        # A layer used twice has given twice as many outputs.
        outputs = [o for step in replayed for o in step.outputs[layer]]
        flat = np.concatenate([o.reshape(-1, o.shape[-1]) for o in outputs])
        highest = {site: np.maximum(flat.max(0), 0)}
        near(reader.values["highest"], highest, "highest")
        near(reader.values["sums"], {site: flat.sum(0)}, "sums", atol=1e-5)


def test_layers_that_give_the_output_of_the_model_are_known():
    model, x, y = compiled("functional")
    reader = Reader()
    model.fit(x, y, verbose=0, callbacks=[reader])
    assert reader.last_layers == {"height", "color"}


def test_a_probe_finds_the_shapes_of_outputs_in_one_call_of_the_model():
    calls = []

    class Counted(keras.layers.Layer):
        def call(self, inputs):
            calls.append(inputs)
            return inputs

    layers = [Counted(), keras.layers.Dense(3, "relu")]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile("sgd", "mse")
    probe = Probe(Statistic("sum", "outputs", lambda v: keras.ops.sum(v.outputs)))
    calls.clear()
    probe.attach(model)
    assert len(calls) == 1
    probe.detach()


def test_a_layer_without_weights_has_a_site_for_each_call():
    inputs = keras.Input((3,))
    relu = keras.layers.ReLU(name="relu")
    hidden = relu(keras.layers.Dense(4)(inputs))
    model = keras.Model(
        inputs, keras.layers.Dense(1)(relu(keras.layers.Dense(2)(hidden)))
    )
    model.compile("sgd", "mse", jit_compile=BACKEND == "jax")
    reader = Reader()
    model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0, callbacks=[reader])
    sizes = {site: len(units) for site, units in reader.values["sums"].items()}
    assert sizes["relu"] == 4 and sizes["relu:2"] == 2


def test_two_models_that_share_a_layer_do_not_mix():
    shared = keras.layers.Dense(3, "relu", name="shared")
    first, second = (
        keras.Sequential([keras.Input((2,)), shared, keras.layers.Dense(1)])
        for _ in range(2)
    )
    for model in (first, second):
        model.compile("sgd", "mse", jit_compile=BACKEND == "jax")

    class Other(keras.callbacks.Callback):
        """Trains the second model while the first one is training."""

        def on_epoch_begin(self, epoch, logs=None):
            second.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0)

    reader = Reader()
    x, y = np.ones((4, 2)), np.ones((4, 1))
    first.fit(x, y, batch_size=2, verbose=0, callbacks=[reader, Other()])
    assert reader.values["batches"]["all"] == reader.values["steps"]["all"] == 2


def test_variables_of_one_path_are_told_apart():
    branches = []
    for name in ("left", "right"):
        inputs = keras.Input((2,))
        outputs = keras.layers.Dense(1, name="dense")(inputs)
        branches.append(keras.Model(inputs, outputs, name=name))
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.add([b(inputs) for b in branches]))
    model.compile("sgd", "mse", jit_compile=BACKEND == "jax")
    reader = Reader()
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[reader])
    assert len(reader.values["squares"]) == 4


class TwoNets(keras.Model):
    """Is never called itself: its `train_step` would call its two networks."""

    def __init__(self):
        super().__init__()
        self.maker, self.judge = (
            keras.Sequential(
                [keras.Input((3,)), keras.layers.Dense(4, "relu", name=name)]
            )
            for name in ("make", "judge")
        )


def test_the_networks_of_a_model_that_is_never_called_have_sites():
    probe = Probe(Statistic("mean", "outputs", lambda v: keras.ops.mean(v.outputs)))
    model = TwoNets()
    model.compile("sgd")
    probe.attach(model)
    assert [site.rpartition("/")[2] for site in probe.sites] == ["make", "judge"]
    probe.detach()


class OfNoShape(TwoNets):
    """Keras calls it built, and knows no shape of its inputs."""

    def __init__(self):
        super().__init__()
        self.built = True

    def get_build_config(self):
        return {"input_shape": None}


def test_a_model_of_no_known_shape_still_trains_under_a_probe():
    probe = Probe(Statistic("mean", "outputs", lambda v: keras.ops.mean(v.outputs)))
    model = OfNoShape()
    model.compile("sgd")
    probe.attach(model)
    assert [site.rpartition("/")[2] for site in probe.sites] == ["make", "judge"]
    probe.detach()
