"""A process that is killed in the first epoch leaves nothing that is then twice."""

import csv

import keras
import numpy as np
import pytest

from kcomponents.callbacks import GradientNormLogger, Resume
from kcomponents.record import Record
from tests.callbacks.crashing import Stopped


class CrashAtEpochEnd(keras.callbacks.Callback):
    """Ends training at the end of the first epoch, after the callbacks before it."""

    def on_epoch_end(self, epoch, logs=None):
        raise Stopped


@pytest.mark.parametrize("save_freq", ["epoch", 2])
def test_a_row_and_a_reading_are_there_once(tmp_path, save_freq):
    def train(*crash):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("adam", "mse", run_eagerly=True)
        record = Record(path=tmp_path / "record.jsonl", append=True)
        table = keras.callbacks.CSVLogger(tmp_path / "log.csv", append=True)
        resume = Resume(tmp_path / "run", save_freq=save_freq)
        callbacks = [GradientNormLogger(record=record), table, *crash, resume]
        x, y = np.ones((4, 2)), np.ones((4, 1))
        options = {"batch_size": 1, "epochs": 2, "verbose": 0}
        try:
            model.fit(x, y, callbacks=callbacks, **options)
        finally:
            # Keras does not close it after an exception.
            table.csv_file.close()

    with pytest.raises(Stopped):
        train(CrashAtEpochEnd())
    train()
    with open(tmp_path / "log.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    readings = Record.load(tmp_path / "record.jsonl").readings
    assert [reading.epoch for reading in readings] == [0, 1]
