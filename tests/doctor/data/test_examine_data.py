"""examine_data: each check on data with the problem, and on data without."""

import ast
import pathlib
import sys

import numpy as np
import pytest

from kcomponents.doctor.data.arrays import kind_of
from kcomponents.doctor.data.examine_data import examine_data
from kcomponents.doctor.data.findings import ORDER, diagnosis
from kcomponents.doctor.diagnosis import Finding

pytestmark = pytest.mark.any_backend

DIGITS = pathlib.Path(__file__).parents[3] / "recipes" / "data" / "mnist10k.npz"
XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def classes(rows, count=2, seed=1):
    return np.random.default_rng(seed).integers(0, count, rows)


def look(x, y=None, **settings):
    return examine_data(x, y, **{"baseline": False, **settings})


def labels(diagnosis):
    return [found.label for found in diagnosis.findings]


def note(diagnosis, words):
    found = [text for text in diagnosis.notes if words in text]
    assert len(found) == 1, diagnosis.notes
    return found[0]


def quiet(diagnosis):
    return diagnosis.verdict == "healthy" and diagnosis.notes == ()


# Nothing to say


@pytest.mark.parametrize(
    "x, y",
    [
        (draw(200, 3), classes(200)),
        (draw(200, 3), np.eye(3)[classes(200, 3)]),
        (draw(200, 3), np.eye(3, dtype=bool)[classes(200, 3)]),
        (draw(200, 3), draw(200, 2)[:, :1]),
        (draw(200, 3), draw(200, 2)),
        (draw(200, 3).astype("float16"), draw(200) > 0),
        (draw(200), classes(200).astype("float32")[:, None]),
        (draw(200, 3).tolist(), classes(200).tolist()),
        (draw(200, 6, 5, 3), classes(200)),
        (draw(200, 6, 4), None),
        ({"a": draw(200, 3), "b": draw(200)}, classes(200)),
        ([draw(200, 3), draw(200, 2)], classes(200)),
        (classes(200 * 6, 90).reshape(200, 6), classes(200)),
        (classes(200 * 24).reshape(200, 24) > 0, classes(200)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_that_suit_are_let_pass(x, y):
    found = look(x, y)
    assert found.verdict == "healthy"
    assert not [text for text in found.notes if "Neighbors" not in text]


def test_the_digits_get_notes_and_no_finding():
    with np.load(DIGITS) as arrays:
        x, y = arrays["x"], arrays["y"]
    training, validation = (x[:8000], y[:8000]), (x[8000:], y[8000:])
    found = look(*training, validation_data=validation)
    assert found.verdict == "healthy"
    assert "Rescaling(1 / 255)" in note(found, "from 0 to 255")
    assert "convolutions can use that" in note(found, "Neighbors in x correlate 0.69")
    assert len(found.notes) == 2


def test_xor_is_no_fault():
    found = examine_data(*XOR)
    assert found.verdict == "healthy"
    assert "too few" in note(found, "Only 4 samples")
    many = np.tile(XOR[0], (100, 1)), np.tile(XOR[1], 100)
    found = look(*many, validation_data=XOR)
    assert found.verdict == "healthy"
    assert note(found, "100.0% of the validation samples have the inputs of a training")


def test_one_row_is_too_few():
    found = examine_data([[1.0, 2.0]], [1])
    assert found.verdict == "healthy" and len(found.notes) == 1
    assert note(found, "Only 1 sample, too few")


# Values


def test_values_that_are_not_finite_are_found_in_inputs_and_targets():
    x, y = draw(200, 3), draw(200)
    x[5, 1], x[5, 2], x[8, 0] = np.nan, np.inf, np.nan
    y[9] = -np.inf
    found = look(x, y)
    assert found.verdict == "inconsistent"
    assert labels(found) == ["loss_nan", "label_problem"]
    assert "1 infinite, in 2 of 200 samples (samples 5, 8;" in str(found.findings[0])
    assert found.findings[1].where == "y"


def test_rows_that_are_not_finite_are_left_out_of_the_rest():
    x = draw(200, 3)
    x[:50, 0] = np.nan
    found = look(x, classes(200))
    assert labels(found) == ["loss_nan"] and not found.notes
    x[:, 0] = np.nan
    assert note(look(x, classes(200)), "Less than half of 200 samples are finite")


def test_validation_data_that_are_not_finite_are_named():
    x, y = draw(200, 3), classes(200)
    found = look(x, y, validation_data=(np.full((20, 3), np.nan), classes(20)))
    assert found.findings[0].where == "validation x"


def test_inputs_that_never_differ_are_a_finding():
    found = look(np.ones((100, 3)), classes(100))
    assert labels(found) == ["not_learning"]
    assert note(found, "Constant columns in x: 3 of 3 (0, 1, 2)")


# Size


@pytest.mark.parametrize("parameters, noted", [(None, 0), (4000, 0), (4001, 1)])
def test_parameters_are_compared_with_rows_and_outputs(parameters, noted):
    found = look(draw(200, 3), classes(200), parameters=parameters)
    assert found.verdict == "healthy"
    assert sum("overfitting" in text for text in found.notes) == noted


def test_outputs_without_a_target_are_the_inputs():
    assert note(look(draw(200, 3), parameters=6001), "200 samples x 3 outputs")


def test_few_rows_and_small_classes_are_noted():
    assert note(look(draw(49, 3), classes(49)), "Only 49 samples, too few")
    y = np.append(classes(95), [2] * 5)
    assert "1 of 3 (2)" in note(look(draw(100, 3), y), "less than 10 samples")


# Scale


@pytest.mark.parametrize(
    "scale, expected",
    [
        ((1, 1, 1), None),
        ((14, 1, 1), None),
        ((20, 1, 1), "medium"),
        ((60, 1, 1), "high"),
        ((1, 1, 2e-4), "note"),
        ((6, 1, 1e-3), "medium"),
        ((1e9, 1, 1), "high"),
    ],
)
def test_the_size_of_columns_is_judged(scale, expected):
    found = look(draw(200, 3) * scale, classes(200))
    if expected in (None, "note"):
        assert found.verdict == "healthy"
        assert sum("Normalization" in text for text in found.notes) == bool(expected)
    else:
        assert labels(found) == ["unnormalized_input"]
        assert found.findings[0].severity == expected


def test_a_mean_far_off_is_judged_like_a_large_spread():
    found = look(draw(200, 3) + [1.6e9, 0, 0], classes(200))
    assert labels(found) == ["unnormalized_input"]


def test_each_input_is_judged_by_itself():
    found = look({"a": draw(200, 3), "b": draw(200, 1) * 1e5}, classes(200))
    assert [f.where for f in found.findings] == ["x['b']"]


def test_columns_that_are_nearly_always_zero_are_of_no_other_scale():
    x = draw(10_000, 3)
    x[:, 2] = 0
    x[:1, 2] = 1
    assert quiet(look(x, classes(10_000)))


def test_single_values_far_off_are_noted():
    x = draw(15_000, 2)
    x[7, 1] = 1.1e3
    assert "1 value beyond 1000" in note(look(x, classes(15_000)), "far from")


def test_whole_numbers_may_be_pixels_or_ids_or_amounts():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (200, 8, 8, 3))
    assert note(look(images, classes(200)), "Rescaling(1 / 255)")
    assert note(look(images.astype("float32"), classes(200)), "Rescaling(1 / 255)")
    letters = generator.integers(32, 127, (200, 30), dtype="uint8")
    assert note(look(letters, classes(200)), "keras.layers.Embedding")
    words = generator.integers(0, 20_000, (200, 30))
    found = look(words, classes(200))
    assert found.verdict == "healthy" and note(found, "keras.layers.Embedding")
    people = np.stack([generator.integers(18, 90, 200), generator.integers(1, 9, 200)])
    people = np.concatenate([people, generator.integers(20_000, 90_000, (1, 200))]).T
    assert labels(look(people, classes(200))) == ["unnormalized_input"]


# Columns


def test_columns_that_are_of_no_use_are_noted():
    x = draw(200, 3)
    x = np.stack([x[:, 0], np.ones(200), x[:, 1], x[:, 0], np.arange(200.0)], axis=1)
    found = look(x, classes(200))
    assert "1 of 5 (1)" in note(found, "Constant columns")
    assert "1 of 5 (3 = 0)" in note(found, "Duplicate columns")
    assert "(column 4)" in note(found, "contains row numbers")


def test_a_column_that_is_the_target_is_noted():
    x, y = draw(200, 3), draw(200, seed=2)
    x[:, 1] = 3 * y + 1
    assert "(1)" in note(look(x, y), "may leak y")
    labels = classes(200, 3)
    x[:, 2] = labels == 1
    assert "(2)" in note(look(x, labels), "may leak y")
    assert "(2)" in note(look(x, np.eye(3)[labels]), "may leak y")
    x[0, 2] = 1 - x[0, 2]
    assert quiet(look(x, labels))


# Targets


@pytest.mark.parametrize(
    "y, kind",
    [
        (classes(100), "labels"),
        (classes(100, 60) + 1, "numbers"),
        (classes(1000, 60), "labels"),
        (classes(100).astype("float32")[:, None], "labels"),
        (np.sign(draw(100)), "labels"),
        (np.round(draw(100) * 9), "numbers"),
        (draw(100), "numbers"),
        (classes(100, 900_000), "numbers"),
        (np.eye(4)[classes(100, 4)], "one_hot"),
        (np.random.default_rng(0).dirichlet([1, 1], 100), "one_hot"),
        (draw(100, 5) > 0, "multilabel"),
        (draw(100, 5), "numbers"),
        (draw(100, 5, 5), "numbers"),
        (classes(500, 99).reshape(100, 5), "positions"),
    ],
)
def test_targets_are_read_by_what_they_hold(y, kind):
    assert kind_of(y) == kind


@pytest.mark.parametrize(
    "y", [np.zeros(99), np.ones((99, 1), bool), np.full(99, 0.5), np.ones((99, 3))]
)
def test_one_label_only_is_a_finding(y):
    assert labels(look(draw(99, 3), y)) == ["label_problem"]


@pytest.mark.parametrize(
    "values, words",
    [
        ([0, 1, 2], None),
        ([1, 2, 3], "expects"),
        ([0, 2, 5], "range from 0 to 5"),
        ([-1, 1], "hinge"),
    ],
)
def test_labels_are_wanted_from_zero_without_gaps(values, words):
    y = np.array(values)[classes(200, len(values))]
    found = look(draw(200, 3), y)
    assert found.verdict == "healthy"
    assert note(found, words) if words else quiet(found)


def test_the_reading_of_a_target_that_may_be_amounts_is_told():
    assert note(look(draw(900, 3), classes(900, 60)), "pass floats for a regression")
    words = classes(900, 60).reshape(300, 3)
    assert note(look(draw(300, 3), words), "one label per position")
    assert quiet(look(draw(300, 3), (words - 30) / 20))


def test_rows_that_are_nearly_one_hot_are_noted():
    y = np.eye(3)[classes(200, 3)]
    y[:4] = 0
    assert "4 of 200" in note(look(draw(200, 3), y), "do not sum to 1")
    y = np.eye(4)[classes(200, 3)]
    assert "1 of 4 (3)" in note(look(draw(200, 3), y), "Constant columns in y")


@pytest.mark.parametrize(
    "rare, severity", [(150, None), (50, "note"), (15, "low"), (4, "medium")]
)
def test_rare_classes_are_noted_and_very_rare_ones_found(rare, severity):
    y = np.zeros(1000, int)
    y[np.random.default_rng(0).permutation(1000)[:rare]] = 1
    found = look(draw(1000, 3), y)
    if severity in (None, "note"):
        assert found.verdict == "healthy"
        assert sum("class_weight" in text for text in found.notes) == bool(severity)
    else:
        assert labels(found) == ["class_imbalance"]
        assert found.findings[0].severity == severity


@pytest.mark.parametrize(
    "scale, shift, expected",
    [
        (1, 0, None),
        (1, 5, None),
        (1, 14, "note"),
        (20, 0, "finding"),
        (1, 30, "finding"),
        (0.005, 0, "finding"),
    ],
)
def test_the_size_of_amounts_is_judged(scale, shift, expected):
    found = look(draw(200, 3), draw(200, seed=2) * scale + shift)
    if expected == "finding":
        assert labels(found) == ["unnormalized_target"]
    else:
        assert found.verdict == "healthy"
        assert sum("(y - mean) / std" in t for t in found.notes) == bool(expected)


# Rows that occur twice


def test_identical_inputs_with_other_labels_are_a_finding():
    x = np.tile(draw(100, 5, 5), (2, 1, 1))
    found = look(x, classes(200, 10))
    assert labels(found) == ["label_problem"]
    assert "no model can be right on more than" in str(found.findings[0])
    assert "200 samples have only 100 different inputs" in note(found, "duplicates")


def test_few_identical_inputs_are_a_note():
    x, y = draw(200, 5), classes(200)
    x[10:20], y[10:20] = x[:10], 1 - y[:10]
    assert note(look(x, y), "10.0% of the samples have the same inputs as a")
    y[10:20] = y[:10]
    assert quiet(look(x, y))
    shares = np.stack([y * 0.8 + 0.1, 0.9 - y * 0.8], axis=1)
    shares[10:20] += [0.05, -0.05]  # less sure of the same class
    assert quiet(look(x, shares))


def test_a_table_of_categories_may_contradict_itself():
    x = classes(800, 3).reshape(200, 4)
    found = look(x, classes(200))
    assert found.verdict == "healthy"
    assert note(found, "no model can be right on more than")


def test_signs_of_zero_do_not_matter():
    x = draw(200, 5)
    x[:, 0] = 0.0
    x[100:] = x[:100]
    x[100:, 0] = -0.0
    assert "label_problem" in labels(look(x, np.repeat([0, 1], 100)))


# Splits


def test_validation_rows_that_were_trained_on_are_a_finding():
    x, y = draw(200, 5), classes(200)
    found = look(x, y, validation_data=(x[:50].astype("float32"), y[:50]))
    assert found.verdict == "healthy"  # other numbers, once they are rounded
    x = x.astype("float32")
    found = look(x, y, validation_data=(x[:50].astype("float64"), y[:50]))
    assert labels(found) == ["data_split_problem"]
    others = np.concatenate([x[:10], draw(90, 5, seed=5)]), classes(100)
    assert note(look(x, y, validation_data=others), "10.0% of the validation samples")


def test_classes_that_training_never_sees_are_a_finding():
    x, y = draw(200, 5), classes(200)
    other = draw(60, 5, seed=5)
    found = look(x, y, validation_data=(other, np.full(60, 2)))
    assert labels(found) == ["data_split_problem"]
    evidence = " ".join(found.findings[0].evidence)
    assert "1 (2), in 100.0% of the samples" in evidence
    assert "total variation" in evidence
    assert quiet(look(x, y, validation_data=(other, classes(60))))
    rare = np.append(classes(199), 2)
    found = look(x, y, validation_data=(draw(200, 5, seed=5), rare))
    assert found.verdict == "healthy" and note(found, "in 0.5% of the samples")


def test_other_shares_of_the_same_classes_are_a_finding():
    y, other = np.arange(200) % 4 == 0, np.arange(60) % 6 != 0
    pair = draw(60, 5, seed=5), other
    assert labels(look(draw(200, 5), y, validation_data=pair)) == ["data_split_problem"]


def test_validation_inputs_of_another_size_or_mean_are_told():
    x, y, other = draw(200, 5), classes(200), draw(60, 5, seed=5)
    found = look(x, y, validation_data=(other / 255, classes(60)))
    assert labels(found) == ["data_split_problem"]
    assert "scale both the same way" in str(found.findings[0])
    assert quiet(look(x, y, validation_data=(other[:9] / 255, classes(9))))
    found = look(x, y, validation_data=(other + [0, 5, 0, 0, 0], classes(60)))
    assert found.verdict == "healthy" and "1 of 5 (1)" in note(found, "mean in vali")


def test_rows_sorted_by_target_are_noted():
    x = draw(200, 3)
    assert note(look(x, np.sort(classes(200, 5))), "sorted by label")
    assert note(look(x, np.sort(draw(200))[::-1]), "sorted by target")
    y = np.sort(classes(200))
    pair = draw(60, 3, seed=5), classes(60)
    assert quiet(look(x, y, validation_data=pair))


# Neighbors


def smooth(*shape):
    return np.cumsum(draw(*shape), axis=1)


@pytest.mark.parametrize(
    "x, words",
    [
        (smooth(300, 30), "can use that"),
        (smooth(300, 30, 2), "can use that"),
        (smooth(300, 12, 12, 1), "can use that"),
        (smooth(300, 30)[:, np.random.default_rng(0).permutation(30)], "little to use"),
        (draw(300, 30), "little to use"),
        (draw(300, 30, 2), "little to use"),
        (draw(300, 12, 12, 3), "little to use"),
        (draw(300, 12, 6, 6, 1), "little to use"),
    ],
)
def test_neighbors_that_correlate_are_told_from_others(x, words):
    assert words in note(look(x), "Neighbors in x correlate")


@pytest.mark.parametrize(
    "x", [draw(300, 7), draw(19, 30), np.ones((300, 9)), classes(9000).reshape(300, 30)]
)
def test_nothing_is_said_of_few_places_few_rows_and_ids(x):
    assert not [text for text in look(x).notes if "Neighbors" in text]


# Baseline


@pytest.fixture
def learned():
    return pytest.importorskip("sklearn")


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda x: classes(600), "no signal found"),
        (lambda x: 2 * x[:, 0] + x[:, 1], "a linear model is nearly perfect"),
        (lambda x: np.abs(x[:, 0]) > 0.7, "boosted trees are nearly perfect"),
        (lambda x: x[:, 0] ** 2 + draw(600, seed=9), "the relation is not linear"),
        (lambda x: x[:, 0] + draw(600, seed=9), "a deep network should beat 0."),
        (lambda x: x[:, :2] + draw(600, 2, seed=9), "a deep network should beat"),
        (lambda x: draw(600, 6, seed=9) > 0, "no signal found"),
    ],
)
def test_simple_models_tell_what_a_net_must_beat(learned, make, words):
    x = draw(600, 4)
    found = examine_data(x, make(x))
    assert found.verdict == "healthy"
    assert words in note(found, "Quick baselines")


def test_simple_models_are_asked_about_the_validation_data(learned):
    x, y = draw(600, 4), classes(600)
    pair = draw(77, 4, seed=5), classes(77)
    assert note(examine_data(x, y, validation_data=pair), "on 77 held-out samples")
    broken = pair[0] / 1000, pair[1]
    assert note(examine_data(x, y, validation_data=broken), "on 180 held-out samples")


def test_simple_models_look_at_some_rows_and_columns_only(learned):
    x = draw(6000, 600)
    assert note(examine_data(x, x[:, 0]), "on 1,500 held-out samples")


def test_simple_models_cannot_judge_ids_and_rare_classes(learned):
    words = classes(200 * 6, 900).reshape(200, 6)
    assert note(examine_data(words, classes(200)), "cannot use ids")
    y = np.arange(200) % 16 == 0
    assert note(examine_data(draw(200, 3), y), "accuracy says little")


def test_without_scikit_learn_a_note_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    found = examine_data(draw(200, 3), classes(200))
    assert found.notes == (
        'Quick baselines need scikit-learn: `pip install "kcomponents[data]"`.',
    )
    assert quiet(look(draw(200, 3), classes(200)))


def test_too_many_outputs_are_left_to_the_net():
    assert note(examine_data(draw(200, 3), draw(200, 60)), "y has 60 outputs")


# Promises


def test_nothing_is_changed(learned):
    x, y = draw(300, 9), classes(300)
    x[3, 3] = np.nan
    other = draw(60, 9, seed=5), classes(60)
    copies = [array.copy() for array in (x, y, *other)]
    for array in (x, y, *other):
        array.flags.writeable = False
    examine_data(x, y, validation_data=other)
    for array, copy in zip((x, y, *other), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_the_same_seed_says_the_same(learned):
    x, y = draw(600, 30), classes(600)
    first, again, other = (examine_data(x, y, seed=seed) for seed in (3, 3, 4))
    assert first == again != other


def test_each_finding_has_a_remedy_with_code_that_is_python():
    x = draw(200, 3) * [1e9, 1, 1]
    x[0, 1] = np.nan
    found = look(x, np.zeros(200))
    assert labels(found) == ["loss_nan", "label_problem", "unnormalized_input"]
    assert all(each.remedies for each in found.findings)
    for remedy in [remedy for each in found.findings for remedy in each.remedies]:
        ast.parse(remedy.code)
        assert remedy.reason.endswith(".")


def test_three_findings_are_shown_and_the_rest_become_notes():
    said = [Finding(label, "x", ("Bad.",), "high") for label in reversed(ORDER)]
    found = diagnosis([*said, "A note."])
    assert labels(found) == list(ORDER[:3])
    assert found.notes == ("A note.", *(f"{rule} (x): Bad." for rule in ORDER[3:]))


@pytest.mark.parametrize(
    "x, y, settings, words",
    [
        (draw(9, 3), np.zeros(8), {}, "same number of samples"),
        (draw(9, 3), ["cat", "dog", "cow"] * 3, {}, "np.unique"),
        ([["cat"], ["dog"]], None, {}, "StringLookup"),
        (draw(9, 3).astype(object), None, {}, 'x.astype("float32")'),
        (draw(9, 3) * 1j, None, {}, "real numbers"),
        (np.zeros(3, [("a", "f4"), ("b", "f4")]), None, {}, "real numbers"),
        ([[1], [2, 3]], None, {}, "numpy.asarray"),
        (3.0, None, {}, "at least one sample"),
        (np.zeros((0, 3)), None, {}, "at least one sample"),
        ({}, None, {}, "at least one array"),
        (draw(9, 3), None, {"parameters": 0}, "`parameters`"),
        (draw(9, 3), None, {"seed": -1}, "`seed`"),
        (draw(9, 3), None, {"seed": True}, "`seed`"),
        (draw(9, 3), None, {"validation_data": draw(9, 3)}, "a pair"),
        (draw(9, 3), draw(9), {"validation_data": (draw(9, 3), None)}, "for both"),
        (draw(9, 3), None, {"validation_data": (draw(9, 2), None)}, "same shapes"),
        (
            {"a": draw(9)},
            None,
            {"validation_data": ({"b": draw(9)}, None)},
            "same shapes",
        ),
    ],
)
def test_what_cannot_be_looked_at_is_refused(x, y, settings, words):
    with pytest.raises(ValueError, match=r"Received: ") as error:
        examine_data(x, y, **settings)
    assert words in str(error.value)
