"""Keys of monitors in `History`, in files of `CSVLogger`, in those of `TensorBoard`."""

import csv
import importlib.util

import keras
import pytest

from tests.ecosystem.page import run
from tests.ecosystem.small import KEYS, data, net, watching
from tests.keras_versions import needs_keras

NEEDED = "tensorflow", "tensorboard"
MISSING = "keras.callbacks.TensorBoard needs both, on every backend"


def rows(path):
    """Return the rows of a CSV file as dicts."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def column(found, key):
    return [float(row[key]) for row in found]


@pytest.fixture(scope="module")
def fit(tmp_path_factory):
    """Return the history of a fit with validation, and the folder of what it wrote."""
    folder = tmp_path_factory.mktemp("logs")
    x, y = data()
    before = keras.callbacks.CSVLogger(folder / "before.csv")
    behind = [keras.callbacks.CSVLogger(folder / "behind.csv")]
    if all(map(importlib.util.find_spec, NEEDED)):
        behind.append(keras.callbacks.TensorBoard(folder, update_freq=1))
    options = {"validation_split": 0.25, "epochs": 2, "verbose": 0}
    listed = [before, *watching(), *behind]
    return net().fit(x, y, callbacks=listed, **options).history, folder


def test_history_has_a_number_of_each_key_for_each_epoch(fit):
    history, _ = fit
    assert set(KEYS) <= set(history)
    for values in history.values():
        assert len(values) == 2 and all(type(value) in (float, int) for value in values)


def test_the_file_of_csv_logger_holds_what_history_holds(fit):
    history, folder = fit
    found = rows(folder / "behind.csv")
    assert set(found[0]) == {"epoch", *history}
    for key in history:
        assert column(found, key) == history[key]


def test_a_callback_listed_before_the_monitors_does_not_see_their_keys(fit):
    _, folder = fit
    assert set(rows(folder / "before.csv")[0]) == {"epoch", "loss", "val_loss"}


@pytest.mark.any_backend
def test_a_second_fit_without_validation_is_appended_below_the_same_header(tmp_path):
    x, y = data()
    path, model, monitors, histories = tmp_path / "log.csv", net(), watching(), []
    for append in (False, True):
        listed = [*monitors, keras.callbacks.CSVLogger(path, append=append)]
        options = {"epochs": 2, "verbose": 0, "callbacks": listed}
        histories.append(model.fit(x, y, **options).history)
    found = rows(path)
    assert [row["epoch"] for row in found] == ["0", "1", "0", "1"]
    for key in histories[0]:
        assert column(found, key) == histories[0][key] + histories[1][key]
        # Columns of a validation that is not there are Keras's.
        assert {row[f"val_{key}"] for row in found} == {"NA"}


def events(path):
    """Return what a log directory of TensorBoard holds, read by TensorBoard."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="without tensorboard its files cannot be read back",
    )
    found = accumulator.EventAccumulator(str(path), {"tensors": 0, "scalars": 0})
    return found.Reload()


def points(found, tag):
    """Return `[(step, value)]` of a tag, whose values were written as tensors."""
    from tensorboard.util.tensor_util import make_ndarray

    written = found.Tensors(tag)
    return [(event.step, make_ndarray(event.tensor_proto)) for event in written]


def test_tensorboard_shows_each_key_as_a_scalar_of_each_epoch(fit):
    for needed in NEEDED:
        pytest.importorskip(needed, reason=MISSING)
    history, folder = fit
    found = {side: events(folder / side) for side in ("train", "validation")}
    for key in history:
        side = "validation" if key.startswith("val_") else "train"
        written = points(found[side], f"epoch_{key.removeprefix('val_')}")
        assert [step for step, _ in written] == [0, 1]
        assert [float(value) for _, value in written] == pytest.approx(history[key])


@needs_keras("3.14", "names histograms by the names of weights, not by their paths")
def test_tensorboard_shows_weights_as_histograms_beside_norms_per_layer(tmp_path):
    for needed in NEEDED:
        pytest.importorskip(needed, reason=MISSING)
    x, y = data()
    model = net()
    names = {"x": x, "y": y, "model": model, "watching": watching()}
    run("TensorBoard(", keras=keras, folder=tmp_path, **names)
    found = events(tmp_path / "train")
    tags = found.Tags()["tensors"]
    for weight in model.trainable_weights:
        assert f"epoch_grad_norm/{weight.path}" in tags
        written = points(found, f"{weight.path}/histogram")
        assert [step for step, _ in written] == [0, 1]
        # Rows of left edge, right edge and count.
        assert written[-1][1][:, 2].sum() == weight.numpy().size
        assert written[-1][1][-1, 1] == pytest.approx(float(weight.numpy().max()))


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the writer is that of torch"
)
def test_the_writer_of_torch_needs_no_tensorflow(tmp_path):
    pytest.importorskip("tensorboard", reason="torch's SummaryWriter needs tensorboard")
    x, y = data()
    names = {"x": x, "y": y, "model": net(), "watching": watching()}
    history = run("SummaryWriter(", keras=keras, folder=tmp_path, **names)["history"]
    found = events(tmp_path)
    for key in KEYS:
        values = [event.value for event in found.Scalars(key)]
        assert values == pytest.approx(history.history[key])
