"""Configs: what a file of a model says is taken, or refused, and never executed."""

import inspect
import itertools
import json
import os

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcomponents import constraints, initializers, layers, regularizers
from tests.fuzz.hostile import anything, nested, plain, text, tries
from tests.fuzz.parts import LEFT_OUT_OF
from tests.fuzz.refusing import refusal
from tests.test_public import CLASSES, KINDS, NEEDED, ids

# What Keras reads for all layers, with errors of its own.
OF_KERAS = {"name", "trainable", "dtype"} | LEFT_OUT_OF["layers"]
SHAPES = {
    "MCSpatialDropout1D": (6, 4),
    "MCSpatialDropout2D": (6, 6, 4),
    "MCSpatialDropout3D": (4, 4, 4, 4),
    "MaxoutConv1D": (6, 4),
    "MaxoutConv2D": (6, 6, 4),
    "MaxoutConv3D": (4, 4, 4, 4),
    "PreActivationResidual": (6, 6, 4),
}
# What a config must not be able to call: each would leave a file or a folder.
HARMFUL = [
    {"module": "os", "class_name": "mkdir", "config": {"path": "made"}},
    {"module": "os", "class_name": "system", "config": {"command": "touch made"}},
    {"module": "builtins", "class_name": "eval", "config": "open('made', 'w')"},
    {"module": "builtins", "class_name": "open", "config": {"file": "made"}},
    {"module": "builtins", "class_name": "function", "config": "os.mkdir"},
    {"module": "pathlib", "class_name": "Path.mkdir", "config": "made"},
    {"class_name": "__lambda__", "config": {"value": "open('made', 'w')"}},
    {"class_name": "Lambda", "config": {"function": "lambda: open('made', 'w')"}},
    {"module": "subprocess", "class_name": "Popen", "config": {"args": "touch made"}},
]


def of(pair):
    """Return an instance of a class with the arguments that it needs."""
    return getattr(*pair)(**NEEDED.get(pair[1], {}))


def values():
    """Return a strategy of what a file can hold in the place of a value."""
    of_keras = st.sampled_from([of(pair) for pair in CLASSES])
    serialized = of_keras.map(keras.saving.serialize_keras_object)
    deep = st.sampled_from([nested(list, 50), nested(dict, 50), *HARMFUL])
    return st.one_of(plain(), deep, serialized)


def same(cls, config):
    """Return the config of what is made of a config, and of what is made of that."""
    first = cls.from_config(config).get_config()
    second = cls.from_config(json.loads(json.dumps(first))).get_config()
    assert json.dumps(second, sort_keys=True) == json.dumps(first, sort_keys=True)
    return first


@pytest.mark.any_backend
@pytest.mark.parametrize("pair", CLASSES, ids=ids)
@tries(12)
@given(data=st.data())
def test_a_config_with_a_hostile_value_is_the_same_or_refused(pair, data):
    cls, config = getattr(*pair), of(pair).get_config()
    name = data.draw(st.sampled_from(sorted(config.keys() - OF_KERAS) or ["nothing"]))
    changed = {**config, name: data.draw(values())}
    found = []
    if refusal(lambda: found.append(same(cls, changed)), names=[name]) is None:
        assert found[0].keys() == config.keys()
        others = config.keys() - {name}
        assert {key: found[0][key] for key in others} == {k: config[k] for k in others}


@pytest.mark.any_backend
@pytest.mark.parametrize("pair", CLASSES, ids=ids)
def test_a_config_without_a_key_means_its_default_or_is_refused(pair):
    cls, config = getattr(*pair), of(pair).get_config()
    needed = NEEDED.get(pair[1], {})
    for name in config.keys() - OF_KERAS:
        fewer = {key: value for key, value in config.items() if key != name}
        found = []
        error = refusal(lambda c=fewer, f=found: f.append(same(cls, c)))
        assert (error is not None) == (name in needed)
        assert error or found[0].keys() == config.keys()


@pytest.mark.any_backend
@pytest.mark.parametrize("pair", CLASSES, ids=ids)
@tries(5)
@given(name=text(), hostile=anything())
def test_a_config_with_an_unknown_key_is_refused(pair, name, hostile):
    cls, config = getattr(*pair), of(pair).get_config()
    known = {*config, *inspect.signature(keras.layers.Layer).parameters}
    if name not in known:
        changed = {**config, name: hostile.value}
        assert refusal(lambda: cls.from_config(changed)) is not None


@pytest.mark.any_backend
@pytest.mark.parametrize("pair", CLASSES, ids=ids)
def test_a_config_executes_nothing(pair):
    cls, config = getattr(*pair), of(pair).get_config()
    registered = {"module": None, "registered_name": f"kcomponents>{pair[1]}"}
    for name, harm in itertools.product(config.keys() - OF_KERAS, HARMFUL):
        for value in (harm, [harm], {"class_name": pair[1], "config": {name: harm}}):
            changed = {**config, name: value}
            refusal(lambda c=changed: cls.from_config(c))
            whole = {**registered, "class_name": pair[1], "config": changed}
            refusal(lambda w=whole: keras.saving.deserialize_keras_object(w))
    assert os.listdir() == []


def read_back(layer, shape, folder):
    """Save a model of one layer, load it in safe mode, and return both layers."""
    model = keras.Sequential([keras.Input(shape), layer])
    path = str(folder / "model.keras")
    model.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True)
    for one, other in zip(model.weights, loaded.weights, strict=True):
        one, other = map(keras.ops.convert_to_numpy, (one, other))
        np.testing.assert_array_equal(one, other)
    return model.layers[0], loaded.layers[0]


def held_by(pair):
    """Return one of our own for each argument of a layer that takes such a thing."""
    parts = 1 if pair[1] == "PReLU" else 2
    made = {
        "initializer": initializers.Blocked("ones", parts),
        "regularizer": regularizers.L1L2(1e-3, 1e-4),
        "constraint": constraints.MaxNorm(2.0),
    }
    names = inspect.signature(getattr(*pair)).parameters
    kinds = {name: name.rpartition("_")[2] for name in names}
    return {name: made[kind] for name, kind in kinds.items() if kind in made}


@pytest.mark.filterwarnings("ignore:All pieces of a maxout unit")
@pytest.mark.parametrize("pair", [p for p in CLASSES if p[0] is layers], ids=ids)
def test_a_layer_is_loaded_in_safe_mode_with_all_it_holds(pair, tmp_path):
    held = held_by(pair)
    layer = getattr(*pair)(**{**held, **NEEDED.get(pair[1], {})})
    first, second = read_back(layer, SHAPES.get(pair[1], (4,)), tmp_path)
    assert type(second) is getattr(*pair)
    assert second.get_config() == first.get_config()
    for name, value in held.items():
        assert type(getattr(second, name)) is type(value)


@pytest.mark.parametrize("pair", [p for p in CLASSES if p[0] is not layers], ids=ids)
def test_what_a_layer_of_keras_holds_is_loaded_in_safe_mode(pair, tmp_path):
    kind = next(k for k, m in KINDS.items() if m is pair[0]).__name__.lower()
    arguments = {f"kernel_{kind}": of(pair)}
    if pair[1] == "ConvIdentity":
        layer, shape = keras.layers.Conv1D(4, 3, **arguments), (6, 4)
    else:
        layer, shape = keras.layers.Dense(4, **arguments), (4,)
    first, second = read_back(layer, shape, tmp_path)
    assert type(getattr(second, f"kernel_{kind}")) is getattr(*pair)
    assert second.get_config() == first.get_config()
