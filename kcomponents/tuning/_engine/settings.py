"""The arguments of `Search`: settings of the search, and those that keras-tuner has."""

import dataclasses
import difflib
from typing import Any

from kcomponents._checks import boolean, fail, number, one_of, positive_int
from kcomponents._optional import require
from kcomponents.tuning._engine.suggest import check_pruner, check_sampler

ENGINES = ("local", "ray")
COUNTS = ("keep_models", "max_consecutive_failed_trials", "trials_per_process")


@dataclasses.dataclass
class Settings:
    """The arguments of `Search` that keras-tuner does not have."""

    max_trials: int | None = 10
    sampler: Any = "tpe"
    pruner: Any = "asha"
    seed: int | None = None
    baseline: bool = True
    finalists: int = 1
    repeats: int = 3
    workers: int | None = None
    gpus_per_worker: float | None = None
    engine: str = "local"
    store: str | None = None
    reuse: bool = True
    doctor: bool = True
    max_hours: float | None = None
    trial_timeout: float | None = None
    lease_seconds: float = 60.0
    max_retries: int = 2
    trials_per_process: int = 100
    keep_models: int = 10
    max_consecutive_failed_trials: int = 3

    def __post_init__(self):
        """Check all settings; raise a ValueError for an invalid one."""
        self.sampler = check_sampler(self.sampler)
        self.pruner = check_pruner(self.pruner)
        one_of("engine", self.engine, ENGINES)
        if self.max_trials is not None or self.sampler != "grid":
            positive_int("max_trials", self.max_trials)
        if self.workers is not None:
            positive_int("workers", self.workers)
        for name in COUNTS:
            positive_int(name, getattr(self, name))
        for name in ("baseline", "reuse", "doctor"):
            setattr(self, name, boolean(name, getattr(self, name)))
        for name in ("finalists", "repeats", "max_retries"):
            self._check_count(name)
        for name in ("max_hours", "trial_timeout", "gpus_per_worker"):
            if getattr(self, name) is not None:
                number(name, getattr(self, name), 0, open_low=True)
        number("lease_seconds", self.lease_seconds, 0, open_low=True)
        if self.seed is not None:
            self._check_seed()
        if self.engine == "ray":
            require("ray")

    def _check_count(self, name):
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            fail(f"`{name}` must be an integer of at least 0.", **{name: value})

    def _check_seed(self):
        whole = isinstance(self.seed, int) and not isinstance(self.seed, bool)
        if not whole or not 0 <= self.seed < 2**31:
            rule = "`seed` must be an integer of at least 0 and below 2**31."
            fail(rule, seed=self.seed)

    def as_dict(self):
        """Return the settings as plain values, without `store`."""
        values = dataclasses.asdict(self)
        for name in ("sampler", "pruner"):
            value = values[name]
            if not isinstance(value, str | None):
                values[name] = type(value).__name__
        values.pop("store")
        return values


# Arguments of keras-tuner's oracle, and of its tuner.
OF_ORACLE = ("objective", "hyperparameters", "tune_new_entries", "allow_new_entries")
OF_TUNER = (
    "max_model_size",
    "optimizer",
    "loss",
    "metrics",
    "distribution_strategy",
    "directory",
    "project_name",
    "overwrite",
    "executions_per_trial",
    "logger",
    "tuner_id",
)
# Other arguments of keras-tuner's tuners → what to use here.
INSTEAD = {
    "oracle": "Pass `sampler` and `pruner` instead.",
    "max_retries_per_trial": "Use `max_retries`, for trials whose worker is lost;"
    " a trial that crashed is not repeated.",
    "num_initial_points": "Pass a sampler of Optuna as `sampler` instead.",
    "alpha": "Pass a sampler of Optuna as `sampler` instead.",
    "beta": "Pass a sampler of Optuna as `sampler` instead.",
    "max_epochs": "Pass `epochs` to `search()` instead.",
    "factor": "Pass a pruner of Optuna as `pruner` instead.",
    "hyperband_iterations": "Set `max_trials` instead.",
}


def tuner_arguments(arguments):
    """Return the arguments of keras-tuner that are not None, checked where it does not.

    Raises:
        ValueError: If a number is not a positive integer, or a flag is not a boolean.
    """
    # Without `None`, keras-tuner's default: later versions may drop arguments.
    names = [name for name in (*OF_ORACLE, *OF_TUNER) if arguments[name] is not None]
    checked = {name: arguments[name] for name in names}
    for name in ("executions_per_trial", "max_model_size"):
        if name in checked:
            checked[name] = positive_int(name, checked[name])
    for name in ("overwrite", "tune_new_entries", "allow_new_entries"):
        if name in checked:
            checked[name] = boolean(name, checked[name])
    return checked


def refuse_unknown(unknown, names):
    """Raise a ValueError for the first unknown argument; suggest similar names.

    Args:
        unknown: Dict of the unknown arguments.
        names: List of the names that exist.
    """
    for name in unknown:
        near = difflib.get_close_matches(name, names)
        hint = f"Did you mean {' or '.join(f'`{other}`' for other in near)}?"
        hint = INSTEAD.get(name, hint if near else "See `help(Search)`.")
        fail(f"Unknown argument `{name}`. {hint}", **unknown)
