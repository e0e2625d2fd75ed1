"""What others write to a store is a name or number of the expected form, or refused."""

import json
import os

import keras
import optuna
import pytest

from kcomponents.tuning._storage import store as _store
from kcomponents.tuning._storage.project import ProjectFolder, open_store, problems
from kcomponents.tuning._storage.store import Store
from kcomponents.tuning._storage.weights import BestWeights

pytestmark = pytest.mark.any_backend
VICTIM = "3/../../../victim"
TRIAL = {"kind": "search", "values": {"rate": 0.1}}
NOT_SLOTS = (
    *(VICTIM, "..", "/tmp", "3/4", "3\\4", "3\n", "3\0", " 3", "", "-rf", "con", "٣"),
    *("full-", "repeat-3", "repeat-3-", "9" * 5000, "3\x1b[2J", "\ud800", 3, None, []),
)


@pytest.fixture
def project(tmp_path):
    """Return a project's folder with a store, and a folder of someone else beside."""
    folder = tmp_path / "runs" / "search"
    folder.mkdir(parents=True)
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "weights.npz").write_text("theirs")
    Store(folder / "journal.log", "search", "minimize")
    return folder


def open_again(project):
    return Store(project / "journal.log", "search")


def add_finished(project, slot, score, **facts):
    """Add a trial as another program could, by Optuna alone."""
    store = open_again(project)
    store.add({slot: {**TRIAL, "score": score, **facts}})
    trial = store.storage.get_all_trials(store.study)[-1]
    store.claim(trial, "host:1:a")
    store.finish(trial, "complete", score)


def best_weights(project, count=1):
    return BestWeights(open_again(project), str(project), count, maximize=False)


def victim(project):
    return (project.parents[1] / "victim" / "weights.npz").read_text()


def add_row(project, **facts):
    """Append the row of a trial to the journal, with attributes as they are given."""
    row = {
        **{"op_code": 4, "worker_id": "stranger", "study_id": 0, "state": 1},
        **{"datetime_start": "2026-01-01T00:00:00", "values": [0.5]},
        **{"datetime_complete": "2026-01-01T00:00:00"},
        **{"user_attrs": {"slot": "9", **TRIAL, **facts}},
    }
    with open(project / "journal.log", "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def test_a_slot_that_leads_out_of_the_project_deletes_nothing(project):
    add_finished(project, "3", 0.1)
    (project / "trial_3").mkdir()
    add_row(project, slot=VICTIM, score=0.9)
    with pytest.raises(ValueError, match=r"`slot` of trial 1 must be a name.*victim"):
        best_weights(project).delete_others()
    assert victim(project) == "theirs"


def test_the_weights_of_worse_trials_are_deleted(project):
    for slot, score in (("3", 0.1), ("full-4", 0.5), ("repeat-full-4-0", 0.7)):
        add_finished(project, slot, score)
        (project / f"trial_{slot}").mkdir()
    best_weights(project).delete_others()
    assert sorted(os.listdir(project))[1:] == ["journal.log.lock", "trial_3"]


@pytest.mark.parametrize("slot", NOT_SLOTS, ids=ascii)
def test_a_slot_is_a_name_or_refused(project, slot):
    add_row(project, slot=slot)
    with pytest.raises(ValueError, match="`slot` of trial 0") as error:
        open_again(project).trials()
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("slot", NOT_SLOTS, ids=ascii)
def test_no_weights_are_written_or_read_by_a_slot_that_is_not_a_name(project, slot):
    (project / "trial_3").mkdir()
    with pytest.raises(ValueError, match="slot of a trial"):
        best_weights(project).save(None, [], slot)
    with pytest.raises(ValueError, match="slot of a trial"):
        best_weights(project).load(None, slot)
    assert victim(project) == "theirs"


WRONG = {
    "kind": ("other", None, ["search"]),
    "of": (VICTIM, 3),
    "owner": ("a\x1b[2Jb", "\u202eb", "a\nb", "", 7, "h" * 5000),
    "beat": (-1, 0.5, "1", 10**400),
    "lost": (None, -1, "1", True),
    "attempts": ("1", -3),
    "values": ([], {"rate": []}, {"rate": {"a": 1}}, {"rate": 10**400}),
    "seed": ("0", -1, 2**64),
    "started": ("now", -1, float("inf"), 1e300),
    "reason": ("nan\n", "A b", "x" * 100, 3),
    "message": (None, 3, []),
    "score": ("0.5", True, 10**400),
    "best_epoch": (0.5, -1),
    "epochs": ("3", -1),
    "curves": ([], {"loss": 1}, {"loss": ["a"]}, {"loss": [10**400]}),
    "seconds": (float("nan"), -1, "1"),
    "peak_memory": (float("inf"), "1"),
    "parameters": (0.5, -1),
    "reused": ("yes", None),
    "versions": ([], {"keras": 3}),
}


@pytest.mark.parametrize(
    "name, value",
    [(name, value) for name, values in WRONG.items() for value in values],
    ids=lambda value: ascii(value)[:30],
)
def test_an_attribute_of_another_form_is_refused_and_named(project, name, value):
    add_row(project, **{name: value})
    with pytest.raises(ValueError, match=f"`{name}` of trial 0 must be") as error:
        open_again(project).trials()
    assert "Received: store=" in str(error.value) and len(str(error.value)) < 1500


def test_a_trial_with_a_score_has_values(project):
    add_row(project, score=0.5)
    journal = project / "journal.log"
    content = journal.read_text(encoding="utf-8")
    journal.write_text(content.replace('"values": {"rate": 0.1}, ', ""))
    with pytest.raises(ValueError, match="`values` of trial 0 must be present"):
        open_again(project).trials()


@pytest.mark.parametrize(
    "part, value",
    [
        ("intermediate_values", {"1": "a"}),
        ("intermediate_values", {"-1": 0.5}),
        ("values", ["a"]),
        ("user_attrs", "slot"),
        ("values", [0.1, 0.2]),
        ("values", None),
        ("datetime_start", None),
        ("datetime_complete", None),
        ("params", {"rate": 0.1}),
    ],
)
def test_the_parts_that_optuna_reads_are_checked_too(project, part, value):
    add_row(project)
    *others, last = (project / "journal.log").read_text().splitlines()
    row = json.loads(last) | {part: value}
    if part == "datetime_complete":
        row.pop(part)
    lines = "\n".join([*others, json.dumps(row), ""])
    (project / "journal.log").write_text(lines)
    with pytest.raises(ValueError, match="damaged"):
        open_again(project).trials()


FACTS = {
    "settings": (3, {"max_trials": "3"}, {"a b": 1}, {"seed": -1}, {"pruner": []}),
    "objective": ("loss", {"name": "loss"}, {"name": 1, "direction": "min"})
    + ({"name": "loss", "direction": "up"},),
    "epochs": (0, "3", 1e9),
    "fingerprint": ([], 3),
    "versions": ([], {"keras": 3}),
    "command": (3, ["rm"]),
    "stop": ("yes", 1),
    "space": (
        *([], {"space": []}, {"space": 3, "values": {}}),
        {"space": [{"class_name": "Dense", "config": {"name": "a"}}], "values": {}},
        {"space": [{"class_name": "os.system", "config": {}}], "values": {}},
        {"space": [{"class_name": "Choice", "config": {"name": 3}}], "values": {}},
    ),
}


@pytest.mark.parametrize(
    "name, value",
    [(name, value) for name, values in FACTS.items() for value in values],
    ids=lambda value: ascii(value)[:30],
)
def test_a_fact_of_another_form_is_refused_and_named(project, name, value):
    open_again(project).set_fact(name, value)
    with pytest.raises(ValueError, match=f"`{name}` of search must be"):
        _ = open_again(project).facts


def test_no_class_of_the_user_is_made_from_a_search_space(project):
    made = []

    class Trap:
        def __init__(self, **config):
            made.append(config)
            self.name, self.conditions = "trap", []

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    item = {"class_name": "Trap", "config": {"name": "a", "conditions": []}}
    store = open_again(project)
    store.set_fact("space", {"space": [item], "values": {}})
    with keras.saving.custom_object_scope({"Trap": Trap}):
        with pytest.raises(ValueError, match="`space` of search"):
            problems(open_store(str(project)))
    assert made == []


def test_a_deeply_nested_fact_is_refused(project):
    value = 1
    for _ in range(150):
        value = {"a": value}
    open_again(project).set_fact("fingerprint", value)
    with pytest.raises(ValueError, match="nested"):
        _ = open_again(project).facts


def test_a_folder_of_weights_that_is_a_link_is_not_followed(project):
    add_finished(project, "0", 0.1)
    add_finished(project, "3", 0.9)
    link = project / "trial_3"
    link.symlink_to(project.parents[1] / "victim")
    best_weights(project).delete_others()
    assert link.is_symlink() and victim(project) == "theirs"
    with pytest.raises(ValueError, match="through a link"):
        best_weights(project).save(None, [], "3")
    assert victim(project) == "theirs"


def test_weights_are_not_written_through_a_link(project):
    (project / "trial_3").mkdir()
    link = project / "trial_3" / "weights.npz"
    link.symlink_to(project.parents[1] / "victim" / "weights.npz")
    with pytest.raises(ValueError, match="through a link"):
        best_weights(project).save(None, [], "3")
    assert link.is_symlink() and victim(project) == "theirs"


def test_a_file_of_the_search_replaces_a_link(project):
    link = project / "results.csv"
    link.symlink_to(project.parents[1] / "victim" / "weights.npz")
    ProjectFolder(str(project)).write_table({"space": [], "trials": []})
    assert not link.is_symlink() and link.read_text().startswith("id,")
    assert victim(project) == "theirs"


def test_a_link_in_the_place_of_a_log_of_a_worker_is_replaced(project):
    theirs = project.parents[1] / "victim"
    (project / "workers").symlink_to(theirs)
    folder = ProjectFolder(str(project))
    path = folder.own_file("workers", "worker-0.log")
    assert path == str(project / "workers" / "worker-0.log")
    assert not (project / "workers").exists() and theirs.exists()


def test_a_link_in_the_place_of_the_lock_of_a_journal_is_refused(tmp_path):
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "journal.log.lock").symlink_to(tmp_path / "theirs")
    with pytest.raises(ValueError, match="lock of a search journal"):
        Store(tmp_path / "journal.log", "search", "minimize")
    assert (tmp_path / "theirs").read_text() == "theirs"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_in_the_place_of_a_journal_is_refused(tmp_path):
    os.mkfifo(tmp_path / "journal.log")
    with pytest.raises(ValueError, match="must be a writable file"):
        open_store(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_in_the_place_of_weights_is_reported_as_damage(project):
    add_finished(project, "3", 0.1)
    store = open_again(project)
    store.set_fact("space", {"space": [], "values": {}})
    (project / "trial_3").mkdir()
    os.mkfifo(project / "trial_3" / "weights.npz")
    assert "weights of trial 3" in problems(open_again(project), str(project))[0]


def test_a_row_of_a_database_is_checked_like_a_row_of_a_journal(tmp_path, monkeypatch):
    database = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'search.db'}")
    shared = optuna.storages.get_storage(database)
    monkeypatch.setattr(_store, "open_storage", lambda place: shared)
    store = Store("database", "search", "minimize")
    store.add({"0": {"kind": "search"}})
    (trial,) = store.trials()
    store.note(trial, owner="a\x1b[2Jb")
    with pytest.raises(ValueError, match="`owner` of trial 0 must be"):
        store.trials()
    store.note(trial, owner="host:1:a")
    assert store.owns(trial, "host:1:a") is False and len(store.trials()) == 1
    store.add({VICTIM: {"kind": "search"}})
    for read in (store.trials, lambda: Store("database", "search").trials()):
        with pytest.raises(ValueError, match="`slot` of trial 1 must be"):
            read()


def test_the_names_of_other_searches_are_shown_on_one_line(project):
    Store(project / "journal.log", "b\x1b[2J\nforged", "minimize")
    with pytest.raises(ValueError, match="Choose a search") as error:
        open_store(str(project))
    assert str(error.value).isprintable()
