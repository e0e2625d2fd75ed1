"""What a search may choose: registered, conditional, fresh, with a plain beginning."""

import itertools
import math

import keras
import keras_tuner
import numpy as np
import pytest

from kcomponents import tuning
from kcomponents.initializers import recommended_for
from kcomponents.layers import MaxoutConv2D, MaxoutDense, PReLU
from kcomponents.tuning._choice_arguments import equal_widths
from kcomponents.tuning._space_walk import configurations, explore
from kcomponents.tuning.activation import CHOICES

pytestmark = pytest.mark.any_backend


def space(**values):
    hp = keras_tuner.HyperParameters()
    hp.values = {name.replace("__", "/"): value for name, value in values.items()}
    return hp


def names(hp):
    return [registered.name for registered in hp.space]


# activation


def test_the_plain_activation_is_the_first_of_a_search():
    assert tuning.activation(space(), choices=["elu", "relu"]).identifier == "relu"
    assert tuning.activation(space(), choices=["elu", "gelu"]).name == "elu"


def test_children_are_there_for_their_activation_alone():
    hp = space(activation="elu")
    assert tuning.activation(hp).identifier == "elu:1.0"
    assert hp.values == {"activation": "elu", "activation/alpha": 1.0}
    children = "negative_slope", "alpha", "shared", "pieces"
    assert names(hp) == ["activation", *(f"activation/{child}" for child in children)]


def test_a_parameter_in_the_name_leaves_nothing_to_choose():
    hp = space()
    assert tuning.activation(hp, choices=["maxout:3"]).pieces == 3
    assert names(hp) == ["activation"]


def test_what_a_child_says_reaches_the_layer():
    slope = tuning.activation(
        space(activation="leaky_relu", activation__negative_slope=0.05)
    )
    assert slope.layer().negative_slope == pytest.approx(0.05)
    alpha = tuning.activation(space(activation="elu", activation__alpha=0.5))
    assert alpha.layer().alpha == 0.5
    pieces = tuning.activation(space(activation="maxout", activation__pieces=4))
    assert pieces.layer().num_pieces == 4


@pytest.mark.parametrize("shape", [(2, 5), (2, 6, 5), (2, 6, 6, 5)])
def test_a_shared_prelu_has_one_slope_and_another_one_per_channel(shape):
    for shared, count in [(True, 1), (False, 5)]:
        hp = space(activation="prelu", activation__shared=shared)
        layer = tuning.activation(hp).layer(len(shape))
        layer.build(shape)
        assert math.prod(layer.alpha.shape) == count
        assert layer.alpha_regularizer is None


def test_every_layer_and_initializer_is_a_fresh_one():
    for name in CHOICES:
        hidden = tuning.activation(space(activation=name))
        assert hidden.layer() is not hidden.layer()
        assert hidden.kernel_initializer() is not hidden.kernel_initializer()
        first, second = hidden.dense(4), hidden.dense(4)
        assert not {*map(id, first)} & {*map(id, second)}


@pytest.mark.parametrize("name", ["selu", "gelu", "maxout", "tanh"])
def test_kernels_start_as_suits_the_activation(name):
    hidden = tuning.activation(space(), choices=[name])
    expected = recommended_for(hidden.identifier).get_config()
    assert hidden.dense(4)[0].kernel_initializer.get_config() == expected


def test_an_activation_of_which_nothing_is_known_starts_as_keras_does():
    hidden = tuning.activation(space(), choices=["exponential"])
    kind = keras.initializers.GlorotUniform
    assert isinstance(hidden.kernel_initializer(), kind)


def test_none_is_linear():
    hidden = tuning.activation(space(), choices=["none"])
    x = np.array([[-1.0, 2.0]], "float32")
    np.testing.assert_array_equal(hidden.layer()(x), x)


@pytest.mark.parametrize("name", CHOICES)
def test_layers_are_splatted_or_called_alike(name):
    hidden = tuning.activation(space(activation=name))
    x = keras.Input((8, 8, 2))
    pair = hidden.conv2d(6, 3, padding="same")
    assert pair(x).shape[:3] == (None, 8, 8)
    model = keras.Sequential([keras.Input((4,)), *hidden.dense(6), *hidden.dense(6)])
    assert model.output_shape[0] is None and len(model.output_shape) == 2
    assert hidden.conv1d(6, 3)(keras.Input((8, 2))).shape[1] == 6


def test_arguments_go_to_the_layer():
    hidden = tuning.activation(space())
    linear, _ = hidden.dense(4, use_bias=False, kernel_initializer="zeros")
    assert not linear.use_bias
    assert isinstance(linear.kernel_initializer, keras.initializers.Zeros)
    with pytest.raises(ValueError, match="activation"):
        hidden.dense(4, activation="relu")


def test_dropout_of_selu_keeps_its_moments_and_rate_0_keeps_its_layer():
    kinds = {"selu": keras.layers.AlphaDropout, "relu": keras.layers.Dropout}
    for name, kind in kinds.items():
        layer = tuning.activation(space(activation=name)).dropout(0.0)
        assert type(layer) is kind and layer.rate == 0


@pytest.mark.parametrize("choices", [[], ["rleu"], ["maxout:0"], [3]])
def test_a_space_without_a_choice_or_of_unknown_ones_is_refused(choices):
    with pytest.raises(ValueError, match="choice|unknown|invalid|strings"):
        tuning.activation(space(), choices=choices)


# the width of a maxout


@pytest.mark.parametrize("pieces", [2, 3, 4])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_width_of_a_maxout_solves_its_equation(pieces, depth):
    hidden = tuning.activation(space(), choices=[f"maxout:{pieces}"])
    units, fan_in, fan_out = 500, 300, 200

    def cost(pieces, width):
        inner = (depth - 1) * pieces * (width + 1) * width
        return pieces * (fan_in + 1) * width + inner + width * fan_out

    width = hidden.width(units, fan_in, fan_out, depth)
    costs = cost(pieces, width - 1), cost(pieces, width + 1)
    assert costs[0] < cost(1, units) < costs[1]


def test_in_a_deep_net_of_equal_widths_the_width_falls_with_the_root():
    hidden = tuning.activation(space(), choices=["maxout:4"])
    assert hidden.width(64) == 32
    assert hidden.width(64, 10, 10, depth=1000) == 32
    [layer] = hidden.dense(64)
    assert isinstance(layer, MaxoutDense) and layer.units == 32
    assert isinstance(hidden.conv2d(64, 3)[0], MaxoutConv2D)
    with pytest.raises(ValueError, match="Pass both `fan_in`"):
        hidden.dense(64, fan_in=3)


def test_other_activations_keep_their_width():
    hidden = tuning.activation(space(activation="prelu"))
    assert hidden.dense(7, fan_in=3, fan_out=9)[0].units == 7
    assert isinstance(hidden.dense(7)[1], PReLU)
    assert equal_widths([3, 4], lambda widths, pieces: sum(widths), 1) == [3, 4]


# regularizer, dropout, clipping, normalization, optimizer


@pytest.mark.parametrize("choice", ["none", "l1", "l2", "l1_l2"])
def test_a_penalty_has_the_strengths_that_were_chosen(choice):
    hp = space(regularizer=choice, regularizer__l1=1e-4, regularizer__l2=1e-3)
    found = tuning.regularizer(hp)
    strengths = {} if found is None else found.get_config()
    wanted = {"l1": 1e-4, "l2": 1e-3}
    assert strengths == {name: wanted[name] for name in wanted if name in choice}


def test_a_search_begins_without_a_penalty_though_ranges_have_no_zero():
    hp = space()
    assert tuning.regularizer(hp) is None
    assert hp.values == {"regularizer": "none"}


def test_a_range_of_none_leaves_a_penalty_out():
    hp = space()
    tuning.regularizer(hp, l2=None)
    assert hp.space[0].values == ["none", "l1"] and names(hp)[1:] == ["regularizer/l1"]


@pytest.mark.parametrize("l1", [(0, 1), (1, 0.1), 0.1, (1e-3, math.inf), (1,)])
def test_a_range_that_has_no_logarithm_is_refused(l1):
    with pytest.raises(ValueError, match="l1"):
        tuning.regularizer(space(), l1=l1)


def test_no_penalty_at_all_is_no_choice():
    with pytest.raises(ValueError, match="there is no choice"):
        tuning.regularizer(space(), l1=None, l2=None)


def test_a_rate_begins_with_0_and_keeps_to_its_range():
    assert tuning.dropout(space()) == 0.0
    assert tuning.dropout(space(dropout=0.3)) == 0.3
    for low, high in [(0.5, 0.1), (0.0, 1.0), (-0.1, 0.5)]:
        with pytest.raises(ValueError, match="_value"):
            tuning.dropout(space(), min_value=low, max_value=high)
    with pytest.raises(ValueError, match="step"):
        tuning.dropout(space(), step=0)


def first_step(optimizer):
    weight = keras.Variable([0.0, 0.0])
    optimizer.apply([keras.ops.array([30.0, 40.0])], [weight])
    return keras.ops.convert_to_numpy(weight).tolist()


def test_clipping_wraps_the_optimizer_by_the_bound_chosen():
    clip = tuning.clipping(
        space(clipping="global_clipnorm", clipping__global_clipnorm=5.0)
    )
    step = first_step(clip(keras.optimizers.SGD(1.0)))
    np.testing.assert_allclose(step, [-3.0, -4.0], rtol=1e-6)
    plain = tuning.clipping(space())
    assert first_step(plain(keras.optimizers.SGD(1.0))) == [-30.0, -40.0]


@pytest.mark.parametrize("kind", ["zscore", "percentile"])
def test_clipping_may_follow_the_norms_of_the_run(kind):
    hp = space(clipping="adaptive", clipping__adaptive=kind)
    clip = tuning.clipping(hp, choices=["none", "adaptive"])
    assert clip.bounds == {"adaptive": kind}
    # The first steps are as without a bound, which only then has norms to follow.
    assert first_step(clip(keras.optimizers.SGD(1.0))) == [-30.0, -40.0]
    default = space()
    tuning.clipping(default, choices=["adaptive"])
    assert default.values == {"clipping": "adaptive", "clipping/adaptive": "zscore"}


def test_clipping_knows_its_thresholds():
    hp = space(clipping="clipvalue")
    choices = ["none", "clipvalue", "agc"]
    clip = tuning.clipping(hp, choices=choices, thresholds={"clipvalue": (1, 4)})
    assert clip.bounds == {"clipvalue": 2.0}
    with pytest.raises(ValueError, match="choices"):
        tuning.clipping(hp, choices=["norms"])
    with pytest.raises(ValueError, match="thresholds"):
        tuning.clipping(hp, thresholds={"norms": (1, 2)})


def test_normalization_gives_fresh_layers_of_one_kind():
    hp = space(normalization="batch")
    first, second = tuning.normalization(hp, axis=1), tuning.normalization(hp)
    assert type(first[0]) is keras.layers.BatchNormalization and first[0].axis == 1
    assert first[0] is not second[0]
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(tuning.normalization(space())(x), x)
    with pytest.raises(ValueError, match="choices"):
        tuning.normalization(hp, choices=["batches"])


def test_an_optimizer_begins_with_what_suits_it():
    found = tuning.optimizer(space())
    assert isinstance(found, keras.optimizers.Adam)
    assert float(found.learning_rate) == pytest.approx(1e-3)
    found = tuning.optimizer(space(), choices=["sgd"])
    assert float(found.learning_rate) == pytest.approx(1e-2) and found.momentum == 0


def test_an_optimizer_has_the_settings_chosen():
    hp = space(optimizer="sgd", optimizer__momentum=0.9, optimizer__decay=True)
    found = tuning.optimizer(
        hp, weight_decay=(1e-4, 1e-2), clipping=["global_clipnorm"], learning_rate=None
    )
    assert isinstance(found, keras.optimizers.SGD) and found.momentum == 0.9
    assert found.weight_decay == pytest.approx(1e-3)
    assert first_step(found)[0] == pytest.approx(-0.006)


def test_momentum_is_a_child_of_sgd():
    hp = space()
    tuning.optimizer(hp)
    assert hp.values.keys() == {"optimizer", "optimizer/learning_rate"}


def test_slopes_and_biases_do_not_decay():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), PReLU()])
    hp = space(optimizer__decay=True, optimizer__weight_decay=0.5)
    found = tuning.optimizer(
        hp, choices=["sgd"], weight_decay=(0.1, 1.0), learning_rate=None, model=model
    )
    before = [keras.ops.convert_to_numpy(weight) for weight in model.weights]
    zeros = [keras.ops.zeros(weight.shape) for weight in model.trainable_weights]
    found.apply(zeros, model.trainable_weights)
    after = [keras.ops.convert_to_numpy(weight) for weight in model.weights]
    changed = [not np.array_equal(*pair) for pair in zip(before, after, strict=True)]
    assert changed == [True, False, False]


@pytest.mark.parametrize("choices", [[], ["adams"], ["lossscaleoptimizer"]])
def test_an_unknown_optimizer_is_refused(choices):
    with pytest.raises(ValueError, match="choice"):
        tuning.optimizer(space(), choices=choices)


# explore, configurations, size, describe


def conditional(hp):
    hp.Choice("kind", ["a", "b", "c"])
    hp.Boolean("free")
    with hp.conditional_scope("kind", ["b"]):
        hp.Choice("b/inner", [1, 2, 3])
        with hp.conditional_scope("b/inner", [2, 3]):
            hp.Int("b/inner/depth", 1, 5, step=2)
    with hp.conditional_scope("kind", ["c"]):
        hp.Float("c/rate", 0.0, 0.5, step=0.25)


def by_brute_force(hp):
    """Return the distinct sets of active values of the full product."""
    names = list(dict.fromkeys(p.name for p in hp.space))
    values = {p.name: list(p.values) for p in hp.space}
    found = set()
    for chosen in itertools.product(*(values[name] for name in names)):
        all_values = dict(zip(names, chosen, strict=True))
        active = {}
        for p in hp.space:
            if all(c.is_active(active) for c in p.conditions):
                active[p.name] = all_values[p.name]
        found.add(tuple(sorted(active.items())))
    return found


def test_exploring_opens_every_scope():
    hp = explore(conditional)
    assert names(hp)[:4] == ["kind", "free", "b/inner", "b/inner/depth"]
    assert hp.values == {"kind": "a", "free": False}


def test_exploring_asks_a_hypermodel_what_it_declares():
    class Declaring(keras_tuner.HyperModel):
        def declare_hyperparameters(self, hp):
            hp.Int("epochs", 1, 3)

        def build(self, hp):
            hp.Boolean("deep")

    assert names(explore(Declaring())) == ["epochs", "deep"]


def test_exploring_leaves_out_a_scope_that_nothing_opens():
    def build(hp):
        value = hp.Choice("kind", ["a", "b"])
        assert value in ("a", "b")
        with hp.conditional_scope("kind", ["z"]):
            hp.Boolean("never")

    assert explore(build).values == {"kind": "a"}
    assert tuning.size(build) == 2


@pytest.mark.parametrize(
    "build",
    [
        conditional,
        lambda hp: tuning.activation(hp, choices=["relu", "prelu", "maxout"]),
        lambda hp: (hp.Boolean("a"), hp.Int("b", 1, 7), hp.Fixed("c", 3)),
        lambda hp: None,
    ],
)
def test_configurations_are_those_of_brute_force_and_as_many_as_size_says(build):
    hp = explore(build)
    expected = by_brute_force(hp)
    found = [tuple(sorted(values.items())) for values in configurations(hp)]
    assert len(found) == len(expected) and set(found) == expected
    assert tuning.size(hp) == tuning.size(build) == len(expected)


def test_a_continuous_range_has_no_size_but_ten_points():
    hp = space()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Int("units", 4, 400, sampling="log")
    assert tuning.size(hp) == math.inf
    found = list(configurations(hp))
    rates = sorted({values["rate"] for values in found})
    np.testing.assert_allclose(rates, np.geomspace(1e-4, 1e-1, 10))
    units = sorted({values["units"] for values in found})
    assert len(units) <= 10 and (units[0], units[-1]) == (4, 400)
    assert [*configurations(hp)] == found


def test_size_counts_what_none_could_enumerate():
    hp = space()
    for place in range(40):
        hp.Choice(f"choice_{place}", list(range(10)))
    assert tuning.size(hp) == 10**40


def test_describing_puts_children_under_their_parents():
    assert tuning.describe(conditional).splitlines() == [
        "kind: a*, b, c",
        "  if b: b/inner: 1*, 2, 3",
        "    if 2, 3: b/inner/depth: 1 to 5, step 2, default 1",
        "  if c: c/rate: 0 to 0.5, step 0.25, default 0",
        "free: True, False*",
        "22 configurations",
    ]


def test_describing_names_scales_and_what_is_fixed():
    hp = space()
    hp.Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Fixed("epochs", 3)
    told = tuning.describe(hp)
    assert "rate: 0.0001 to 0.1, log scale, default 0.001" in told
    assert "epochs: always 3" in told
    assert told.endswith("infinitely many configurations")
