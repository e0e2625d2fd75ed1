"""A stream is seen from all parts of an epoch, and few samples of it are kept."""

import keras
import numpy as np
import pytest

from kcomponents._recording.stream import Stream, batches_to_pass, first_rows
from kcomponents.callbacks import TrainingDoctor


def kept(steps, batches=1000):
    """Return the numbers of the batches that are kept of an epoch."""
    found, number = [], 0
    while number < batches:
        found.append(number)
        to_pass = batches_to_pass(len(found), steps)
        if to_pass is None:
            break
        number += 1 + to_pass
    return found


@pytest.mark.any_backend
def test_batches_are_spread_over_an_epoch_of_known_length():
    assert kept(160) == [*range(0, 160, 10)]
    assert kept(10, 10) == [*range(10)]
    assert kept(31) == [*range(16)]
    assert kept(1) == [*range(16)]


@pytest.mark.any_backend
@pytest.mark.parametrize("steps", [None, float("inf")])
def test_batches_of_unknown_number_are_farther_and_farther_apart(steps):
    assert kept(steps) == [*range(9), 10, 14, 22, 38, 70, 134, 262]


def test_a_batch_is_cut_to_a_copy_of_its_first_samples():
    x, y = np.arange(24.0).reshape(8, 3), {"a": np.arange(8), "b": None}
    found = first_rows((x, y, None), 3)
    assert found[0].tolist() == x[:3].tolist() and found[0].base is None
    assert found[1]["a"].tolist() == [0, 1, 2] and found[1]["b"] is None
    assert found[2] is None


def test_a_batch_without_rows_in_common_stays_whole():
    batch = np.ones((4, 3)), np.ones((9, 2))
    assert first_rows(batch, 2) is batch


class Numbered(keras.utils.PyDataset):
    """Batches of which each has its number as inputs and as its class."""

    def __len__(self):
        return 64

    def __getitem__(self, index):
        x = np.full((40, 3), index, "float32")
        return x, np.full((40,), index // 22)


def test_a_stream_is_seen_from_its_beginning_to_its_end():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    doctor = TrainingDoctor()
    model.fit(Numbered(), verbose=0, callbacks=[doctor], shuffle=False)
    found = doctor.record.structure["data"]
    # 16 batches, 32 samples of each.
    assert found["sampled"] == 512 and found["streamed"]
    assert found["inputs"][0]["max"] == 60.0
    assert found["of_batches"] == pytest.approx(1.0)
    [first] = [f for f in doctor.diagnosis.findings if f.where == "shuffle"]
    assert "in 512 samples of the first epoch lies between" in first.evidence[0]


def test_the_first_batch_is_whole_until_the_second_comes():
    stream, batch = Stream(2), (np.ones((40, 2)), np.ones(40))
    assert stream.add(batch) == 0
    assert stream.batches[0] is batch
    stream.add(batch)
    assert [len(x) for x, _ in stream.batches] == [32, 32]
    assert stream.batch_size == 40
