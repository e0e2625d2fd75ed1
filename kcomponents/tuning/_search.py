"""Search: hyperparameters by keras-tuner's interface, on a store that survives."""

import os
import signal

from kcomponents.tuning._engine.settings import Settings
from kcomponents.tuning._engine.tuner import StoreTuner
from kcomponents.tuning._keeping.finish import finish
from kcomponents.tuning._telling.page import to_html
from kcomponents.tuning._telling.results import results_of
from kcomponents.tuning._telling.told import Told
from kcomponents.tuning._workers.places import run_search


class Search(StoreTuner):
    """Search hyperparameters with keras-tuner's interface, on an engine that survives.

    Existing `build(hp)` functions and hypermodels run unchanged. Trials are kept in a
    journal in the project's folder, or in a database, so that nothing is lost when a
    process is killed: run the same script again, and the search goes on. Trial 0 is the
    baseline, ReLU and the defaults of the space. Trials that can no longer come to
    anything are ended, and the reason is kept. At the end, the best of each activation
    are trained in full, and the winner and the baseline again with other seeds.

    Args:
        hypermodel: `keras_tuner.HyperModel`, or a function of `hp` that returns a
            compiled model.
        objective: String, `keras_tuner.Objective`, or a list of them. Defaults to
            `"val_loss"`.
        max_trials: Integer, how many values are tried, the baseline among them.
            Defaults to 10; `None` with `sampler="grid"` for all.
        sampler: `"tpe"`, `"random"`, `"gp"`, `"grid"`, or a sampler of Optuna. Defaults
            to `"tpe"`, tree-structured Parzen estimators.
        pruner: `"asha"`, `"median"`, `"none"`, or a pruner of Optuna. Defaults to
            `"asha"`, successive halving without waiting.
        seed: Integer, from which every trial gets its own. Defaults to `None`, one that
            is drawn, and kept.
        baseline: Boolean, whether trial 0 is ReLU and defaults. Defaults to `True`.
        finalists: Integer, how many of each activation are trained in full, and of all
            with other seeds. Defaults to 1.
        repeats: Integer, with how many other seeds. Defaults to 3; 0 for none.
        workers: Integer, processes on this machine, or `None` for this one. Defaults to
            `None`.
        gpus_per_worker: Float, share of a GPU for each worker. Defaults to `None`, what
            there is in equal shares.
        engine: `"local"`, or `"ray"` for actors on a cluster of Ray. Defaults to
            `"local"`.
        store: Path of the journal, or URL of a database for several machines, such as
            `"postgresql://user@host/name"`. Defaults to `None`, `journal.log` in the
            project's folder.
        reuse: Boolean, whether trials that share their structure share one compiled
            model. Defaults to `True`.
        doctor: Boolean, whether trials with dead units or without any learning are
            ended. NaN ends a trial in any case. Defaults to `True`.
        max_hours: Float, after which the search ends. Defaults to `None`.
        trial_timeout: Float, seconds after which a trial ends with its epoch. Defaults
            to `None`.
        lease_seconds: Float, after which a worker that is not heard of counts as gone.
            Defaults to 60.
        max_retries: Integer, how often a trial whose worker is gone is run again.
            Defaults to 2.
        trials_per_process: Integer, after which a worker is replaced by a new process,
            since some backends let memory grow. Defaults to 100.
        keep_models: Integer, of how many of the best trials the weights are kept.
            Defaults to 10.
        max_consecutive_failed_trials: Integer, after how many crashes with the same
            error the search ends. Defaults to 3.
        **kwargs: Further arguments of `keras_tuner.Tuner` and its oracle: `directory`,
            `project_name`, `overwrite`, `executions_per_trial`, `max_model_size`,
            `optimizer`, `loss`, `metrics`, `hyperparameters`, `tune_new_entries`,
            `allow_new_entries`.

    Raises:
        ValueError: If an argument is none of these, the store cannot be used, or it
            holds another search.

    Example:
        >>> import keras, numpy as np, tempfile
        >>> from kcomponents import tuning
        >>> def build(hp):
        ...     rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     model.compile(keras.optimizers.Adam(rate), "mse")
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

    def __init__(self, hypermodel, objective="val_loss", max_trials=10, **kwargs):
        own = {k: kwargs.pop(k) for k in list(kwargs) if k in Settings.__annotations__}
        settings = Settings(max_trials, **own)
        super().__init__(hypermodel, settings, {"objective": objective, **kwargs})

    @property
    def results(self):
        """All that is known of the search, as plain values: settings and trials."""
        return results_of(self.store, self.oracle.get_space())

    def search(self, *args, data=None, verbose="auto", command=None, **kwargs):
        """Run the trials that have not ended, here or by workers.

        Args:
            *args: Positional arguments of `fit`, such as inputs and targets.
            data: Function that returns the data, called in each worker: arguments of
                `fit` as a dict, a pair of inputs and targets, or two of them, for
                training and for validation. Defaults to `None`.
            verbose: `"auto"` for a table on a terminal, else lines of the logger;
                0 for nothing, 1 for lines. Defaults to `"auto"`.
            command: String that a report gives to run the search again. Defaults to
                `None`.
            **kwargs: Further arguments of `fit`, such as `epochs`, `validation_data`
                and `callbacks`, which are copied for each trial.

        Raises:
            ValueError: If the space has no choice, the objective is not logged, the
                store holds another search, or the data cannot be sent to workers.
            RuntimeError: If trial after trial crashes with the same error.
            KeyboardInterrupt: If Ctrl-C ended it after an epoch; what was run is kept.
            SystemExit: If SIGTERM did.
        """
        if data is not None:
            kwargs = {"data": data, **kwargs}
        sent = args, kwargs
        args, kwargs = self.prepared(*args, command=command, **kwargs)
        self.engine.begin()
        told = Told(self, verbose)
        self.shown = told.show
        why = run_search(self, args, kwargs, sent, told)
        finish(self)
        if why == f"it got {signal.SIGINT.name}":
            raise KeyboardInterrupt
        if why == f"it got {signal.SIGTERM.name}":
            # Whoever sent it wants this process to end, and has not long to wait.
            raise SystemExit(0)

    def report(self, path=None):
        """Write a page that tells what was found; return its path.

        Args:
            path: Where to write it. Defaults to `None`, `report.html` in the project's
                folder.
        """
        path = path or os.path.join(self.project_dir, "report.html")
        to_html(self.results, path)
        return path
