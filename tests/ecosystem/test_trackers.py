"""Keys of monitors in Weights & Biases and in MLflow, as docs/ecosystem.md has it."""

import keras
import pytest

from tests.ecosystem.page import run
from tests.ecosystem.small import KEYS, data, net, watching
from tests.ecosystem.wandb_file import history

# Told by libraries that MLflow stands on, of its own code.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:Warning")


@pytest.fixture
def wandb(tmp_path, monkeypatch):
    """Weights & Biases that neither calls home nor writes anywhere else."""
    module = pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    quiet = {"MODE": "offline", "SILENT": "true", "CONSOLE": "off"}
    for name, value in {**quiet, "ERROR_REPORTING": "false"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    return module


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    """MLflow that neither calls home nor writes anywhere else."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "true")
    for needed in ("sqlalchemy", "alembic"):
        pytest.importorskip(needed, reason="MLflow needs it to keep runs in a file")
    module = pytest.importorskip("mlflow", reason="MLflow is not installed")
    monkeypatch.chdir(tmp_path)
    yield module
    module.set_tracking_uri(None)


class Kept(keras.callbacks.Callback):
    """Keeps the logs of each epoch."""

    def on_train_begin(self, logs=None):
        self.logs = []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))


def run_example(words):
    """Run an example of the page on the small model; return its names and the logs."""
    x, y = data()
    kept = Kept()
    names = {"x": x, "y": y, "model": net(), "watching": [*watching(), kept]}
    return run(words, keras=keras, **names), kept.logs


def written(wandb, folder):
    """Return the dicts that were logged, once all is in the file."""
    # A process of its own writes; it has done so when it is gone.
    wandb.teardown()
    return history(folder)


def test_wandb_writes_each_key_by_its_own_callback(wandb, tmp_path):
    pytest.importorskip("tensorflow", reason="WandbMetricsLogger imports tensorflow")
    _, expected = run_example("WandbMetricsLogger")
    found = written(wandb, tmp_path)
    assert [step["epoch/epoch"] for step in found] == [0, 1]
    for step, logs in zip(found, expected, strict=True):
        assert set(KEYS) <= set(logs)
        assert {key: step[f"epoch/{key}"] for key in logs} == logs


def test_wandb_writes_each_key_by_a_line_of_your_own(wandb, tmp_path):
    _, expected = run_example("run.log(logs)")
    found = written(wandb, tmp_path)
    for step, logs in zip(found, expected, strict=True):
        assert set(KEYS) <= set(logs)
        assert {key: step[key] for key in logs} == logs


def metrics(mlflow, run, key):
    """Return `[(step, value)]` of a metric of a run, from the database."""
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, key)
    return [(metric.step, metric.value) for metric in history]


def test_mlflow_writes_each_key_by_a_line_of_your_own(mlflow, tmp_path):
    names, expected = run_example("mlflow.log_metrics")
    assert (tmp_path / "runs.db").exists()
    for key in expected[0]:
        values = [logs[key] for logs in expected]
        assert metrics(mlflow, names["run"], key) == list(enumerate(values))


def test_mlflow_writes_each_key_by_its_own_callback(mlflow, tmp_path):
    reason = "mlflow.keras needs pandas, which mlflow-skinny leaves out"
    pytest.importorskip("pandas", reason=reason)
    from mlflow.keras import MlflowCallback

    mlflow.set_tracking_uri("sqlite:///runs.db")
    x, y = data()
    with mlflow.start_run() as run:
        listed = [*watching(), MlflowCallback()]
        history = net().fit(x, y, epochs=2, callbacks=listed).history
    mlflow.flush_async_logging()
    for key in KEYS:
        assert metrics(mlflow, run, key) == list(enumerate(history[key]))


def test_mlflow_cannot_keep_norms_per_variable_in_folders(mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri("runs")
    x, y = data()
    logged = net().fit(x, y, verbose=0, callbacks=watching()).history
    values = {key: value[0] for key, value in logged.items()}
    with mlflow.start_run(), pytest.raises(mlflow.MlflowException, match="directory"):
        mlflow.log_metrics(values)
