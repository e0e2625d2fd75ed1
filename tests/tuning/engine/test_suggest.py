"""Values to try: within the space, by conditions, and the same for the same seed."""

import keras_tuner
import optuna
import pytest

from kcomponents.tuning._engine.suggest import (
    distribution_of,
    from_optuna,
    optuna_parameters,
    suggest,
    to_optuna,
)

pytestmark = pytest.mark.any_backend


def ranges():
    """Return a space with every kind of hyperparameter that keras-tuner has."""
    hp = keras_tuner.HyperParameters()
    hp.Boolean("flag")
    hp.Choice("choice", ["a", "b", "c"])
    hp.Fixed("fixed", 7)
    hp.Float("float", -1.0, 1.0)
    hp.Float("float_log", 1e-4, 1.0, sampling="log")
    hp.Float("float_log_step", 1.0, 100.0, step=10, sampling="log")
    hp.Float("float_reverse", 0.1, 10.0, sampling="reverse_log")
    hp.Float("float_reverse_step", 1.0, 8.0, step=2, sampling="reverse_log")
    hp.Float("float_step", 0.0, 1.0, step=0.3)
    hp.Int("int", 1, 5)
    hp.Int("int_log", 1, 1000, sampling="log")
    hp.Int("int_log_step", 2, 32, step=2, sampling="log")
    hp.Int("int_reverse", 1, 100, sampling="reverse_log")
    hp.Int("int_step", 10, 100, step=7)
    hp.Int("single", 3, 3)
    return hp


def conditional():
    """Return a space in which one choice brings another."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("activation", ["relu", "maxout"])
    with hp.conditional_scope("activation", ["maxout"]):
        hp.Int("pieces", 2, 4)
    return hp


def ended(space, values, score=None):
    """Return a trial that ended with these values."""
    found = optuna_parameters(space, values)
    return optuna.trial.create_trial(
        value=score,
        state=optuna.trial.TrialState["COMPLETE" if score else "FAIL"],
        params={name: drawn for name, (drawn, _) in found.items()},
        distributions={name: kind for name, (_, kind) in found.items()},
        user_attrs={"values": values},
    )


@pytest.mark.parametrize("hp", ranges().space, ids=lambda hp: hp.name)
def test_each_value_is_one_that_keras_tuner_could_draw(hp):
    space = keras_tuner.HyperParameters()
    space.merge([hp])
    found = {
        suggest(space, [], "random", "minimize", seed)[hp.name] for seed in range(60)
    }
    if type(hp).__name__ in ("Boolean", "Choice", "Fixed"):
        assert found == set(hp.values)
        return
    assert hp.min_value <= min(found) <= max(found) <= hp.max_value
    allowed = {hp.prob_to_value(place / 997) for place in range(997)}
    if len(allowed) < 20:
        assert sorted(found) == pytest.approx(sorted(allowed))
    assert {type(value) for value in found} == {type(hp.default)}


@pytest.mark.parametrize("hp", ranges().space, ids=lambda hp: hp.name)
def test_what_was_drawn_is_known_by_its_value(hp):
    distribution = distribution_of(hp)
    if distribution is None:
        assert hp.name in ("fixed", "single")
        return
    value = hp.random_sample(seed=3)
    drawn = to_optuna(hp, value)
    assert distribution._contains(distribution.to_internal_repr(drawn))
    assert from_optuna(hp, drawn) == pytest.approx(value)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_child_has_a_value_only_under_its_parent(sampler):
    space = conditional()
    found = [suggest(space, [], sampler, "minimize", seed) for seed in range(20)]
    kinds = {"maxout": {"activation", "pieces"}, "relu": {"activation"}}
    assert {values["activation"] for values in found} == set(kinds)
    assert all(set(values) == kinds[values["activation"]] for values in found)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_seed_and_history_give_the_same_values(sampler):
    space = ranges()
    first = [suggest(space, [], sampler, "minimize", seed) for seed in range(12)]
    assert first == [suggest(space, [], sampler, "minimize", s) for s in range(12)]
    history = [ended(space, v, score=v["float"] + 2) for v in first]
    later = [suggest(space, history, sampler, "minimize", 99) for _ in range(2)]
    assert later[0] == later[1]


def test_tpe_goes_where_scores_are_good():
    space = keras_tuner.HyperParameters()
    space.Float("x", -1.0, 1.0)
    history = []
    for seed in range(40):
        values = suggest(space, history, "tpe", "minimize", seed)
        history.append(ended(space, values, 1 + (values["x"] - 0.5) ** 2))
    last = [trial.user_attrs["values"]["x"] for trial in history[-10:]]
    assert sum(abs(x - 0.5) for x in last) / 10 < 0.35


def test_what_was_tried_or_failed_is_not_drawn_while_there_is_other():
    space = conditional()
    history, found = [], []
    for seed in range(4):
        found.append(suggest(space, history, "tpe", "maximize", seed))
        history.append(ended(space, found[-1]))
    assert len({tuple(values.items()) for values in found}) == 4


def test_a_sampler_of_optuna_is_taken_as_it_is():
    space = ranges()
    sampler = optuna.samplers.RandomSampler(seed=0)
    values = suggest(space, [], sampler, "minimize", 0)
    assert set(values) == {hp.name for hp in space.space}
