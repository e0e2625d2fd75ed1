"""Records made by hand: each label, its evidence, and no finding without harm."""

import ast

import pytest

from kcomponents.doctor import LABELS, RULES, Diagnosis, compare, examine
from kcomponents.doctor.diagnosis import CONSISTENCY
from kcomponents.record import Record
from tests.doctor.cases import INPUT, KERNELS, NAN, OUTPUT, STUCK, record, sick

pytestmark = pytest.mark.any_backend


def labels(made):
    return [finding.label for finding in examine(made).findings]


def test_a_training_that_goes_well_has_no_findings():
    found = examine(record())
    assert found.verdict == "healthy" and found.findings == ()
    assert found.sentence == "No problems found."


@pytest.mark.parametrize("label", LABELS)
def test_each_label_is_given_for_what_it_says(label):
    found = examine(sick(label))
    assert label in [finding.label for finding in found.findings]
    assert found.verdict != "healthy" and len(found.findings) <= 3


@pytest.mark.parametrize("label", LABELS)
def test_findings_give_their_numbers_and_code_to_paste(label):
    [finding, *_] = [f for f in examine(sick(label)).findings if f.label == label]
    assert finding.evidence and all(text.endswith(".") for text in finding.evidence)
    assert finding.remedies
    for remedy in finding.remedies:
        ast.parse(remedy.code)
        assert remedy.reason.endswith(".") and str(remedy)


def test_findings_and_remedies_are_shown_in_one_line():
    [finding, *_] = examine(sick("dead_relu")).findings
    assert repr(finding).startswith("<Finding dead_relu at first, high: 95% of the")
    assert repr(finding.remedies[0]) == (
        "<Remedy hidden_activation: prelu or leaky_relu>"
    )
    assert "\n" not in repr(finding) + "".join(map(repr, finding.remedies))
    assert finding.to_dict()["label"] == "dead_relu"


# Suspicious values in runs that go well.
HARMLESS = [
    ({"dead_units": {"first": 0.95}}, {}),
    ({"saturated": {"first": 0.9}}, {}),
    ({"gradient_norm": {KERNELS[0]: 1e-6}}, {}),
    ({"update_ratio": dict.fromkeys(KERNELS, 0.3)}, {}),
    ({"update_ratio": dict.fromkeys(KERNELS, 1e-7)}, {}),
    ({}, {INPUT + "std": 90.0, INPUT + "max": 255.0}),
    ({}, {"layers__0__activation": "linear"}),
    ({}, {"optimizer__config__learning_rate": 1e-5}),
    ({}, {"optimizer__config__epsilon": 0.5}),
    ({}, {"layers__1__class": "Dropout", "layers__1__rate": 0.9}),
    ({}, {"initial__first/kernel__std": 9.0}),
]


@pytest.mark.parametrize("number", range(len(HARMLESS)))
def test_evidence_without_harm_is_no_finding(number):
    looks, changes = HARMLESS[number]
    assert labels(record(looks=looks, **changes)) == []


def test_a_rescaling_layer_in_front_keeps_input_scale_from_being_blamed():
    changes = {INPUT + "std": 90.0, "layers__0__class": "Rescaling"}
    assert "unnormalized_input" not in labels(record(STUCK, **changes))


def test_symptoms_are_left_out_where_a_sure_cause_explains_them():
    assert "not_learning" in labels(record(STUCK))
    found = labels(record(STUCK, **{"initial__first/kernel__units_equal": True}))
    assert found == ["bad_initialization"]


def test_the_verdict_follows_the_order_of_questions():
    both = {"weight_norm": {KERNELS[0]: NAN}}, {OUTPUT + "activation": "linear"}
    assert examine(record(STUCK, both[0], **both[1])).verdict == "not_finite"
    assert examine(record(STUCK, **both[1])).verdict == "inconsistent"
    assert examine(record(STUCK)).verdict == "not_learning"
    assert examine(record((0.5,) * 4)).verdict == "optimization_failure"
    assert examine(sick("overfitting")).verdict == "overfitting"


ENDED = {"ended": {"class": "ValueError", "reason": "Shapes differ."}}


def test_a_run_without_findings_has_a_verdict_that_says_what_is_known():
    assert examine(Record()).verdict == "not_watched"
    assert examine(record(())).verdict == "not_trained"
    assert examine(record()).verdict == "healthy"
    unknown = examine(record(**{OUTPUT + "task": "unknown"}))
    assert unknown.verdict == "not_judged" and unknown.findings == ()
    assert any("custom" in note for note in unknown.notes)


def test_a_run_that_ended_with_an_exception_was_interrupted():
    for made in (record(**ENDED), record((), **ENDED), record(STUCK, **ENDED)):
        found = examine(made)
        assert found.verdict == "interrupted"
        assert "`fit` ended with ValueError: Shapes differ." in found.notes


def test_what_contradicts_itself_is_a_better_verdict_than_interrupted():
    for label in sorted(CONSISTENCY):
        made = sick(label)
        made.structure.update(ENDED)
        assert examine(made).verdict == "inconsistent", label
    lost = record(STUCK, {"weight_norm": {KERNELS[0]: NAN}}, **ENDED)
    assert examine(lost).verdict == "not_finite"


def test_an_order_that_repeats_and_work_that_was_refused_are_notes():
    seeded = record(fit__repeats_order=True)
    assert any("same order of samples" in note for note in examine(seeded).notes)
    assert not any("same order" in note for note in examine(record()).notes)
    spared = record(work={"refused": ["pairing", "ranges"]})
    assert any(": pairing, ranges." in note for note in examine(spared).notes)
    assert len(examine(spared).notes) == len(examine(record()).notes) + 1


def test_rules_can_be_chosen_by_name_or_be_the_users_own():
    made = record(STUCK)
    assert [f.label for f in examine(made, ["not_learning"]).findings] == [
        "not_learning"
    ]
    assert examine(made, [lambda case: []]) == examine(made, [])
    assert len({rule.__name__ for rule in RULES}) == len(RULES)
    with pytest.raises(ValueError, match="must be functions, or among .*not_learning"):
        examine(made, ["dying_relu"])


def test_a_rule_that_fails_is_a_note_and_the_others_are_asked():
    def broken(case):
        return case.inputs[99]

    found = examine(record(STUCK), [broken, "not_learning"])
    assert [f.label for f in found.findings] == ["not_learning"]
    assert "Rule broken was skipped because it raised IndexError" in found.notes[0]
    for label in LABELS:
        assert not any("was skipped" in n for n in examine(sick(label)).notes)


def test_a_record_that_says_little_gives_no_finding():
    empty = examine(Record())
    assert isinstance(empty, Diagnosis) and empty.verdict == "not_watched"
    logs = Record()
    logs.add_logs(0, {"loss": 0.5})
    assert examine(logs).findings == ()
    assert examine(logs).verdict in ("healthy", "not_judged")
    assert any("does not describe the model" in n for n in examine(logs).notes)
    logs.add_logs(1, {"loss": NAN})
    assert examine(logs).verdict == "not_finite"
    bare = record(data=None, initial=None, fit=None)
    assert examine(bare).verdict == "not_judged" and examine(bare).findings == ()
    assert any("record has no data" in note for note in examine(bare).notes)


def test_a_record_cut_off_in_its_last_line_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "record.jsonl"
    sick("dead_relu").save(path)
    text = path.read_text()
    path.write_text(text[:-40])
    assert labels(Record.load(path)) == labels(sick("dead_relu"))


def of_depth(depth, **logs):
    dense = {"class": "Dense", "activation": "relu", "parameters": 9}
    made = Record({"layers": [{"path": str(n), **dense} for n in range(depth)]})
    made.add_logs(0, logs)
    return made


def test_a_deeper_net_with_a_higher_training_loss_is_not_optimized():
    found = compare(of_depth(20, loss=0.1), of_depth(56, loss=0.3))
    assert found.verdict == "optimization_failure"
    assert "56 layers the training loss is 0.3" in found.findings[0].evidence[0]
    assert found.findings[0].remedies[0].setting == "residual"


def test_a_deeper_net_that_is_worse_on_validation_only_overfits():
    shallow = of_depth(2, loss=0.3, val_loss=0.4)
    assert (
        compare(shallow, of_depth(9, loss=0.1, val_loss=0.9)).verdict == "overfitting"
    )
    assert compare(shallow, of_depth(9, loss=0.1, val_loss=0.3)).verdict == "not_judged"


def test_refuses_to_compare_what_cannot_be_compared():
    with pytest.raises(ValueError, match="hold a finite training loss"):
        compare(of_depth(2, loss=NAN), of_depth(3, loss=1.0))
    with pytest.raises(ValueError, match="the network with more layers"):
        compare(of_depth(3, loss=0.1), of_depth(3, loss=1.0))
