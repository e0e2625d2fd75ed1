"""Search: runs a search in this process, in worker processes, or on a Ray cluster."""

import functools
import os
import signal
from collections.abc import Callable
from typing import Any

import keras
import keras_tuner
import optuna

from kcomponents.tuning._engine.settings import (
    OF_ORACLE,
    OF_TUNER,
    Settings,
    refuse_unknown,
    tuner_arguments,
)
from kcomponents.tuning._engine.stop import Stop
from kcomponents.tuning._engine.tuner import StoreTuner
from kcomponents.tuning._results.console import Progress
from kcomponents.tuning._results.page import to_html
from kcomponents.tuning._results.results import results_of
from kcomponents.tuning._storage.project import ProjectFolder
from kcomponents.tuning._workers.processes import Processes
from kcomponents.tuning._workers.ray_actors import run_actors


class Search(StoreTuner):
    """Search hyperparameters with keras-tuner's interface, and resume after a crash.

    Existing `build(hp)` functions and hypermodels run unchanged. Every trial is saved
    at once, in a journal in the project's folder or in a database: after a crash, run
    the same script again to resume the search. Trial 0 is the baseline, ReLU and the
    default hyperparameters. Poor trials are pruned, and the reason is recorded. At the
    end, the best trials of each activation are trained in full, and the winner and the
    baseline are repeated with other seeds, to test whether the improvement is real.

    Args:
        hypermodel: `keras_tuner.HyperModel`, or function `build(hp)` that returns a
            compiled model.
        objective: String, `keras_tuner.Objective`, or a list of them (their sum).
            Defaults to `"val_loss"`.
        max_trials: Integer, number of trials, including the baseline. Defaults to 10;
            `None` for all, with `sampler="grid"`.
        sampler: `"tpe"` (tree-structured Parzen estimator), `"random"`, `"gp"`
            (Gaussian process), `"grid"`, or a sampler of Optuna. Defaults to `"tpe"`.
        pruner: `"asha"` (asynchronous successive halving), `"median"`, `"none"`, or a
            pruner of Optuna. Defaults to `"asha"`.
        seed: Integer, seed of the search; each trial gets its own seed from it.
            Defaults to `None`, a random seed, which is saved.
        baseline: Boolean, whether trial 0 is ReLU and the defaults. Defaults to `True`.
        finalists: Integer, how many of the best configurations per activation to
            retrain in full, and how many overall to repeat with other seeds. Defaults
            to 1.
        repeats: Integer, number of other seeds; 0 for no repeats. Defaults to 3.
        workers: Integer, number of worker processes on this machine. Defaults to
            `None`: run the trials in this process.
        gpus_per_worker: Float, GPUs for each worker, may be a fraction. Defaults to
            `None`, equal shares of all GPUs.
        engine: `"local"`, or `"ray"` for workers on a Ray cluster. Defaults to
            `"local"`.
        store: Path of the journal, or URL of a database, to use several machines:
            `"postgresql://user@host/name"`. Defaults to `None`, `journal.log` in the
            project's folder.
        reuse: Boolean, whether trials with equal structure share one compiled model.
            Defaults to `True`.
        doctor: Boolean, whether to end trials that diverge, do not learn or have many
            dead units; NaN always ends a trial. Defaults to `True`.
        max_hours: Float, time limit of the search in hours. Defaults to `None`.
        trial_timeout: Float, time limit of a trial in seconds, checked after each
            epoch. Defaults to `None`.
        lease_seconds: Float, seconds without a sign of life after which a worker is
            considered lost. Defaults to 60.
        max_retries: Integer, how often to repeat a trial whose worker is lost. Defaults
            to 2.
        trials_per_process: Integer, number of trials after which a new process replaces
            a worker, which frees leaked memory. Defaults to 100.
        keep_models: Integer, number of best trials whose weights to keep. Defaults to
            10.
        max_consecutive_failed_trials: Integer, number of crashes in a row, with the
            same error, that stop the search. Defaults to 3.
        hyperparameters: Optional `keras_tuner.HyperParameters`, which override
            hyperparameters of `build`. Defaults to `None`.
        tune_new_entries: Boolean, whether to search hyperparameters that are not in
            `hyperparameters`; they keep their default otherwise. Defaults to `True`.
        allow_new_entries: Boolean, whether `build` may define hyperparameters that are
            not in `hyperparameters`. Defaults to `True`.
        max_model_size: Optional integer, most parameters of a model; trials with larger
            models fail. Defaults to `None`, no limit.
        optimizer, loss, metrics: Optional, as in `compile`; they replace those of each
            model. Defaults to `None`.
        distribution_strategy: Optional `tf.distribute.Strategy` to build models in.
            Defaults to `None`.
        directory: Path of the folder for projects. Defaults to `None`, the current
            folder.
        project_name: String, name of the search and of its folder in `directory`.
            Defaults to `None`, `"untitled_project"`.
        overwrite: Boolean, whether to delete an existing search of this name. Defaults
            to `False`: resume it.
        executions_per_trial: Integer, number of runs per trial, whose best scores are
            averaged. Defaults to 1.
        logger: Ignored, as in keras-tuner, which warns. Defaults to `None`.
        tuner_id: Optional string, as in keras-tuner; workers do not need one. Defaults
            to `None`.
        **unknown: Any other argument raises an error that suggests similar names.

    Raises:
        ValueError: If an argument is unknown or invalid, or the store cannot be used.

    Example:
        >>> import keras, numpy as np, tempfile
        >>> from kcomponents import tuning
        >>> def build(hp):
        ...     learning_rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     model.compile(keras.optimizers.Adam(learning_rate), "mse")
        ...     return model
        >>> x = np.random.default_rng(0).normal(size=(64, 2))
        >>> y = x[:, 0] - x[:, 1]
        >>> search = tuning.Search(
        ...     build, max_trials=2, repeats=0, seed=0, directory=tempfile.mkdtemp()
        ... )
        >>> search.search(x, y, validation_split=0.5, verbose=0)
        >>> len(search.results["trials"])
        2
        >>> sorted(search.get_best_hyperparameters()[0].values)
        ['learning_rate']

    Reference: Akiba et al., "Optuna: a next-generation hyperparameter optimization
    framework", 2019, https://arxiv.org/abs/1907.10902
    """

    def __init__(
        self,
        hypermodel: keras_tuner.HyperModel | Callable,
        objective: str | keras_tuner.Objective | list | None = "val_loss",
        max_trials: int | None = 10,
        *,
        sampler: str | optuna.samplers.BaseSampler = "tpe",
        pruner: str | optuna.pruners.BasePruner | None = "asha",
        seed: int | None = None,
        baseline: bool = True,
        finalists: int = 1,
        repeats: int = 3,
        workers: int | None = None,
        gpus_per_worker: float | None = None,
        engine: str = "local",
        store: str | None = None,
        reuse: bool = True,
        doctor: bool = True,
        max_hours: float | None = None,
        trial_timeout: float | None = None,
        lease_seconds: float = 60.0,
        max_retries: int = 2,
        trials_per_process: int = 100,
        keep_models: int = 10,
        max_consecutive_failed_trials: int = 3,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_model_size: int | None = None,
        optimizer: str | keras.optimizers.Optimizer | None = None,
        loss: str | keras.losses.Loss | Callable | None = None,
        metrics: list | None = None,
        distribution_strategy: Any = None,
        directory: str | os.PathLike | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
        executions_per_trial: int = 1,
        logger: Any = None,
        tuner_id: str | None = None,
        **unknown: Any,
    ):
        arguments = dict(locals())
        of_settings = Settings.__annotations__
        refuse_unknown(unknown, ["hypermodel", *of_settings, *OF_ORACLE, *OF_TUNER])
        settings = Settings(**{name: arguments[name] for name in of_settings})
        super().__init__(hypermodel, settings, tuner_arguments(arguments))

    @property
    def results(self) -> dict[str, Any]:
        """The settings, the search space and all trials, as a dict of plain values."""
        return results_of(self.store, self.oracle.get_space())

    def search(
        self,
        *args: Any,
        data: Callable[[], Any] | None = None,
        verbose: str | int = "auto",
        command: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Run all unfinished trials, in this process or in workers.

        Args:
            *args: Positional arguments of `fit`, such as inputs and targets.
            data: Function without arguments that returns the data; each worker calls
                it. It returns a dict of arguments of `fit`, `(x, y)`, or `((x, y),
                (x_val, y_val))`. Defaults to `None`.
            verbose: `"auto"`, a table on a terminal and log lines elsewhere; 1, printed
                lines instead of log lines; or 0, no output. Defaults to `"auto"`.
            command: String, the command that repeats the search, shown in the report.
                Defaults to `None`.
            **kwargs: Further arguments of `fit`, such as `epochs`, `validation_data`
                and `callbacks`. Each trial gets a copy of the callbacks.

        Raises:
            ValueError: If the search space is empty, the objective is not in the logs,
                the store has another search, or the data cannot be sent to workers.
            RuntimeError: If `max_consecutive_failed_trials` trials in a row crash with
                the same error.
            KeyboardInterrupt: If you press Ctrl-C. The search stops after the current
                epoch; run it again to resume it.
            SystemExit: If the process receives SIGTERM. The same holds.
        """
        if data is not None:
            kwargs = {"data": data, **kwargs}
        for_workers = args, kwargs
        args, kwargs = self.prepare(*args, command=command, **kwargs)
        with self.presence:
            self.presence.delete_leftovers()
            self.engine.start()
            reason = self._run(args, kwargs, for_workers, verbose)
            self._write_files()
        if reason == f"it got {signal.SIGINT.name}":
            raise KeyboardInterrupt
        if reason == f"it got {signal.SIGTERM.name}":
            # The sender wants this process to end soon.
            raise SystemExit(0)

    def _run(self, args, kwargs, for_workers, verbose):
        """Run all trials; return why the search was stopped, or None.

        `for_workers` are positional and keyword arguments of `fit` too, which may
        contain the function `data`: each worker calls it.
        """
        settings = self.settings
        self.store.set_fact("stop", False)
        stop = Stop(self.store, settings.max_hours)
        progress = Progress(self, verbose)
        with progress, stop.on_signals():
            if settings.engine == "ray":
                run_actors(self, for_workers, stop, progress.show)
            elif settings.workers is None:
                show = progress.show if verbose else None
                self.run_trials(args, kwargs, stop, show_progress=show)
            else:
                processes = Processes(self, settings.workers, *for_workers)
                processes.run(stop, progress.show)
        return stop.reason

    def _write_files(self):
        """Write the table of trials and the best model; delete what is left over."""
        folder = ProjectFolder(self.project_dir)
        folder.write_table(self.results)
        self.best_weights.delete_others()
        self.presence.delete_leftovers()
        for best in self.oracle.get_best_trials(1):
            folder.save_best(functools.partial(self.load_model, best))

    def report(self, path: str | os.PathLike | None = None) -> str | os.PathLike:
        """Write an HTML report of the results, and return its path.

        You can call it while the search is running.

        Args:
            path: Path of the report. Defaults to `None`: `report.html` in the project's
                folder.
        """
        path = path or ProjectFolder(self.project_dir).own_file("report.html")
        to_html(self.results, path)
        return path
