"""What was seen of a training: plain numbers, readable without Keras or a backend."""

import os
from typing import Any

from kcomponents._check import boolean, fail
from kcomponents._files import append_line, read_text, write_whole
from kcomponents._plain import count, floats, from_json, named, plain, to_json
from kcomponents._reading import Reading

__all__ = ["Reading", "Record"]

VERSION = 1


class Record:
    """What was seen of a training: its structure, its readings and its logs.

    With a `path` the record grows in a file, a JSON line for each thing added, and
    what was added is there even if the process is killed. A copy, pickled or deep,
    grows the same file.

    Args:
        structure: Dict of plain facts on the model and how it was compiled. Assigning
            the attribute rewrites the file; changing the dict in place does not.
            Defaults to `None`, no facts.
        path: Optional path of the file to grow in. An old file is replaced.
        append: Boolean, whether to go on with the readings and logs of an old file,
            and with its structure if none is given. Defaults to `False`.

    Raises:
        ValueError: If `structure` holds more than dicts with string keys, lists,
            strings, numbers, booleans and `None`, or an old file cannot be read.

    Example:
        >>> import pathlib, tempfile
        >>> from kcomponents.record import Reading, Record
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "record.jsonl")
        ...     record = Record({"optimizer": "sgd"}, path)
        ...     record.add(Reading(0, 100, {"grad_norm": {"all": float("nan")}}))
        ...     record.add_logs(0, {"loss": 0.5})
        ...     print(path.read_text(), Record.load(path))
        {"version": 1, "structure": {"optimizer": "sgd"}}
        {"reading": {"epoch": 0, "step": 100, "values": {"grad_norm": {"all": "nan"}}}}
        {"logs": {"epoch": 0, "loss": 0.5}}
        <Record readings=1 logs=1>
    """

    def __init__(
        self,
        structure: dict[str, Any] | None = None,
        path: str | os.PathLike[str] | None = None,
        *,
        append: bool = False,
    ):
        self.readings: list[Reading] = []
        self.logs: list[dict[str, float | list]] = []
        # Absolute, for a training that changes its folder.
        self.path = None if path is None else os.path.abspath(path)
        if boolean("append", append) and self.path and os.path.exists(self.path):
            old = Record.load(self.path)
            self.readings, self.logs = old.readings, old.logs
            structure = old.structure if structure is None else structure
        self.structure = {} if structure is None else structure

    def __repr__(self) -> str:
        return f"<Record readings={len(self.readings)} logs={len(self.logs)}>"

    @property
    def structure(self) -> dict[str, Any]:
        """Facts on the model and how it was compiled."""
        return self._structure

    @structure.setter
    def structure(self, structure: dict[str, Any]) -> None:
        self._structure = plain(named("structure", structure))
        if self.path:
            self.save(self.path)

    def add(self, reading: Reading) -> None:
        """Add a reading, to the file too if there is one."""
        if not isinstance(reading, Reading):
            fail("`reading` must be a `Reading`.", reading=reading)
        self._grow({"reading": reading.to_dict()})
        self.readings.append(reading)

    def add_logs(self, epoch: int, logs: dict[str, Any]) -> None:
        """Add the logs of an epoch, to the file too if there is one."""
        if "epoch" in named("logs", logs):
            fail("`logs` must not name `epoch`, which is given beside it.", logs=logs)
        values = {name: floats(f"logs[{name!r}]", logs[name]) for name in logs}
        entry = {"epoch": count("epoch", epoch), **values}
        self._grow({"logs": entry})
        self.logs.append(entry)

    def _grow(self, entry):
        if self.path:
            # A file that was moved away is begun again, whole.
            if not os.path.exists(self.path):
                self.save(self.path)
            append_line(self.path, to_json(entry))

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a dict of plain values, a copy."""
        return {
            "version": VERSION,
            "structure": plain(self.structure),
            "readings": [reading.to_dict() for reading in self.readings],
            "logs": [plain(entry) for entry in self.logs],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Record":
        """Return the record that `to_dict` made the dict of."""
        record = cls()
        record._take(data, first=True)
        listed = (isinstance(data.get(key), list) for key in ("readings", "logs"))
        if not all(listed):
            fail("A record must have `readings` and `logs`, both lists.", record=data)
        for reading in data["readings"]:
            record._take({"reading": reading})
        for entry in data["logs"]:
            record._take({"logs": entry})
        return record

    def _take(self, entry, first=False):
        match entry:
            case {"version": version} if first and version == VERSION:
                self.structure = entry.get("structure")
            case _ if first:
                version = entry.get("version") if isinstance(entry, dict) else None
                fail(f"Only a record of version {VERSION} is read.", version=version)
            case {"reading": reading}:
                self.add(Reading.from_dict(reading))
            case {"logs": {"epoch": epoch, **logs}}:
                self.add_logs(epoch, named("logs", logs))
            case _:
                fail("What is added must be a `reading` or `logs`.", entry=entry)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole record to a file, or leave the file as it was."""
        data = self.to_dict()
        lines = [{"version": data["version"], "structure": data["structure"]}]
        lines += [{"reading": reading} for reading in data["readings"]]
        lines += [{"logs": entry} for entry in data["logs"]]
        write_whole(path, "".join(to_json(line) + "\n" for line in lines))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Record":
        """Return the record in a file, which does not grow from here on.

        A last line without its newline, which a killed process left, is passed over.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If a line cannot be read, or the version is another one.
        """
        lines = read_text(path).split("\n")[:-1]
        if not lines:
            fail("The file holds no whole line, so it is no record.", path=path)
        record = cls()
        for number, line in enumerate(lines, 1):
            try:
                record._take(from_json(line), first=number == 1)
            except ValueError as error:
                where = f"Line {number} of {os.fspath(path)!r} cannot be read"
                raise ValueError(f"{where}: {error}") from error
        return record
