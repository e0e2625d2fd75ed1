"""The doctor's remedies as a search space: merged, encoded, none forced."""

import keras_tuner
import pytest

from kcomponents import tuning
from kcomponents.doctor import Diagnosis, Finding, Remedy
from kcomponents.tuning._space_walk import configurations, explore

pytestmark = pytest.mark.any_backend


def remedy(setting, *values):
    return Remedy(setting, values, "It helps.")


def finding(*remedies):
    return Finding("label", "", ("Seen.",), "medium", remedies)


def outcomes(settings):
    """Return what a space gives for each of its configurations."""
    hp = explore(settings)
    found = []
    for values in configurations(hp):
        trial = keras_tuner.HyperParameters()
        trial.values = values
        found.append(settings(trial))
    return found


def test_a_search_begins_with_everything_as_it_is():
    settings = tuning.space([remedy("dropout", 0.3, 0.5), remedy("residual", True)])
    assert settings(keras_tuner.HyperParameters()) == {}


def test_every_value_is_tried_with_its_type():
    pair = "softmax", "categorical_crossentropy"
    settings = tuning.space([remedy("output_activation_and_loss", pair)])
    assert outcomes(settings) == [{}, {"output_activation_and_loss": pair}]
    settings = tuning.space([remedy("from_logits", True), remedy("dropout", 0.2, 0.0)])
    told = [{}, {"dropout": 0.2}, {"dropout": 0.0}]
    assert outcomes(settings) == told + [{"from_logits": True, **each} for each in told]


def test_remedies_for_one_setting_are_merged_in_order():
    first = finding(remedy("hidden_activation", "relu", "prelu"))
    second = finding(remedy("hidden_activation", "prelu", "leaky_relu"))
    hp = keras_tuner.HyperParameters()
    tuning.space(Diagnosis("not_learning", (first, second)))(hp)
    assert hp.space[0].values == ["unchanged", "relu", "prelu", "leaky_relu"]


def test_learning_rates_become_a_range_that_begins_with_the_likeliest():
    settings = tuning.space([remedy("learning_rate", 1e-3, 1e-4)])
    hp = keras_tuner.HyperParameters()
    hp.values = {"learning_rate": "changed"}
    assert settings(hp) == {"learning_rate": 1e-3}
    [_, rate] = hp.space
    limits = rate.min_value, rate.max_value, rate.sampling
    assert limits == (1e-4, 1e-3, "log")


@pytest.mark.parametrize("wrap", [lambda r: r, lambda r: [r], finding])
def test_remedies_come_alone_in_a_list_or_in_a_finding(wrap):
    assert outcomes(tuning.space(wrap(remedy("residual", True))))[1:] == [
        {"residual": True}
    ]


def test_advice_without_values_is_left_out():
    settings = tuning.space([remedy("data"), remedy("units", 64, 128)])
    assert outcomes(settings) == [{}, {"units": 64}, {"units": 128}]


def test_only_the_settings_that_were_asked_for_are_taken():
    found = [remedy("epochs", 50), remedy("units", 64)]
    assert outcomes(tuning.space(found, settings=["units", "other"]))[1:] == [
        {"units": 64}
    ]
    with pytest.raises(ValueError, match="epochs, units"):
        tuning.space(found, settings=["other"])


@pytest.mark.parametrize(
    "given", [Diagnosis("healthy", (), ()), [], [remedy("data")], finding()]
)
def test_where_nothing_is_to_be_cured_there_is_no_space(given):
    with pytest.raises(ValueError, match="nothing to search"):
        tuning.space(given)


def test_what_is_no_remedy_is_refused():
    with pytest.raises(ValueError, match="remedies"):
        tuning.space("dropout")
