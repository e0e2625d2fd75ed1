"""The arguments of `Search` that keras-tuner defines, and the refusal of others."""

import difflib

from kcomponents._checks import fail

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


def refuse_unknown(unknown, known):
    """Raise a ValueError for the first unknown argument; suggest similar names."""
    for name in unknown:
        near = difflib.get_close_matches(name, known)
        hint = f"Did you mean {' or '.join(f'`{other}`' for other in near)}?"
        hint = INSTEAD.get(name, hint if near else "See `help(Search)`.")
        fail(f"Unknown argument `{name}`. {hint}", **unknown)
