"""What the installed version of Keras lacks.

From the root of the repository, `KERAS_BACKEND=jax python -m tests.keras_versions`
prints the private names that it lacks, as a row of the table in docs/keras_versions.md.
"""

import types

import keras
import numpy as np
import pytest

from kcomponents import _keras
from kcomponents._keras import fit_state, models
from kcomponents._keras.features import NEEDED, OPTIONAL, in_place_of


def needs_keras(version, lack, backend=None):
    """Mark a test, or a case of it, that older versions than this cannot pass.

    `lack` says what they lack, as the end of a sentence that begins with Keras. With
    `backend`, only this one lacks it.
    """
    wanted = tuple(map(int, version.split(".")))
    installed = tuple(map(int, keras.__version__.split(".")[:2]))
    here = backend in (None, keras.backend.backend())
    reason = f"Keras before {version} {lack}"
    return pytest.mark.skipif(here and installed < wanted, reason=reason)


def main():
    """Print the row of the installed version."""
    print(row())


def row():
    """Return the row of the installed version in the table of the page."""
    names = lacking()
    others = [f"`{name}` (uses `{place}`)" for name, place in names.items() if place]
    lost = [name for name, place in names.items() if not place]
    lacks = ", ".join([*others, *(f"`{name}`" for name in lost)])
    losses = dict.fromkeys(loss_of(name) for name in lost)
    version = ".".join(keras.__version__.split(".")[:2])
    return f"| {version} | {lacks or 'nothing'} | {'; '.join(losses) or 'nothing'} |"


def loss_of(name):
    """Return what is lost without a name."""
    return NEEDED[name].needs if name in NEEDED else OPTIONAL[name]


def lacking():
    """Return the names that the installed version lacks, and what is used instead."""
    owners, found = owners_of_names(), {}
    for name in [*NEEDED, *OPTIONAL]:
        if owners[owner_of(name)] is not None and not has(owners, name):
            others = [other for other in in_place_of(name) if has(owners, other)]
            found[name] = next(iter(others), None)
    return found


def owner_of(name):
    return name.partition(".")[0]


def has(owners, name):
    return hasattr(owners[owner_of(name)], name.partition(".")[2])


def owners_of_names():
    """Return an object that has the attributes of each class or module by name.

    None stands for a class of another backend.
    """
    optimizer = keras.optimizers.SGD(use_ema=True)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    inputs = keras.Input((2,))
    dense = keras.layers.Dense(1)
    graph = keras.Model(inputs, keras.ops.relu(dense(inputs)))
    chain = keras.Sequential([inputs, dense])
    chain.compile(optimizer, "mse", metrics=["mae"])
    fit, lists = {}, []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            fit.update(_keras.running_fit())
            lists.append(_keras.callback_list.running_callbacks())

    x = np.zeros((2, 2), "float32")
    chain.fit(x, x[:, :1], verbose=0, callbacks=[Look()])
    of_compile = [m for m in chain.metrics if hasattr(m, "metrics")]
    epochs = fit.get("epoch_iterator")
    known = epochs is not fit_state.UNKNOWN
    return {
        "CallbackList": lists[0],
        "CompileMetrics": of_compile[0],
        "EpochIterator": epochs if known else None,
        "Function": graph,
        "JAXTrainer": chain if keras.backend.backend() == "jax" else None,
        "Layer": dense,
        "Metric": keras.metrics.MeanSquaredError(),
        "Model": chain,
        "ModelCheckpoint": keras.callbacks.ModelCheckpoint("model.keras"),
        "Operation": graph.operations[-1],
        "Optimizer": optimizer,
        "Sequential": chain,
        "SpatialDropout": keras.layers.SpatialDropout1D(0.5),
        "TFEpochIterator": epochs
        if known and keras.backend.backend() == "tensorflow"
        else None,
        "SwapEMAWeights": keras.callbacks.SwapEMAWeights(),
        "fit": types.SimpleNamespace(**fit) if known else types.SimpleNamespace(),
        "functional": models.functional,
        "global_state": fit_state.global_state,
        "masking": models.masking,
        "seed_generator": fit_state.seed_generator,
        "stateless_scope": models.stateless_scope,
    }


if __name__ == "__main__":
    main()
