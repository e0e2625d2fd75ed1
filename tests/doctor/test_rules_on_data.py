"""Rules on inputs, labels and splits: each branch, and both sides of each number."""

import math

import pytest

from kcomponents.doctor._thresholds import FEWEST_INPUTS, TINY_INPUT, VERY_LARGE_INPUT
from kcomponents.doctor.rules.inputs import ALIKE
from kcomponents.doctor.rules.labels import (
    FREQUENT,
    GAIN_OF_PAIRS,
    GIVEN_UP,
    MUCH_PADDING,
    TRAINED,
)
from kcomponents.doctor.rules.splits import BETWEEN_BATCHES
from kcomponents.record import Reading
from tests.doctor.cases import (
    INPUT,
    KERNELS,
    LOST,
    OUTPUT,
    STUCK,
    UNKNOWN,
    finding,
    of_skill,
    record,
    says,
    severity,
    two_outputs,
)

pytestmark = pytest.mark.any_backend

TARGET = OUTPUT + "target__"
WELL = (0.5, 0.8, 0.99)


# Ids and embeddings


def with_table(ids=None, others=None, **facts):
    """Return a healthy run whose embedding has 10 rows."""
    facts = {"input_dim": 10, "min": 0.0, "max": 9.0, **facts}
    changes = {INPUT + name: value for name, value in (ids or {}).items()}
    return record(data__layers={**(others or {}), "table": facts}, **changes)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, None),
        ({"max": 10.0}, "high"),
        ({"min": -1.0}, "high"),
        ({"min": None, "max": 99.0}, None),
        ({"max": None, "min": -9.0}, None),
        ({"input_dim": None, "max": 99.0}, None),
    ],
)
def test_an_embedding_needs_a_row_for_each_id(facts, expected):
    assert severity("embedding_too_short", with_table(**facts)) == expected


IDS = {"integer": True, "min": 0.0, "max": 12.0}


@pytest.mark.parametrize(
    ("ids", "others", "expected"),
    [
        (IDS, {}, "high"),
        ({**IDS, "max": 9.0}, {}, None),
        ({**IDS, "max": 9.0, "min": -1.0}, {}, "high"),
        ({**IDS, "integer": False}, {}, None),
        # Which of two embeddings gets the ids is not known.
        (IDS, {"another": {"input_dim": 99, "min": 0.0, "max": 9.0}}, None),
        # Nor whether the ids reach an embedding that is not the first layer.
        (IDS, {"dense": {"mean": 0.0, "std": 1.0}}, None),
    ],
)
def test_ids_of_all_samples_count_where_it_is_sure_which_embedding_gets_them(
    ids, others, expected
):
    assert severity("embedding_too_short", with_table(ids, others)) == expected


def test_ids_are_compared_with_an_embedding_only_if_there_is_one_input_of_them():
    made = with_table(IDS)
    made.structure["data"]["inputs"] *= 2
    assert severity("embedding_too_short", made) is None
    made = with_table(IDS)
    made.structure["data"]["inputs"][0].pop("max")
    assert severity("embedding_too_short", made) is None


def test_the_rows_of_an_embedding_and_its_ids_are_told():
    found = finding("embedding_too_short", with_table(IDS))
    assert found.where == "table" and found.remedies[0].values == (13,)
    assert (
        "has 10 rows, for ids from 0 to 9, but gets ids from 0 to 12"
        in found.evidence[0]
    )
    assert says("ids from 0 to 14", found.label, with_table(IDS, max=14.0))
    assert says("ids from -2 to 12", found.label, with_table(IDS, min=-2.0))


# The scale of inputs

SCALE = "unnormalized_input"
LARGE = {INPUT + "std": 90.0, INPUT + "max": 255.0}


@pytest.mark.parametrize(
    ("first_loss", "last", "told"),
    [(1.66, 0.9, True), (1.63, 0.9, False), (1.66, 0.95, False)],
)
def test_a_loss_that_starts_high_counts_against_the_scale(first_loss, last, told):
    made = record((0.5, 0.7, last), logs={"loss": (first_loss, 0.5, 0.3)}, **LARGE)
    assert (severity(SCALE, made) == "high") == told


@pytest.mark.parametrize(("loss", "expected"), [(1.66, "high"), (1.63, None)])
def test_a_loss_before_training_counts_against_the_scale(loss, expected):
    made = record(**LARGE)
    made.readings.insert(0, Reading(0, 0, {"sample_loss": {"output": loss}}))
    assert severity(SCALE, made) == expected


def test_the_scale_counts_where_progress_is_not_judged():
    assert severity(SCALE, record(WELL, **LARGE)) is None
    assert severity(SCALE, record(WELL, **LARGE, **UNKNOWN)) == "high"


def test_ids_have_no_scale():
    ids = {**LARGE, INPUT + "integer": True}
    table = {"layers__2__class": "Embedding"}
    assert severity(SCALE, record(STUCK, **ids, **table)) is None
    assert severity(SCALE, record(STUCK, **ids)) == "high"
    assert severity(SCALE, record(STUCK, **LARGE, **table)) == "high"


def test_an_input_of_unknown_scale_is_let_pass():
    made = record(STUCK, **LARGE)
    made.structure["data"]["inputs"].insert(0, {"name": "text", "shape": []})
    assert finding(SCALE, made).where == "input"


def rescaled(*front, path="first", **facts):
    """Return a run with these layers in front, and facts of what they give out."""
    facts = {"mean": 0.0, "std": 1.0, "min": -1.0, "max": 1.0, **facts}
    made = record(STUCK, **{INPUT + "std": 90.0}, data__layers={path: facts})
    made.structure["layers"][:0] = [{"path": name, "class": name} for name in front]
    return made


@pytest.mark.parametrize("kind", ["Rescaling", "Normalization"])
@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"std": TINY_INPUT}, None),
        ({"std": 0.99 * TINY_INPUT}, "twice"),
        ({"std": 0.0, "mean": -1.01 * TINY_INPUT}, None),
        ({"std": 0.0, "mean": -0.99 * TINY_INPUT}, "twice"),
        ({"std": VERY_LARGE_INPUT}, None),
        ({"std": 1.01 * VERY_LARGE_INPUT}, "wrongly"),
        ({"mean": -1.01 * VERY_LARGE_INPUT}, "wrongly"),
    ],
)
def test_inputs_that_a_layer_scales_have_their_scale_behind_it(kind, facts, words):
    made = rescaled(kind, **facts)
    assert (severity(SCALE, made) == "high") == (words is not None)
    if words:
        told = f"After {kind}, inputs range from -1 to 1 where"
        assert says(told, SCALE, made) and says(f"scaled {words}.", SCALE, made)
        assert finding(SCALE, made).where == "input"
        assert finding(SCALE, made).remedies[0].values == ("once",)


TINY = {"std": 0.001}


def test_the_scale_behind_a_layer_counts_only_where_it_is_known():
    assert severity(SCALE, rescaled("Rescaling", **TINY)) == "high"
    # This layer brings inputs to its own scale.
    assert severity(SCALE, rescaled("Rescaling", "BatchNormalization", **TINY)) is None
    assert severity(SCALE, rescaled("Rescaling", **TINY, input_dim=9)) is None
    assert severity(SCALE, rescaled("Rescaling", **TINY, path="elsewhere")) is None
    assert severity(SCALE, rescaled("BatchNormalization", **TINY)) is None
    made = rescaled("Rescaling", **TINY)
    made.structure["data"]["layers"]["first"].pop("std")
    assert severity(SCALE, made) is None
    made = rescaled("Rescaling", **TINY)
    made.structure["data"]["layers"] = {}
    assert severity(SCALE, made) is None
    made = rescaled("Rescaling", **TINY)
    made.structure["data"]["inputs"] *= 2
    assert severity(SCALE, made) is None


def test_a_layer_behind_the_first_weights_does_not_scale_the_inputs():
    made = rescaled(**TINY)
    made.structure["layers"].insert(1, {"path": "late", "class": "Rescaling"})
    assert says("no layer normalizes", SCALE, made)


def test_the_first_layer_that_scales_is_named():
    assert says(
        "After Rescaling", SCALE, rescaled("Rescaling", "Normalization", **TINY)
    )


# Inputs that hardly differ


def columns(mean=2.0, share=0.5, **facts):
    facts = {"column_mean": [mean] * 4, "column_std": [abs(mean) * share] * 4, **facts}
    return {INPUT + name: value for name, value in facts.items()}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"share": 1.01 * ALIKE}, None),
        ({"share": 0.99 * ALIKE}, "high"),
        ({"share": 0.99 * ALIKE, "mean": -2.0}, "high"),
        ({"share": 0.0, "min": 2.0, "max": 2.0}, None),
        ({"share": 0.0, "shape": [2, 2]}, None),
        ({"share": 0.0, "column_std": None}, None),
        ({"share": 0.0, "column_mean": None}, None),
        ({"share": 0.0, "mean": 0.0}, None),
    ],
)
def test_inputs_differ_by_some_of_their_size(facts, expected):
    assert severity("constant_input", record(STUCK, **columns(**facts))) == expected


def test_inputs_that_hardly_differ_count_where_training_suffers():
    alike = columns(share=0.01)
    assert severity("constant_input", record(WELL, **alike)) is None
    made = record(WELL, **alike, **UNKNOWN)
    assert finding("constant_input", made).where == "input"
    assert says("they vary by 1.00% of their size", "constant_input", made)


def entrances(*frozen, **spreads):
    """Return a run whose layers meet inputs of size 5 that vary by these."""
    met = {p: {"mean": 3.0, "std": 4.0, "spread": s} for p, s in spreads.items()}
    changes = {f"layers__{n}__trainable": False for n in frozen}
    return record(STUCK, data__layers=met, **changes)


def where_alike(made):
    found = finding("constant_input", made)
    return found and found.where


@pytest.mark.parametrize(
    ("frozen", "spreads", "where"),
    [
        ((), {"first": 5.05 * ALIKE}, None),
        ((), {"first": 4.95 * ALIKE}, "first"),
        # Behind a frozen base, features may hardly differ.
        ((), {"first": 1.0, "second": 0.0}, None),
        ((0,), {"first": 1.0, "second": 0.0}, "second"),
        ((0,), {"first": 0.0, "second": 1.0}, "first"),
        ((0, 1), {"first": 1.0, "second": 0.0, "third": 1.0}, None),
        ((0, 1), {"first": 1.0, "second": 1.0, "third": 0.0}, "third"),
        ((0,), {"first": 1.0, "second": 1.0, "third": 0.0}, None),
        ((0, 1, 2), {"first": 1.0, "second": 0.0}, None),
        # A layer that is not listed counts as trainable.
        ((0,), {"first": 1.0, "inner": 0.0}, "inner"),
    ],
)
def test_what_the_first_layer_meets_differs_by_some_of_its_size(frozen, spreads, where):
    found = where_alike(entrances(*frozen, **spreads))
    assert found == (where and f"the inputs of {where}")


def test_ids_and_unknown_spreads_are_not_inputs_that_hardly_differ():
    made = entrances(first=0.0)
    made.structure["data"]["layers"]["first"]["input_dim"] = 9
    assert where_alike(made) is None
    made = entrances(first=0.0)
    made.structure["data"]["layers"]["first"].pop("spread")
    assert where_alike(made) is None


# Labels

LABELS, EMPTY = "label_problem", "uninformative_labels"


def of_target(**facts):
    streamed = facts.pop("streamed", False)
    others = {OUTPUT + n: facts.pop(n) for n in ("task", "activation") if n in facts}
    changes = {TARGET + name: value for name, value in facts.items()}
    return record((), data__streamed=streamed, **others, **changes)


SAME = {"std": 0.0, "min": 1.0, "max": 1.0}
ONE_HOT = {"one_hot": True, "shape": [3], "column_std": [0.0] * 3}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({**SAME, "rows": 2}, "All targets are the same: 1."),
        ({**SAME, "rows": 1}, None),
        ({**SAME, "task": "unknown"}, None),
        # Of a stream, only the first samples are known.
        ({**SAME, "streamed": True}, None),
        ({**ONE_HOT}, "All targets belong to the same class."),
        ({**ONE_HOT, "column_std": [0.0, 0.1, 0.0]}, None),
        ({**ONE_HOT, "column_std": []}, None),
        ({**ONE_HOT, "one_hot": False}, None),
        ({**ONE_HOT, "activation": None}, None),
        ({"nonfinite": 1}, "NaN or infinity (1 value)"),
    ],
)
def test_targets_that_are_all_the_same_are_told(facts, words):
    made = of_target(**facts)
    assert (severity(LABELS, made) == "high") == (words is not None)
    assert words is None or says(words, LABELS, made)


def test_targets_of_which_nothing_is_known_are_let_pass():
    made = of_target(nonfinite=3)
    made.structure["data"]["outputs"][0]["target"].pop("std")
    assert severity(LABELS, made) is None


def test_each_output_has_labels_of_its_own():
    made = of_target(nonfinite=3)
    outputs = made.structure["data"]["outputs"]
    outputs.insert(0, {"name": "unknown", "units": 1})
    outputs.append({**outputs[1], "name": "again"})
    assert finding(LABELS, made).where == "output"


def test_equal_inputs_with_other_labels_count_without_progress():
    twins = {OUTPUT + "contradictions": 0.4}
    rule = "contradictory_labels"
    assert severity(LABELS, record(STUCK, **twins), rule) == "high"
    assert severity(LABELS, record((0.5,) * 4, **twins), rule) is None
    assert says("40% of the samples", LABELS, record(STUCK, **twins), rule)


def learned(skill=0.8, validation=(0.0, 0.0), looks=None, **changes):
    """Return a run with this skill at the end, and these on validation data."""
    accuracies = [of_skill(skill)] * len(validation)
    logs = {"val_accuracy": [of_skill(v) for v in validation]}
    return record(accuracies, looks, logs, **changes)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (learned(0.29), None),
        (learned(0.31), "high"),
        (learned(0.8, (0.0, 0.201)), None),
        (learned(0.8, (0.199, 0.0)), "high"),
        # A model that was good on them at some time has learned something.
        (learned(0.8, (0.5, 0.0, 0.0)), None),
        (learned(0.8, (0.0,)), None),
        (learned(0.8, ()), None),
        (learned(0.8, looks=LOST), None),
        (learned(0.8, **UNKNOWN), None),
        (two_outputs(learned(0.8)), None),
    ],
)
def test_labels_that_are_learned_by_heart_are_told(made, expected):
    assert severity(EMPTY, made) == expected


def test_what_is_learned_by_heart_is_told_in_numbers():
    made = learned(0.8, (0.1, -0.2))
    assert says("got 80% of the way", EMPTY, made)
    assert says("never more than 10% on", EMPTY, made)
    assert says("never more than 0% on", EMPTY, learned(0.8, (-0.3, -0.2)))
    assert finding(EMPTY, made).where == "output"


def test_a_model_of_whose_labels_nothing_is_known_has_no_unrelated_ones():
    known = {OUTPUT + "reachable": {"linear": 0.0, "best": 0.0, "signal": 0.0}}
    assert severity(LABELS, record(STUCK, **known), EMPTY) == "medium"
    assert severity(LABELS, record((0.5,) * 4, **known), EMPTY) is None
    assert (
        severity(LABELS, record(STUCK, **{OUTPUT + "reachable": None}), EMPTY) is None
    )


def of_pairs(loss=1.0, permuted=1.0001, *, looks=None, task="unknown", **pairs):
    """Return a run with a loss of the user's own, beside that of permuted targets."""
    pairs = pairs or {"training": [loss, permuted]}
    guessed = task != "unknown"
    changes = {OUTPUT + "task": task, OUTPUT + "guessed": guessed}
    return record(STUCK, looks, data__pairing=pairs, **changes)


@pytest.mark.parametrize(
    ("loss", "permuted", "expected"),
    [
        (1.001 - GAIN_OF_PAIRS, 1.0, "medium"),
        (0.999 - GAIN_OF_PAIRS, 1.0, None),
        (0.5 * (1.02 - GAIN_OF_PAIRS), 0.5, "medium"),
        (0.5 * (0.98 - GAIN_OF_PAIRS), 0.5, None),
        (-4.0 * (0.999 + GAIN_OF_PAIRS), -4.0, "medium"),
        (-4.0 * (1.001 + GAIN_OF_PAIRS), -4.0, None),
        (2.0, 1.0, "medium"),
        # It may not depend on the targets at all.
        (1.0, 1.0, None),
        (0.0, 0.0, None),
        (1.0, 1.0 + 1e-5, "medium"),
    ],
)
def test_a_loss_depends_on_which_targets_belong_to_which_inputs(
    loss, permuted, expected
):
    assert severity(EMPTY, of_pairs(loss, permuted)) == expected


def moved(distance):
    return {"moved": {**dict.fromkeys(KERNELS, 0.0), KERNELS[1]: distance}}


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        (moved(0.99 * TRAINED), None),
        (moved(TRAINED), "medium"),
        ({"moved": {}}, "medium"),
        (LOST, None),
    ],
)
def test_pairs_say_something_about_a_model_that_has_been_trained(looks, expected):
    assert severity(EMPTY, of_pairs(looks=looks)) == expected


def test_pairs_say_nothing_where_another_rule_judges_or_knows_the_cause():
    # The targets and outputs suggest a task, or `compile` was told of one.
    assert severity(EMPTY, of_pairs(task="sparse")) == "medium"
    assert severity(EMPTY, record(STUCK, data__pairing={"training": [1, 1]})) is None
    assert severity(EMPTY, record(STUCK, **UNKNOWN)) is None
    spread = [
        {"sample_spread": {"output": s}, "sample_size": {"output": 1.0}}
        for s in (0.5, 0.1, 0.001)
    ]
    assert severity(EMPTY, of_pairs(looks=spread)) is None
    assert severity(EMPTY, of_pairs(looks=spread[:1] * 3)) == "medium"


@pytest.mark.parametrize(
    ("training", "by_heart"),
    [([1.0, 1.11], True), ([1.0, 1.09], False), ([-1.0, 1.2], True), (None, False)],
)
def test_validation_pairs_are_preferred_to_those_of_the_training_data(
    training, by_heart
):
    pairs = {"validation": [1.25, 1.2501]}
    if training:
        pairs["training"] = training
    made = of_pairs(**pairs)
    assert says("loss of the validation data is 1.25, and 1.25 if", EMPTY, made)
    assert says("learned them by heart", EMPTY, made) == by_heart
    better = of_pairs(validation=[0.5, 1.0], training=[1.0, 1.0])
    assert severity(EMPTY, better) is None


def test_training_pairs_alone_are_not_learned_by_heart():
    made = of_pairs(1.2, 1.2001)
    assert says("loss of the training data is 1.2, and 1.2 if", EMPTY, made)
    # A loss may be negative: here the permuted one is even better.
    made = of_pairs(-1.0, -1.0001)
    assert not says("learned them by heart", EMPTY, made)
    assert finding(EMPTY, made).where == ""


@pytest.mark.parametrize(
    ("accuracies", "changes", "expected"),
    [
        (STUCK, {}, "high"),
        (WELL, {}, None),
        (STUCK, {OUTPUT + "task": "unknown"}, None),
        (STUCK, {OUTPUT + "task": "sparse"}, None),
    ],
)
def test_targets_have_a_scale_in_a_regression_without_progress(
    accuracies, changes, expected
):
    amounts = {OUTPUT + "task": "regression", TARGET + "mean": 300.0} | changes
    looks = {"sample_accuracy": None}
    if accuracies is STUCK:
        looks["sample_loss"] = {"output": 1.2}
    made = record(accuracies, looks, **amounts)
    assert severity("unnormalized_target", made) == expected


# Padding

MASK = "mask_missing"


def padded(share, accuracies=STUCK, recalls=(0.9, 0.9), **changes):
    looks = {"sample_recall": {"output": list(recalls)} if recalls else None}
    return record(accuracies, looks, **{OUTPUT + "padding": share}, **changes)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (padded(0.99 * MUCH_PADDING), None),
        (padded(MUCH_PADDING), "high"),
        (padded(None), None),
        (padded(0.9, WELL), None),
        (padded(0.9, WELL, (0.9, 0.31)), None),
        (padded(0.9, WELL, (0.9, 0.29)), "high"),
        (padded(0.9, WELL, ()), None),
        (padded(0.9, ()), None),
        (padded(0.9, **UNKNOWN), None),
    ],
)
def test_padding_counts_from_a_share_of_the_positions(made, expected):
    assert severity(MASK, made) == expected


def test_a_mask_comes_from_an_embedding_where_there_is_one():
    made = padded(0.6)
    assert says("60% of the positions are padding", MASK, made)
    assert "Masking(0.0)" in finding(MASK, made).remedies[0].code
    made = padded(0.6, layers__0__class="Embedding")
    assert "mask_zero=True" in finding(MASK, made).remedies[0].code


# Classes

IMBALANCE = "class_imbalance"


def of_classes(shares, recalls, weights=None, skill=0.1, **changes):
    """Return a run with these shares, recalls and weights of its classes."""
    looks = {
        "sample_recall": {"output": recalls} if recalls else None,
        "sample_accuracy": None,
        "sample_loss": {"output": 1.0 - skill},
    }
    facts = {
        "baseline_loss": 1.0,
        "class_weights": weights,
        "target__values": [float(n) for n in range(len(shares))],
        "target__counts": [round(10_000 * share) for share in shares],
        **changes,
    }
    facts = {OUTPUT + name: value for name, value in facts.items()}
    return record(STUCK, looks, **facts)


def overdone(share=0.5, counted=0.5, recall=0.5):
    """Return a run whose first class has this share, and this one of the loss."""
    weights = [counted / share, (1 - counted) / (1 - share)]
    # A recall of the other class at which it is no finding that the first is rare.
    return of_classes([share, 1 - share], [recall, 0.9], weights)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (overdone(counted=0.99 * GIVEN_UP), "high"),
        (overdone(counted=1.01 * GIVEN_UP), None),
        (overdone(counted=0.01, share=0.99 * FREQUENT), None),
        (overdone(counted=0.01, share=FREQUENT), "high"),
        (overdone(counted=0.01, recall=0.89), "high"),
        (overdone(counted=0.01, recall=0.9), None),
        # Weights, shares and recalls of other classes each.
        (of_classes([0.5, 0.5], [0.0, 0.9], [0.01, 1.0, 1.0]), None),
        (of_classes([0.5, 0.5], [0.0, 0.9, 0.9], [0.01, 1.0]), None),
        (of_classes([0.5, 0.5], [0.0, 0.9], [0.0, 0.0]), "high"),
        (of_classes([0.5, 0.5], [0.0, 0.9]), None),
    ],
)
def test_a_frequent_class_keeps_some_of_the_loss(made, expected):
    assert severity(IMBALANCE, made) == expected


def test_a_class_that_weights_leave_nothing_is_told_in_numbers():
    made = overdone(share=0.25, counted=0.02, recall=0.3)
    assert says("a class with 25% of the samples makes up 2.0% of", IMBALANCE, made)
    assert says("its recall is 30%", IMBALANCE, made)
    assert "balanced" in finding(IMBALANCE, made).remedies[0].reason


RARE = [0.9, 0.1], [1.0, 0.0]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            of_classes(*RARE),
            "90% of the samples belong to one, and another, with 10",
        ),
        (of_classes(RARE[0][::-1], RARE[1][::-1]), "90% of the samples belong to one"),
        # The class that is recognized least counts, and not the most frequent one.
        (of_classes([0.9, 0.04, 0.06], [1.0, 0.5, 0.0]), "with 6.0% of them, has a"),
        (of_classes([0.9, 0.04, 0.06], [1.0, 0.04, 0.5]), "has a recall of 4%"),
        (of_classes([0.9, 0.1], [0.94, 0.0]), None),
        (of_classes([0.9, 0.1], [1.0, 0.0, 0.0]), None),
        (of_classes([0.9, 0.1], [1.0]), None),
        (of_classes([0.9, 0.1], None), None),
        (of_classes(*RARE, task="multilabel"), None),
        (of_classes(*RARE, target__counts=None), None),
        # With these weights, both count the same, or nothing does.
        (of_classes(*RARE, [1.0, 9.0]), None),
        (of_classes(*RARE, [0.0, 0.0]), None),
        (of_classes(*RARE, [1.0, 1.0]), "90% of the samples"),
        (of_classes(*RARE, [1.0, 1.0, 1.0]), None),
    ],
)
def test_a_rare_class_counts_in_the_order_of_classes(made, words):
    assert (severity(IMBALANCE, made) == "high") == (words is not None)
    assert words is None or says(words, IMBALANCE, made)


def test_classes_are_counted_in_one_hot_targets_too():
    one_hot = {"target__one_hot": True, "target__column_mean": [0.0, 0.85, 0.15]}
    made = of_classes([], [1.0, 0.0], **one_hot)
    assert severity(IMBALANCE, made) == "medium"
    assert says("85% of the samples belong to one", IMBALANCE, made)


def test_recalls_before_training_are_not_judged():
    made = of_classes(*RARE)
    [first, *_] = made.readings
    made.readings[:] = [Reading(0, 0, {"sample_recall": first.values["sample_recall"]})]
    assert severity(IMBALANCE, made) is None


# Order and split

SPLIT = "data_split_problem"


def in_order(share=0.9, accuracies=STUCK, logs=None, **changes):
    changes = {"fit__shuffle": False, "data__of_batches": share} | changes
    return record(accuracies, logs=logs, **changes)


def gap(size):
    """Return logs of a run with a skill of 0.9 that loses this on validation data."""
    return {"val_accuracy": [of_skill(0.9 - size)] * 3}


STREAM = {"data__streamed": True, "fit__shuffle": None}
SINGLE = {TARGET + "std": 0.0, TARGET + "rows": 100, "data__of_batches": 0.0}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (in_order(0.99 * BETWEEN_BATCHES), None),
        (in_order(BETWEEN_BATCHES), "high"),
        (in_order(None), None),
        (in_order(fit__shuffle=True), None),
        (in_order(**STREAM), "high"),
        (in_order(**STREAM | {"fit__shuffle": True}), "high"),
        (in_order(0.4, **STREAM), None),
        (in_order(accuracies=()), "medium"),
        (in_order(accuracies=(), **STREAM), "medium"),
        # A model that does well was not harmed.
        (in_order(accuracies=(of_skill(0.79),) * 3), "high"),
        (in_order(accuracies=(of_skill(0.81),) * 3), None),
        (in_order(accuracies=(of_skill(0.81),) * 3, **STREAM), "medium"),
        (in_order(accuracies=(of_skill(0.9),) * 3, logs=gap(0.19)), None),
        (in_order(accuracies=(of_skill(0.9),) * 3, logs=gap(0.21)), "high"),
        (in_order(**UNKNOWN), "medium"),
        (in_order(**{OUTPUT + "task": "regression"}), None),
        # A stream of a single class.
        (in_order(**STREAM | SINGLE), "high"),
        (in_order(**STREAM | SINGLE | {OUTPUT + "task": "binary"}), "high"),
        (in_order(**STREAM | SINGLE | {OUTPUT + "task": "categorical"}), None),
        (in_order(**STREAM | SINGLE | {TARGET + "rows": 99}), None),
        (in_order(**STREAM | SINGLE | {TARGET + "std": 0.1}), None),
        (in_order(**SINGLE), None),
    ],
)
def test_the_order_of_samples_counts_where_nothing_shuffles_them(made, expected):
    assert severity(SPLIT, made, "sorted_batches") == expected


def test_the_order_of_samples_is_told_with_what_shuffles_them():
    made = in_order(0.75)
    assert says("sorted by label: 75% of what targets vary", SPLIT, made, SORTED)
    assert "shuffle=True" in finding(SPLIT, made, SORTED).remedies[0].code
    made = in_order(0.75, **STREAM)
    assert says("75% of what targets vary in 300 samples of", SPLIT, made, SORTED)
    assert "dataset" in finding(SPLIT, made, SORTED).remedies[0].code
    made = in_order(**STREAM | SINGLE)
    assert says("All 300 samples that were looked at in the", SPLIT, made, SORTED)


SORTED = "sorted_batches"


@pytest.mark.parametrize(
    ("columns", "rows", "expected"),
    [
        ([[1], []], 80, "high"),
        ([[1], []], 79, None),
        ([[1], []], None, None),
        ([[], []], 80, None),
        (None, 80, None),
    ],
)
def test_columns_give_the_class_away_from_some_samples_on(columns, rows, expected):
    changes = {OUTPUT + "telling_columns": columns, "data__sampled": rows}
    assert severity(SPLIT, record(WELL, **changes), "telling_columns") == expected


def test_the_first_columns_that_give_the_class_away_are_listed():
    changes = {OUTPUT + "telling_columns": [[0, 2, 3], [5, 7, 8]]}
    made = record(WELL, **changes)
    assert says("class away: 0, 2, 3, 5, 7. In each", SPLIT, made, "telling_columns")
    code = finding(SPLIT, made, "telling_columns").remedies[0].code
    assert "[0, 2, 3, 5, 7, 8]" in code


def of_split(other, logs=None, **changes):
    other = {"rows": 90, "inputs": [], "outputs": [], **other}
    return record((0.5, 0.7, 0.9), logs=logs, data__validation=other, **changes)


def classes(counts):
    """Return facts of targets with this number of samples of each class."""
    values = [float(label) for label in counts]
    return {"shape": [], "values": values, "counts": [*counts.values()]}


ONE_CLASS = {TARGET + "values": [0.0], TARGET + "counts": [300]}


@pytest.mark.parametrize(
    ("validation", "changes", "words"),
    [
        ({0: 50, 1: 50}, {}, None),
        ({0: 1, 1: 1}, ONE_CLASS, "All training samples belong to one class, and the "),
        ({0: 90}, ONE_CLASS, None),
        # Of a stream, only the first samples are known.
        ({0: 50, 1: 50}, ONE_CLASS | STREAM, None),
        ({7: 90}, STREAM, None),
        ({7: 90}, {}, "100% of the validation labels never occur"),
        ({0: 90}, {}, "the class frequencies differ by 67%, and 0%"),
        ({7: 90}, {OUTPUT + "task": "regression"}, None),
        ({7: 90}, {TARGET + "values": None}, None),
        ({7: 90}, {TARGET + "shape": [3]}, None),
        ({7: 90}, {TARGET + "shape": [1]}, "never occur"),
    ],
)
def test_validation_data_has_the_classes_of_the_training_data(
    validation, changes, words
):
    made = of_split({"outputs": [classes(validation)]}, **changes)
    assert (severity(SPLIT, made) == "high") == (words is not None)
    assert words is None or says(words, SPLIT, made)


def test_validation_data_without_known_classes_is_let_pass():
    assert severity(SPLIT, of_split({"outputs": [{"shape": [3]}]})) is None
    assert severity(SPLIT, of_split({"outputs": None, "inputs": None})) is None
    made = of_split({"outputs": [classes({7: 90})]})
    made.structure["data"]["inputs"] = []
    assert severity(SPLIT, made) is None


@pytest.mark.parametrize(("shares", "told"), [([1, 0, 0], True), ([0.3] * 3, False)])
def test_one_hot_targets_have_classes_too(shares, told):
    one_hot = {TARGET + "one_hot": True, TARGET + "column_mean": [0.3, 0.3, 0.4]}
    other = {"one_hot": True, "column_mean": shares, "rows": 90}
    made = of_split({"outputs": [other]}, **one_hot)
    assert says("the class frequencies differ by 70%", SPLIT, made) == told


FAR = {"mean": 120.0, "std": 70.0, "rows": FEWEST_INPUTS, "dtype": "float32"}


@pytest.mark.parametrize(
    ("facts", "training", "told"),
    [
        ({}, {}, True),
        ({"rows": FEWEST_INPUTS - 1}, {}, False),
        ({}, {"dtype": "int32"}, True),
        ({}, {"dtype": "uint8", "std": 0.0}, False),
        ({}, {"dtype": "int32", "std": 0.0}, False),
        ({}, {"dtype": "float32", "std": 0.0}, True),
        ({"mean": 0.0, "std": 1.0}, {}, False),
    ],
)
def test_validation_inputs_have_the_scale_of_training_inputs(facts, training, told):
    changes = {INPUT + name: value for name, value in training.items()}
    made = of_split({"inputs": [{**FAR, **facts}]}, **changes)
    assert says("Validation inputs are on another scale", SPLIT, made) == told


def test_validation_inputs_of_unknown_scale_are_let_pass():
    known = {key: value for key, value in FAR.items() if key != "std"}
    assert severity(SPLIT, of_split({"inputs": [known]})) is None
    made = of_split({"inputs": [FAR]})
    made.structure["data"]["inputs"][0].pop("std")
    assert severity(SPLIT, made) is None


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ({"recall": 0.5, "renumbered": 0.8}, True),
        ({"recall": 0.5, "renumbered": 0.79}, False),
        ({"recall": None, "renumbered": 0.9}, False),
        ({"recall": 0.1, "renumbered": None}, False),
        (None, False),
    ],
)
def test_validation_classes_are_numbered_like_training_classes(scores, told):
    made = of_split({}, data__validation_scores=scores)
    assert (severity(SPLIT, made) == "high") == told
    assert says("50% of the validation samples of a class, and 80%", SPLIT, made) == (
        told
    )
    if told:
        [remedy] = finding(SPLIT, made).remedies
        assert "searchsorted" in remedy.code


@pytest.mark.parametrize(
    ("inside", "outside", "what"),
    [
        (0.6, 0.7, "70% of the validation targets"),
        (0.8, 0.7, "80% of the validation in"),
    ],
)
def test_what_is_farther_outside_the_range_is_told(inside, outside, what):
    other = {"outside": inside, "targets_outside": outside}
    made = of_split(other, {"val_accuracy": (0.5,) * 3})
    assert says(what, SPLIT, made)


def test_a_range_counts_where_the_gap_is_known():
    assert severity(SPLIT, of_split({"outside": 0.9})) is None
    assert severity(SPLIT, of_split({}, {"val_accuracy": (0.4,) * 3})) is None


def test_all_that_is_wrong_with_validation_data_is_told():
    other = {"inputs": [FAR], "outputs": [classes({7: 90})], "in_training": 0.9}
    found = finding(SPLIT, of_split(other))
    assert len(found.evidence) == 3 and found.where == "validation_data"


def test_thresholds_of_rules_on_data_are_near_these():
    from kcomponents.doctor.rules import inputs, labels, splits

    near = {
        (inputs, "ALIKE"): 0.03,
        (labels, "FEWEST"): 80,
        (labels, "GAIN_OF_PAIRS"): 0.1,
        (labels, "TRAINED"): 0.05,
        (labels, "NOTHING"): 0.08,
        (labels, "NO_SIGNAL"): 0.04,
        (labels, "MUCH_PADDING"): 0.3,
        (labels, "MOST"): 0.8,
        (labels, "FREQUENT"): 0.2,
        (labels, "GIVEN_UP"): 0.05,
        (splits, "BETWEEN_BATCHES"): 0.5,
    }
    for (module, name), value in near.items():
        assert math.isclose(getattr(module, name), value, rel_tol=0.3), name


WRONG = "wrong_loss_or_output_activation"


def unlike_probabilities(activation=None, **facts):
    """Return what the rule says of outputs whose activation is not known."""
    changes = {OUTPUT + name: value for name, value in facts.items()}
    made = record(WELL, **{OUTPUT + "activation": activation}, **changes)
    return severity(WRONG, made, "wrong_output")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"lowest": 0.0, "highest": 1.0, "sums_to_one": True}, None),
        ({"lowest": -0.009, "highest": 1.0}, None),
        ({"lowest": -0.011, "highest": 1.0}, "high"),
        ({"lowest": -3.0, "highest": 3.0, "from_logits": True}, None),
        # Outputs of several classes are divided by their sum.
        ({"lowest": 0.0, "highest": 9.0}, None),
        (
            {
                "lowest": 0.0,
                "highest": 1.02,
                "loss": "BinaryCrossentropy",
                "task": "binary",
                "target__max": 1.0,
                "units": 1,
                "shape": [],
            },
            "high",
        ),
        ({"lowest": -3.0, "loss": None}, None),
        # A softmax before a loss that applies one.
        ({"sums_to_one": True, "from_logits": True}, "high"),
        ({"sums_to_one": False, "from_logits": True}, None),
        ({"sums_to_one": True, "from_logits": True, "loss": None}, None),
    ],
)
def test_outputs_themselves_say_whether_they_are_probabilities(facts, expected):
    assert unlike_probabilities(**facts) == expected


@pytest.mark.parametrize(
    ("axis", "expected"), [(0, "high"), (-1, None), (1, None), (None, None)]
)
def test_a_loss_over_the_samples_is_wrong(axis, expected):
    found = unlike_probabilities("softmax", loss_axis=axis)
    assert found == expected


@pytest.mark.parametrize(
    ("values", "shape", "expected"),
    [
        ([0.0, 1.0], [], "medium"),
        ([0.0, 1.0], [1], "medium"),
        ([0.0, 1.0], [7], None),
        ([0.0], [], None),
        ([float(n) for n in range(100)], [], "medium"),
        ([float(n) for n in range(101)], [], None),
    ],
)
def test_classes_in_order_are_seen_where_progress_is_not_judged(
    values, shape, expected
):
    target = {TARGET + "values": values, TARGET + "shape": shape}
    made = in_order(accuracies=(), **UNKNOWN, **target)
    assert severity(SPLIT, made, SORTED) == expected
    # Trained, and whether well is not known.
    made = in_order(**UNKNOWN, **target)
    assert severity(SPLIT, made, SORTED) == expected
