"""Every public constructor, with arguments that it takes."""

import inspect

import keras_tuner
import numpy as np

from kcomponents import (
    activations,
    callbacks,
    clipping,
    doctor,
    initializers,
    optimizers,
    probes,
    record,
    tuning,
)
from kcomponents.probes import statistic
from tests.test_public import CLASSES, NEEDED


def build(hp):
    """Build no model: nothing here asks for one."""


def grads():
    return [np.ones((2, 3), "float32"), np.ones(2, "float32")]


def of(function, **arguments):
    return function, arguments


REMEDY = doctor.Remedy("learning_rate", (0.1, 0.2), "It is slow.")
FINDING = doctor.Finding("loss_nan", "", ("It is NaN.",), "high", (REMEDY,))
COUNT = statistic.Statistic("total", "gradients", lambda view: view.total)
GIVEN = [
    of(activations.get, identifier="relu"),
    of(activations.maxout, x=np.ones((2, 4), "float32")),
    of(activations.rrelu, x=np.ones((2, 4), "float32")),
    of(callbacks.DeadReLUMonitor),
    of(callbacks.EarlyStopping),
    of(callbacks.FiniteGuard),
    of(callbacks.GeneralizationLoss, alpha=5),
    of(callbacks.GradientNormLogger),
    of(callbacks.Patience, n=3),
    of(callbacks.ProgressQuotient, alpha=0.5),
    of(callbacks.Resume, backup_dir="runs"),
    of(callbacks.SaturationMonitor),
    of(callbacks.StopReason, value="the time limit was reached"),
    of(callbacks.SuccessiveIncreases),
    of(callbacks.TrainingDoctor),
    of(callbacks.UpdateRatioMonitor),
    of(clipping.adaptive_clip, grads=grads(), params=grads()),
    of(clipping.clip_by_global_norm, grads=grads(), max_norm=1.0),
    of(clipping.clip_by_norm, grads=grads(), max_norm=1.0),
    of(clipping.clip_by_value, grads=grads(), value=1.0),
    of(clipping.unitwise_norm, x=grads()[0]),
    of(doctor.Diagnosis, verdict="healthy", findings=()),
    of(doctor.Finding, label="loss_nan", where="", evidence=("It is NaN.",)),
    of(doctor.Remedy, setting="learning_rate", values=(0.1,), reason="It is slow."),
    of(initializers.recommended_for, activation="relu"),
    of(optimizers.clipped, optimizer="sgd", global_clipnorm=1.0),
    of(probes.Probe),
    of(record.Reading, epoch=0, step=1, values={"loss": {"all": 1.0}}),
    of(record.Record),
    of(statistic.Statistic, name="a", source="gradients", measure=len),
    of(tuning.ConvHyperModel, input_shape=(8, 8, 1), num_outputs=3),
    of(tuning.DenseHyperModel, input_shape=(4,), num_outputs=3),
    of(tuning.RecurrentHyperModel, input_shape=(8, 2), num_outputs=3),
    of(tuning.Regularized, hypermodel=build),
    of(tuning.WithActivation, hypermodel=build),
    of(tuning.activation, hp=None),
    of(tuning.clipping, hp=None),
    of(tuning.dropout, hp=None),
    of(tuning.normalization, hp=None),
    of(tuning.optimizer, hp=None),
    of(tuning.regularizer, hp=None),
    of(tuning.space, remedies=[REMEDY, FINDING]),
]
PARTS = [of(getattr(m, name), **NEEDED.get(name, {})) for m, name in CLASSES] + GIVEN
# Tensors and what Keras hands on in a call, and the space of a search.
LEFT_OUT = {"x", "grads", "params", "use_norm", "hp", "training"}
# Handed to Keras as they are, which has errors of its own for them: an OverflowError of
# the backend for seeds that fit no uint32, an AttributeError for a padding that is no
# word, a KeyError for a config without its keys, in `keras.layers.Dropout`,
# `keras.layers.Conv1D` and `keras.optimizers.get` too. Of a slope that is no float32
# PyTorch raises a RuntimeError where it is applied; those of the layer are not. And a
# record is written to its path at once.
LEFT_OUT_OF = {"layers": {"seed", "padding"}, "optimizers": {"optimizer"}}
LEFT_OUT_OF |= {"activations": {"lower", "upper"}, "record": {"path"}}


def name_of(part):
    """Return the name of a part, that of its module before it."""
    module = part[0].__module__.split(".")[1].lstrip("_")
    return f"{module}.{part[0].__name__}"


def names_of(part):
    """Return the arguments of a part that a hostile value may stand for."""
    known = inspect.signature(part[0]).parameters.values()
    named = [p.name for p in known if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    left_out = LEFT_OUT | LEFT_OUT_OF.get(name_of(part).split(".")[0], set())
    return [name for name in named if name not in left_out]


def made(part, **others):
    """Call a part with some of its arguments replaced."""
    function, arguments = part
    if "hp" in arguments:
        others["hp"] = keras_tuner.HyperParameters()
    return function(**{**arguments, **others})
