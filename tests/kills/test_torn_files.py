"""What a killed process left beside a file is removed by the next process."""

import os

import pytest

from kcomponents._files import whole_file
from kcomponents._state_file import Generations
from kcomponents.record import Record
from tests.kills.faults import Faults, Kill

pytestmark = pytest.mark.any_backend


def write_state(path):
    Generations(path, "a state").write({"epoch": 1})


WRITERS = {
    "record": (lambda path: Record(path=path), Record.load),
    "state": (write_state, lambda path: Generations(path, "a state").check()),
}


def killed(path, write, moment):
    """Return the exit status of a process that is killed within its first write."""
    process = os.fork()
    if not process:
        try:
            Faults(path.parent, Kill(f"write .{path.name}.*.tmp", 1, moment)).install()
            write(path)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork")
@pytest.mark.parametrize("moment", ["before", "half", "after"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_new_process_removes_the_torn_file_of_a_killed_one(tmp_path, name, moment):
    path, (write, read) = tmp_path / "file.npz", WRITERS[name]
    write(path)
    content = path.read_bytes()
    assert killed(path, write, moment) == -9
    assert len(os.listdir(tmp_path)) == 2 and path.read_bytes() == content
    if name == "record":
        Record(path=path, append=True)
    read(path)
    assert os.listdir(tmp_path) == [path.name]


def test_a_file_that_is_being_written_is_not_taken_for_one_of_another_name(tmp_path):
    with whole_file(tmp_path / "other.jsonl") as file:
        file.write(b"other")
        Record(path=tmp_path / "record.jsonl")
    assert (tmp_path / "other.jsonl").read_bytes() == b"other"
