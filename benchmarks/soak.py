"""Fit small models thousands of times in one process, and see whether memory grows.

All monitors, the doctor and early stopping watch each fit. A new model begins every
twenty fits, as in a loop over settings, after Keras's session was cleared, as its
documentation asks for; between them the same one is fitted again. The figure is the
memory of the process at the end over that after a tenth of the fits; it exits with 1
beyond the bound. The model has one output: with several, the accuracy asks for the
largest, and JAX keeps the last 4096 traces of that. `--plain` does the same without
callbacks, and compiles anew for each fit, as it is done for one that is watched: what
that adds is added by Keras and the backend. On JAX nearly all of the time would go into
compiling, so what is compiled is kept on disk meanwhile.

    KERAS_BACKEND=torch python benchmarks/soak.py --fits 500
"""

import argparse
import gc
import sys
import tempfile
import time

import keras
import numpy as np
import psutil

from kcomponents import callbacks, layers, optimizers

BOUND = 1.05
FITS_OF_A_MODEL = 20


def net():
    """Return a small compiled model that holds our parts."""
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu")])
    for layer in (layers.MaxoutDense(8), layers.PReLU(), keras.layers.Dense(1)):
        model.add(layer)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    adam = optimizers.clipped(keras.optimizers.Adam(0.01), global_clipnorm=1.0)
    model.compile(adam, loss, metrics=["accuracy"])
    return model


def watchers():
    """Return one of each callback that watches."""
    return [
        callbacks.GradientNormLogger(per_variable=True),
        callbacks.UpdateRatioMonitor(),
        callbacks.DeadReLUMonitor(),
        callbacks.SaturationMonitor(),
        callbacks.FiniteGuard(),
        callbacks.TrainingDoctor(),
        callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True),
    ]


def memory():
    """Return the memory of this process in MiB, after what is waste has gone."""
    gc.collect()
    return psutil.Process().memory_info().rss / 2**20


def keep_compiled(folder):
    """Let JAX keep in a folder what it compiles."""
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def soak(fits, plain):
    """Fit; return the memory at each tenth."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 8)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    seen, begin = [], time.perf_counter()
    for number in range(1, fits + 1):
        if number % FITS_OF_A_MODEL == 1:
            keras.utils.clear_session()
            model = net()
        watching = [] if plain else watchers()
        if plain:
            model.make_train_function(force=True)
        model.fit(x, y, batch_size=32, epochs=2, verbose=0, callbacks=watching)
        if number % (fits // 10) == 0:
            seen.append(memory())
            took = time.perf_counter() - begin
            print(f"{number} fits, {seen[-1]:.0f} MiB, {took:.0f} s", file=sys.stderr)
    return seen


def main(argv=None):
    """Run, print the ratio, and return whether it is beyond the bound."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--fits", type=int, default=2000, help="at least 10 (%(default)s)")
    add("--plain", action="store_true", help="without callbacks, and no bound")
    args = parser.parse_args(argv)
    if args.fits < 10:
        parser.error(f"--fits must be at least 10. Received: {args.fits}")
    with tempfile.TemporaryDirectory() as folder:
        keep_compiled(folder)
        seen = soak(args.fits, args.plain)
    ratio = seen[-1] / seen[0]
    what = "plain" if args.plain else "all monitors"
    told = f"memory after {args.fits} fits over that after {args.fits // 10}"
    print(f"{keras.backend.backend()}, {what}: {told}: {ratio:.3f} (bound {BOUND})")
    return int(not args.plain and ratio > BOUND)


if __name__ == "__main__":
    sys.exit(main())
