"""Settings: the options of a search, checked before it starts."""

import dataclasses
from typing import Any

from kcomponents._checks import boolean, fail, number, one_of, positive_int
from kcomponents._optional import needed
from kcomponents.tuning._engine.pruning import checked_pruner
from kcomponents.tuning._engine.suggest import checked_sampler

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
        self.sampler = checked_sampler(self.sampler)
        self.pruner = checked_pruner(self.pruner)
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
            self._whole(name)
        for name in ("max_hours", "trial_timeout", "gpus_per_worker"):
            if getattr(self, name) is not None:
                number(name, getattr(self, name), 0, open_low=True)
        number("lease_seconds", self.lease_seconds, 0, open_low=True)
        if self.seed is not None:
            self._check_seed()
        if self.engine == "ray":
            needed("ray")

    def _whole(self, name):
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            fail(f"`{name}` must be an integer of at least 0.", **{name: value})

    def _check_seed(self):
        whole = isinstance(self.seed, int) and not isinstance(self.seed, bool)
        if not whole or not 0 <= self.seed < 2**31:
            rule = "`seed` must be an integer of at least 0 and below 2**31."
            fail(rule, seed=self.seed)

    def told(self):
        """Return the settings as plain values."""
        values = dataclasses.asdict(self)
        for name in ("sampler", "pruner"):
            value = values[name]
            if not isinstance(value, str | None):
                values[name] = type(value).__name__
        values.pop("store")
        return values
