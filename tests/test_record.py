"""Records are read back from their files, even if the writer was killed."""

import ast
import copy
import json
import os
import pathlib
import pickle
import subprocess
import sys
import threading

import ml_dtypes
import numpy as np
import pytest

from kcomponents import _checks, _files, _json_values, _text, record
from kcomponents import record as record_module
from kcomponents.record import Reading, Record

pytestmark = pytest.mark.any_backend

NAN, INF = float("nan"), float("inf")
MODULES = [record, record_module, _json_values, _files, _checks, _text]
# Loads the record alone: neither Keras nor a backend can be imported.
ALONE = f"""
import sys, types
for name in ("keras", "tensorflow", "jax", "torch"):
    sys.modules[name] = None
package = types.ModuleType("kcomponents")
package.__path__ = [{str(pathlib.Path(record.__file__).parent)!r}]
sys.modules["kcomponents"] = package
from kcomponents.record import Reading, Record
"""
GROWS = """
record = Record(path=sys.argv[1], append=True)
while True:
    step = len(record.readings)
    # Long lines, for a kill to fall within one.
    values = {"grad_norm": {"all": [float(step)] * 2_000}}
    record.add(Reading(0, step, values))
    print(step, flush=True)
"""


def reading(step=7):
    values = {
        "grad_norm": {"all": 1.5, "dense/kernel": NAN, "dense/bias": -INF},
        "dead_relu": {"relu": [0.0, [INF, NAN], []]},
        "none": {},
    }
    return Reading(epoch=1, step=step, values=values)


def filled(path=None):
    facts = {"layers": [{"name": "inf", "units": 3, "rate": INF}], "seed": None}
    made = Record(facts, path)
    made.add(reading())
    made.add_logs(0, {"loss": NAN, "val_loss": 0.25})
    made.add(reading(8))
    made.add_logs(1, {"loss": -INF, "f1": [0.5, 1.0]})
    return made


def same(one, other):
    np.testing.assert_equal(one.to_dict(), other.to_dict())
    assert repr(one.to_dict()) == repr(other.to_dict())
    return True


def test_a_reading_comes_back_from_its_dict():
    data = reading().to_dict()
    back = Reading.from_dict(data)
    np.testing.assert_equal(back.to_dict(), data)
    assert set(data) == {"epoch", "step", "values"}
    back.values["grad_norm"]["all"] = 0.0
    assert data["values"]["grad_norm"]["all"] == 1.5


@pytest.mark.parametrize(
    "value, stored",
    [
        (2, 2.0),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.array(4, "int8"), 4.0),
        (np.array([[1, 2]], "float16"), [[1.0, 2.0]]),
        (np.ones(2, ml_dtypes.bfloat16), [1.0, 1.0]),
        ((np.float32(1), [2]), [1.0, [2.0]]),
        ([], []),
    ],
)
def test_a_reading_holds_floats_of_python(value, stored):
    taken = Reading(np.int64(1), np.int32(2), {"a": {"all": value}})
    assert (
        repr(taken) == f"Reading(epoch=1, step=2, values={{'a': {{'all': {stored}}}}})"
    )


def test_a_reading_stays_as_it_is_when_the_array_changes():
    array = np.zeros(2)
    taken = Reading(0, 0, {"a": {"all": array}})
    array += 1
    assert taken.values == {"a": {"all": [0.0, 0.0]}}
    with pytest.raises(AttributeError):
        taken.step = 3


@pytest.mark.parametrize("name", ["epoch", "step"])
@pytest.mark.parametrize("value", [-1, 1.0, True, "1", None, NAN])
def test_a_reading_rejects_invalid_counts(name, value):
    counts = {"epoch": 0, "step": 0, name: value}
    with pytest.raises(ValueError, match=f"`{name}` must be a whole number of at lea"):
        Reading(**counts, values={})


@pytest.mark.parametrize("value", ["1", "nan", True, None, 1j, [None], {}, [1, "2"]])
def test_a_reading_rejects_values_that_are_not_numbers(value):
    rule = r"`values\['a'\]\['all'\]` must be a number or a list of numbers. Received"
    with pytest.raises(ValueError, match=rule):
        Reading(0, 0, {"a": {"all": value}})


@pytest.mark.parametrize("values", [None, [], {1: {}}, {"a": 1.0}, {"a": {1: 1.0}}])
def test_a_reading_rejects_values_without_names(values):
    with pytest.raises(ValueError, match="must be a dict whose keys are strings"):
        Reading(0, 0, values)


@pytest.mark.parametrize("data", [{}, {"epoch": 0, "step": 0, "value": {}}, 3])
def test_a_reading_rejects_another_dict(data):
    with pytest.raises(ValueError, match="reading.*Received: reading="):
        Reading.from_dict(data)


def test_a_record_comes_back_from_its_dict():
    made = filled()
    data = made.to_dict()
    assert same(Record.from_dict(data), made)
    assert data["version"] == 1 and data["logs"][1] == {
        "epoch": 1,
        "loss": -INF,
        "f1": [0.5, 1.0],
    }
    data["structure"]["layers"].clear()
    data["logs"].clear()
    assert made.structure["layers"] and len(made.logs) == 2


def test_a_record_comes_back_from_its_file(tmp_path):
    made = filled()
    made.save(tmp_path / "saved")
    assert same(Record.load(tmp_path / "saved"), made)
    assert same(made, filled(tmp_path / "grown"))
    assert same(Record.load(tmp_path / "grown"), made)


def test_a_saved_and_an_appended_file_have_the_same_strict_lines(tmp_path):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    made = filled(tmp_path / "grown")
    made.save(tmp_path / "saved")
    saved, grown = ((tmp_path / n).read_text() for n in ("saved", "grown"))
    assert sorted(saved.splitlines()) == sorted(grown.splitlines())
    entries = [json.loads(li, parse_constant=refuse) for li in grown.splitlines()]
    assert [list(entry)[0] for entry in entries] == [
        "version",
        "reading",
        "logs",
        "reading",
        "logs",
    ]
    assert entries[1]["reading"]["values"]["grad_norm"]["dense/bias"] == "-inf"


def test_each_thing_added_is_in_the_file_at_once(tmp_path):
    made = Record(path=tmp_path / "a")
    assert same(Record.load(tmp_path / "a"), made)
    made.structure = {"loss": "mse", "rate": np.float32(0.5)}
    assert Record.load(tmp_path / "a").structure == {"loss": "mse", "rate": 0.5}
    made.add(reading())
    assert same(Record.load(tmp_path / "a"), made)
    made.structure = {"loss": "mae"}
    made.add_logs(0, {"loss": 1})
    assert same(Record.load(tmp_path / "a"), made)
    assert os.listdir(tmp_path) == ["a"]


def test_a_private_record_stays_private(tmp_path):
    made = filled(tmp_path / "a")
    os.chmod(tmp_path / "a", 0o600)
    made.structure = {"loss": "mae"}
    made.add(reading(9))
    Record(path=tmp_path / "a", append=True).save(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", [os.fsencode, str])
def test_the_path_of_a_record_may_be_bytes_or_text(tmp_path, kind):
    path = kind(tmp_path / "ä")
    made = filled(path)
    made.save(path)
    assert made.path == str(tmp_path / "ä") and same(Record.load(path), made)
    for wrong in ("", b"", 3, "a\0b"):
        with pytest.raises(ValueError, match="`path` must be the path of a file"):
            Record(path=wrong)


def test_a_record_through_a_link_leaves_the_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "a").symlink_to("disk/b")
    made = filled(tmp_path / "a")
    assert (tmp_path / "a").is_symlink() and same(Record.load(tmp_path / "a"), made)
    assert os.listdir(tmp_path / "disk") == ["b"]


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_record_that_an_editor_saved_is_read(tmp_path, ending, start):
    made = filled(tmp_path / "a")
    text = start + (tmp_path / "a").read_text().replace("\n", ending)
    (tmp_path / "a").write_bytes(text.encode())
    assert same(Record.load(tmp_path / "a"), made)


def test_an_existing_file_is_replaced_without_append(tmp_path):
    filled(tmp_path / "a")
    resumed = Record(path=tmp_path / "a", append=True)
    assert same(resumed, filled())
    resumed.add(reading(9))
    resumed = Record({"loss": "mse"}, tmp_path / "a", append=True)
    assert [r.step for r in Record.load(tmp_path / "a").readings] == [7, 8, 9]
    assert Record.load(tmp_path / "a").structure == {"loss": "mse"}
    Record(path=tmp_path / "a")
    assert same(Record.load(tmp_path / "a"), Record())


def test_append_without_a_file_creates_one(tmp_path):
    Record(path=tmp_path / "a", append=True).add_logs(0, {"loss": 1.0})
    assert Record.load(tmp_path / "a").logs == [{"epoch": 0, "loss": 1.0}]


def test_a_file_that_was_moved_away_is_written_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = filled("a")
    os.replace("a", "b")
    monkeypatch.chdir("/")
    made.add(reading(9))
    assert same(Record.load(tmp_path / "a"), made)


def test_copies_have_all_entries_and_append_to_the_same_file(tmp_path):
    made = filled(tmp_path / "a")
    for step, twin in enumerate(
        (copy.deepcopy(made), pickle.loads(pickle.dumps(made)))
    ):
        assert same(twin, made)
        twin.add(reading(step))
        assert Record.load(tmp_path / "a").readings[-1].step == step
    assert len(made.readings) == 2


def test_owners_of_one_record_all_append_to_it(tmp_path):
    shared = Record(path=tmp_path / "a")
    holders = [{"record": shared} for _ in range(3)]
    for step, holder in enumerate(holders):
        holder["record"].add(reading(step))
    assert [r.step for r in Record.load(tmp_path / "a").readings] == [0, 1, 2]


@pytest.mark.parametrize("text", ["", '{"version": 1, "structure": {}}'])
def test_a_file_without_a_complete_line_is_rejected(tmp_path, text):
    (tmp_path / "a").write_text(text)
    for read in (Record.load, lambda path: Record(path=path, append=True)):
        with pytest.raises(ValueError, match="empty or truncated.*Received: path="):
            read(tmp_path / "a")
    assert (tmp_path / "a").read_text() == text


def test_a_file_cut_off_anywhere_keeps_its_complete_lines(tmp_path):
    path = tmp_path / "a"
    filled(path)
    content = path.read_bytes()
    first = content.index(b"\n") + 1
    for end in range(first, len(content) + 1):
        path.write_bytes(content[:end])
        loaded = Record.load(path)
        lines = content[:end].count(b"\n")
        assert len(loaded.readings) + len(loaded.logs) == lines - 1
        if end % 50 == 0:
            resumed = Record(path=path, append=True)
            resumed.add_logs(2, {"loss": 0.5})
            assert same(Record.load(path), resumed)
            assert len(loaded.readings) == len(resumed.readings)
            assert len(loaded.logs) + 1 == len(resumed.logs)


BROKEN = ["", "{", "3", '{"version": 1}', '{"logs": {"loss": 1}}', '{"reading": {}}']
BROKEN += ['{"reading": {"epoch": -1, "step": 0, "values": {}}}', '{"logs": [1]}']


@pytest.mark.parametrize("line", BROKEN)
def test_a_broken_line_is_named_by_its_number(tmp_path, line):
    filled(tmp_path / "a")
    lines = (tmp_path / "a").read_text().split("\n")
    lines[2] = line
    (tmp_path / "a").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="Line 3 of '.*a' cannot be read: "):
        Record.load(tmp_path / "a")


OTHERS = dict.fromkeys(["{}", "[]", "1"], "Not a kcomponents training record .no ver")
OTHERS['{"version": 2, "structure": {}}'] = "records of version 1 only. Received: versi"


@pytest.mark.parametrize("start, rule", OTHERS.items())
def test_another_version_is_rejected(tmp_path, start, rule):
    (tmp_path / "a").write_text(start + "\n")
    with pytest.raises(ValueError, match=f"Line 1 .*{rule}"):
        Record.load(tmp_path / "a")
    with pytest.raises(ValueError, match=rule):
        Record.from_dict(json.loads(start))


def test_a_file_that_is_no_record_is_rejected(tmp_path):
    with pytest.raises(FileNotFoundError, match="No file"):
        Record.load(tmp_path / "a")
    with pytest.raises(FileNotFoundError, match="No folder"):
        Record(path=tmp_path / "nowhere" / "a")
    with pytest.raises(ValueError, match="two lists, `readings` and `logs`"):
        Record.from_dict({"version": 1, "structure": {}})
    (tmp_path / "a").write_text('{"version": 1}\n')
    with pytest.raises(ValueError, match="Line 1 .*`structure` must be a dict"):
        Record.load(tmp_path / "a")


@pytest.mark.parametrize("facts", [3, [], {1: 2}, {"a": {2: 3}}, {"a": object()}])
def test_a_record_rejects_facts_that_a_file_cannot_hold(tmp_path, facts):
    with pytest.raises(ValueError, match="string.*Received"):
        Record(facts, tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_a_record_rejects_other_readings_and_logs(tmp_path):
    made = filled(tmp_path / "a")
    with pytest.raises(ValueError, match="`reading` must be a `Reading`. Received"):
        made.add({"epoch": 0})
    for epoch, logs in [(-1, {}), (0, None), (0, {"a": "b"}), (0, {1: 2.0})]:
        with pytest.raises(ValueError, match="must be.*Received"):
            made.add_logs(epoch, logs)
    with pytest.raises(ValueError, match="must not contain `epoch`"):
        made.add_logs(0, {"epoch": 1})
    assert same(made, filled()) and same(Record.load(tmp_path / "a"), made)


def test_nothing_is_added_when_the_disk_is_full(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("disk full")

    made = filled(tmp_path / "a")
    monkeypatch.setattr(record, "append_line", full)
    for add in (lambda: made.add(reading()), lambda: made.add_logs(2, {})):
        with pytest.raises(OSError, match="disk full"):
            add()
    assert same(made, filled()) and same(Record.load(tmp_path / "a"), made)


def test_the_repr_of_a_record_has_its_counts():
    assert repr(filled()) == "<Record readings=2 logs=2>"


def test_a_record_is_read_without_keras_or_a_backend(tmp_path):
    made = filled(tmp_path / "a")
    code = ALONE + "print(Record.load(sys.argv[1]).to_dict())"
    arguments = [sys.executable, "-c", code, str(tmp_path / "a")]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.stdout.strip() == repr(made.to_dict()), done.stderr


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_record_needs_no_more_than_its_own_modules(module):
    allowed = {"numpy", *(m.__name__ for m in MODULES)}

    def refused(names):
        roots = {name for name in names if name not in allowed}
        return {name.split(".")[0] for name in roots} - sys.stdlib_module_names

    for node in ast.walk(ast.parse(pathlib.Path(module.__file__).read_text())):
        if isinstance(node, ast.Import):
            assert not refused(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert not refused([node.module])


def test_a_killed_writer_leaves_every_reading_it_had_added(tmp_path):
    path, done = tmp_path / "a", -1
    for delay in (0.11, 0.2, 0.05, 0.16):
        arguments = [sys.executable, "-c", ALONE + GROWS, str(path)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
            first = int(writer.stdout.readline())
            assert first == done + 1
            threading.Timer(delay, writer.kill).start()
            told = [int(line) for line in writer.stdout if line.endswith("\n")]
            done = [first, *told][-1]
        steps = [r.step for r in Record.load(path).readings]
        assert steps == list(range(len(steps)))
        # The writer may die between adding a reading and telling of it.
        assert len(steps) in (done + 1, done + 2)
        assert len(steps) == path.read_bytes().count(b"\n") - 1
        assert Record.load(path).readings[-1].values["grad_norm"]["all"][0] == steps[-1]
        done = steps[-1]
