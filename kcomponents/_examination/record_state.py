"""The readings and records of callbacks, as a few arrays to save and restore."""

import itertools

import numpy as np

from kcomponents.record import Reading


def state_of_readings(readings):
    """Return readings as plain values, with one array for all readings of a shape."""
    groups = itertools.groupby(readings, key=_shapes)
    return [_state_of_group(list(group)) for _, group in groups]


def readings_of(state):
    """Return the readings from what `state_of_readings` returned."""
    return [reading for group in state for reading in _readings_of_group(group)]


def state_of_record(record):
    """Return the content of a record, or None for None."""
    if record is None:
        return None
    return {
        "structure": record.structure,
        "readings": state_of_readings(record.readings),
        "logs": [dict(entry) for entry in record.logs],
    }


def restore_record(record, state):
    """Set a record, and its file, to the content that `state_of_record` returned.

    What was added since is dropped, because it will be added again.
    """
    if record is None or state is None:
        return
    readings = readings_of(state["readings"])
    record.readings[:], record.logs[:] = readings, [dict(e) for e in state["logs"]]
    # Assigning the structure also writes the file.
    record.structure = state["structure"] or record.structure


def _shapes(reading):
    """Return the names of a reading, and the shapes of its values."""
    return {
        name: {path: _shape(value) for path, value in found.items()}
        for name, found in reading.values.items()
    }


def _shape(value):
    try:
        return np.shape(value)
    except ValueError:
        # Lists of different lengths.
        return None


def _state_of_group(readings):
    first = readings[0].values

    def column(name, path):
        values = [reading.values[name][path] for reading in readings]
        ragged = _shape(first[name][path]) is None
        return values if ragged else np.array(values, "float64")

    return {
        "epochs": [reading.epoch for reading in readings],
        "steps": [reading.step for reading in readings],
        "values": {name: {p: column(name, p) for p in first[name]} for name in first},
    }


def _readings_of_group(group):
    for place, (epoch, step) in enumerate(
        zip(group["epochs"], group["steps"], strict=True)
    ):
        values = {
            name: {path: column[place] for path, column in found.items()}
            for name, found in group["values"].items()
        }
        yield Reading(epoch, step, values)
