"""The private names of Keras in use, and the features that need them.

If a version of Keras lacks one of these names, only its features are lost: using them
raises `MissingInKeras`. Names in `OPTIONAL` are done without. `docs/keras_versions.md`
lists which names each version lacks.
"""

import importlib
from typing import NamedTuple

import keras

TESTED = "3.10 to 3.15"


class Feature(NamedTuple):
    """The subject of an error message, and an alternative for the user."""

    needs: str
    instead: str = "train without them"


ACCUMULATION = Feature(
    "`clipped` needs, with `gradient_accumulation_steps`,",
    "leave out one of them",
)
AVERAGES = Feature(
    "`EarlyStopping` and `Resume` need, with `SwapEMAWeights`,",
    "leave out `SwapEMAWeights`",
)
CHECKPOINTS = Feature(
    "`Resume` needs, with `ModelCheckpoint`,", "leave out `ModelCheckpoint`"
)
DATA = Feature(
    "`Resume`, `check_first`, and `TrainingDoctor` for datasets and generators, need",
    "train without them; `TrainingDoctor` also takes arrays as `data`",
)
DECAY = Feature("`clipped` needs, with `weight_decay`,", "set `weight_decay` to None")
GRAPHS = Feature(
    "`linear_region`, `prune`, `revive`, `WithActivation` and `Regularized` need",
    "do without them",
)
JAX_MONITORS = Feature("Monitors, probes and `TrainingDoctor` need, on JAX,")
RESUME = Feature("`Resume` needs", "train without it")
REUSE = Feature("The reuse of compiled models in a search needs", "search without it")
REWRITING = Feature("`WithActivation` and `Regularized` need", "search without them")

# Class or module, and name → the feature that is lost without it.
NEEDED = {
    "CallbackList._async_train": RESUME,
    "CallbackList._flush_futures": RESUME,
    "EpochIterator._enumerate_iterator": DATA,
    "EpochIterator.catch_stop_iteration": DATA,
    "EpochIterator.steps_per_execution": DATA,
    "Function._nodes_by_depth": GRAPHS,
    "Layer._layers": Feature(
        "Monitors, probes, `TrainingDoctor`, `mc_predict` and "
        "`weight_scaling_predict` need",
        "do without them",
    ),
    "Layer._non_trainable_variables": REUSE,
    "Layer._remat_mode": REUSE,
    "Layer._seed_generators": JAX_MONITORS,
    "Layer._trainable_variables": REUSE,
    "Model._compile_config": REWRITING,
    "Model._initial_epoch": Feature(
        "Resuming with `Resume` or `EarlyStopping(state_path=...)` needs",
        "start a new run without them",
    ),
    "Model._symbolic_build": Feature(
        "Resuming within an epoch needs", "use `Resume` with `save_freq='epoch'`"
    ),
    "ModelCheckpoint._batches_seen_since_last_saving": CHECKPOINTS,
    "ModelCheckpoint._last_batch_seen": CHECKPOINTS,
    "Optimizer._backend_apply_gradients": ACCUMULATION,
    "Optimizer._clip_gradients": Feature(
        "Monitors of gradients, and `clipped` with `gradient_accumulation_steps`, need"
    ),
    "Optimizer._exclude_from_weight_decay": DECAY,
    "Optimizer._exclude_from_weight_decay_pattern": DECAY,
    "Optimizer._learning_rate": Feature(
        "`clipped`, `FiniteGuard` and `TrainingDoctor` need, for a learning rate "
        "schedule,",
        "use a constant learning rate",
    ),
    "Optimizer._model_variables_moving_average": AVERAGES,
    "Optimizer._track_variable": JAX_MONITORS,
    "Optimizer._trainable_variables": Feature(
        "Monitors, probes, `TrainingDoctor` and `clipped` need"
    ),
    "Optimizer._untrack_variable": JAX_MONITORS,
    "Optimizer._use_weight_decay": REUSE,
    "Sequential._functional": GRAPHS,
    "SpatialDropout._get_noise_shape": Feature(
        "`mc_predict` with `same_mask=True` needs, for `SpatialDropout`,",
        "use `Dropout`",
    ),
    "SwapEMAWeights._ema_weights_in_model": AVERAGES,
    "fit.epoch_iterator": DATA,
    "functional.Functional": REWRITING,
    "global_state.get_global_attribute": RESUME,
    "seed_generator.GLOBAL_SEED_GENERATOR": RESUME,
}
# Class or module, and name → what is lost without it, with no error.
OPTIONAL = {
    "CompileMetrics._user_metrics": "the names of metrics in a record, and the default "
    "`mode` of a monitored metric before the first step",
    "CompileMetrics._user_weighted_metrics": "the same",
    "JAXTrainer._get_jax_state": "the weights on JAX after a step that failed",
    "JAXTrainer._jax_state": "the same",
    "JAXTrainer._jax_state_synced": "the same",
    "JAXTrainer._make_function": "the same",
    "Metric._direction": "the default `mode` of a monitored metric",
    "Operation._inbound_nodes": "the units of `keras.ops.maximum(x, 0)` in "
    "`DeadReLUMonitor`",
    "TFEpochIterator._distributed_dataset": "on TensorFlow, what is measured in the "
    "step of a model that only its first batch builds, if that is no array",
    "global_state.set_global_attribute": "equal default names of metrics in all trials "
    "of a search, and the random numbers of a training that a monitor must not change "
    "if layers draw them without a seed",
    "masking.get_keras_mask": "the speed of `mc_predict`, which repeats layers before "
    "the first dropout, and the masks in the scores of `TrainingDoctor`",
    "stateless_scope.in_stateless_scope": "on JAX, the warning about a custom "
    "`train_step` whose loss cannot be measured",
}
# Names used only in some versions of Keras, and the one in `NEEDED` that others have in
# their place; None if they do without.
IN_SOME = {
    # 3.10
    "Callback._model": None,
    # Before 3.12
    "CallbackList._clear_futures": "CallbackList._flush_futures",
    "JAXTrainer._record_training_state_sharding_spec": None,
    # Before 3.13
    "seed_generator.global_seed_generator": "seed_generator.GLOBAL_SEED_GENERATOR",
    # From 3.16 on
    "DataAdapter._epoch": None,
}


class MissingInKeras(RuntimeError):
    """A feature needs a private name that this version of Keras does not have."""


def missing(name):
    """Return the error for a name in `NEEDED`."""
    feature = NEEDED[name]
    return MissingInKeras(
        f"{feature.needs} `{name}`, which Keras {keras.__version__} does not have. "
        f"Use Keras {TESTED}, or {feature.instead}."
    )


def needed(owner, name):
    """Return the attribute for a name in `NEEDED`, or raise `MissingInKeras`."""
    for known in (name, *in_place_of(name)):
        attribute = known.rpartition(".")[2]
        if hasattr(owner, attribute):
            return getattr(owner, attribute)
    raise missing(name)


def in_place_of(name):
    """Return the names that some versions of Keras have in the place of one."""
    return [other for other, replaced in IN_SOME.items() if replaced == name]


def module(name):
    """Return a module of Keras, or None if this version does not have it."""
    try:
        return importlib.import_module(f"keras.src.{name}")
    except ImportError:
        return None
