"""Records of training: readings and logs as plain numbers, readable without Keras."""

import dataclasses
import os
from typing import Any

from kcomponents._checks import boolean, fail
from kcomponents._files import (
    Path,
    append_line,
    optional_path,
    read_lines,
    remove_torn,
    write_whole,
)
from kcomponents._json_values import (
    count,
    floats,
    from_json,
    plain,
    string_keys,
    to_json,
)

__all__ = ["Reading", "Record"]

# Version of the file format.
VERSION = 1


@dataclasses.dataclass(frozen=True)
class Reading:
    """Statistics of a model at one step of a run.

    Args:
        epoch: Int, the epoch, counted from 0.
        step: Int, number of optimizer steps of this `fit` so far.
        values: Dict of statistic name to dict of variable or layer path (`"all"` for
            the whole model) to a number or a (nested) list of numbers. Arrays are
            converted to lists of floats; NaN and infinity are kept.

    Raises:
        ValueError: If a count is negative or not an integer, or a value is not a
            number.

    Example:
        >>> from kcomponents.record import Reading
        >>> Reading(epoch=0, step=100, values={"grad_norm": {"all": 2}})
        Reading(epoch=0, step=100, values={'grad_norm': {'all': 2.0}})
    """

    epoch: int
    step: int
    values: dict[str, dict[str, float | list]]

    def __post_init__(self) -> None:
        values = {
            name: {
                path: floats(f"values[{name!r}][{path!r}]", value)
                for path, value in string_keys(f"values[{name!r}]", found).items()
            }
            for name, found in string_keys("values", self.values).items()
        }
        for field in ("epoch", "step"):
            object.__setattr__(self, field, count(field, getattr(self, field)))
        object.__setattr__(self, "values", values)

    def to_dict(self) -> dict[str, Any]:
        """Return a copy of the reading as a dict of plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Reading":
        """Return the reading from a dict that `to_dict` returned."""
        if set(string_keys("reading", data)) != {"epoch", "step", "values"}:
            fail("A reading must have `epoch`, `step` and `values`.", reading=data)
        return cls(**data)


class Record:
    """Record of a run: the model's structure, the readings and the logs.

    With a `path`, each addition is appended to a file as a line of JSON, so nothing is
    lost if the process is killed. Pickled and deep copies append to the same file.

    Args:
        structure: Dict of facts about the model and how it was compiled, made of plain
            values. Assigning the attribute rewrites the file; changing the dict in
            place does not. Defaults to `None`, for no facts.
        path: Path of the file to write. An existing file is replaced, and its
            permissions are kept. Defaults to `None`, for no file.
        append: Bool, whether to keep the readings and logs of an existing file, and
            its structure if none is given. Defaults to `False`.

    Raises:
        ValueError: If `structure` contains anything but dicts with string keys, lists,
            strings, numbers, booleans and `None`, or the existing file cannot be read.

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
        path: Path | None = None,
        *,
        append: bool = False,
    ):
        self.readings: list[Reading] = []
        self.logs: list[dict[str, float | list]] = []
        # Absolute, in case the program changes its working directory.
        self.path = optional_path("path", path)
        if self.path:
            remove_torn(self.path)
        if boolean("append", append) and self.path and os.path.exists(self.path):
            old = Record.load(self.path)
            self.readings, self.logs = old.readings, old.logs
            structure = old.structure if structure is None else structure
        self.structure = {} if structure is None else structure

    def __repr__(self) -> str:
        return f"<Record readings={len(self.readings)} logs={len(self.logs)}>"

    @property
    def structure(self) -> dict[str, Any]:
        """Facts about the model and how it was compiled."""
        return self._structure

    @structure.setter
    def structure(self, structure: dict[str, Any]) -> None:
        self._structure = plain(string_keys("structure", structure))
        if self.path:
            self.save(self.path)

    def add(self, reading: Reading) -> None:
        """Add a reading, and write it to the file if there is one.

        Args:
            reading: The `Reading` to add.
        """
        if not isinstance(reading, Reading):
            fail("`reading` must be a `Reading`.", reading=reading)
        self._append({"reading": reading.to_dict()})
        self.readings.append(reading)

    def add_logs(self, epoch: int, logs: dict[str, Any]) -> None:
        """Add the logs of an epoch, and write them to the file if there is one.

        Args:
            epoch: Int, the epoch, counted from 0.
            logs: Dict of metric name to a number or an array.
        """
        if "epoch" in string_keys("logs", logs):
            fail("`logs` must not contain `epoch`: pass it as an argument.", logs=logs)
        values = {name: floats(f"logs[{name!r}]", logs[name]) for name in logs}
        entry = {"epoch": count("epoch", epoch), **values}
        self._append({"logs": entry})
        self.logs.append(entry)

    def _append(self, entry):
        if self.path:
            # If the file was moved away, write everything to a new one.
            if not os.path.exists(self.path):
                self.save(self.path)
            append_line(self.path, to_json(entry))

    def to_dict(self) -> dict[str, Any]:
        """Return a copy of the record as a dict of plain values."""
        return {
            "version": VERSION,
            "structure": plain(self.structure),
            "readings": [reading.to_dict() for reading in self.readings],
            "logs": [plain(entry) for entry in self.logs],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Record":
        """Return the record from a dict that `to_dict` returned."""
        record = cls()
        record._add_entry(data, first=True)
        listed = (isinstance(data.get(key), list) for key in ("readings", "logs"))
        if not all(listed):
            fail("A record must have two lists, `readings` and `logs`.", record=data)
        for reading in data["readings"]:
            record._add_entry({"reading": reading})
        for entry in data["logs"]:
            record._add_entry({"logs": entry})
        return record

    def _add_entry(self, entry, first=False):
        match entry:
            case {"version": version} if first and version == VERSION:
                self.structure = entry.get("structure")
            case _ if first:
                if not isinstance(entry, dict) or "version" not in entry:
                    rule = "Not a kcomponents training record (no version field)."
                    fail(rule, entry=entry)
                rule = f"This kcomponents reads records of version {VERSION} only."
                fail(rule, version=entry["version"])
            case {"reading": reading}:
                self.add(Reading.from_dict(reading))
            case {"logs": {"epoch": epoch, **logs}}:
                self.add_logs(epoch, string_keys("logs", logs))
            case _:
                fail("An entry must have a `reading` or `logs`.", entry=entry)

    def save(self, path: Path) -> None:
        """Write the whole record to a file; if that fails, the file is unchanged.

        Args:
            path: Path of the file, in an existing folder.
        """
        data = self.to_dict()
        lines = [{"version": data["version"], "structure": data["structure"]}]
        lines += [{"reading": reading} for reading in data["readings"]]
        lines += [{"logs": entry} for entry in data["logs"]]
        write_whole(path, "".join(to_json(line) + "\n" for line in lines))

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Return the record from a file; later additions are not written to it.

        If a killed process left an incomplete last line, that line is skipped.

        Args:
            path: Path of the file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is not a record, a line cannot be read, or the
                record has another version.
        """
        record, number = cls(), 0
        for number, line in enumerate(read_lines(path), 1):
            try:
                record._add_entry(from_json(line), first=number == 1)
            except ValueError as error:
                where = f"Line {number} of {os.fsdecode(path)!r} cannot be read"
                raise ValueError(f"{where}: {error}") from error
        if not number:
            rule = "This file is empty or truncated; it is not a training record."
            fail(rule, path=os.fsdecode(path))
        return record
