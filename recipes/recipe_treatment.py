"""A training made of settings: its digits, its net, and what the doctor says of it."""

import numpy as np
from keras import Sequential, layers, optimizers
from recipe_nets import compiled

from kcomponents import regularizers
from kcomponents.callbacks import EarlyStopping, TrainingDoctor
from kcomponents.layers import MaxoutDense, PReLU


def digits(given, train, held, seed):
    """Return the first digits, some with labels drawn at random, and those held out."""
    (x, y), (x_held, y_held), some = train, held, given["digits"]
    rng, labels = np.random.default_rng(seed), y.copy()
    wrong = rng.random(len(y)) < given["wrong"]
    labels[wrong] = rng.integers(0, 10, wrong.sum())
    white = given["white"]
    return (white * x[:some], labels[:some]), (white * x_held, y_held)


def net(given, x):
    """Return a compiled net with these settings, and a `depth`."""
    model = Sequential()
    if given["input_scaling"] == "normalization":
        scale = layers.Normalization()
        scale.adapt(x)
        model.add(scale)
    if given["input_scaling"] == "batch_normalization":
        model.add(layers.BatchNormalization())
    for _ in range(given["depth"]):
        for layer in _hidden(given["hidden_activation"]):
            model.add(layer)
        model.add(layers.Dropout(given["dropout"]))
    model.add(layers.Dense(10))
    model.build((None, *x.shape[1:]))
    regularizers.apply(model, regularizers.L2(given["l2"]))
    clip = given["global_clipnorm"]
    return compiled(model, optimizers.SGD(given["learning_rate"], global_clipnorm=clip))


def _hidden(kind):
    if kind == "maxout":
        return [MaxoutDense(100)]
    if kind == "prelu":
        return [layers.Dense(100), PReLU()]
    return [layers.Dense(100, kind)]


def treat(given, train, held):
    """Train; return verdict, accuracies, and the remedies that the doctor names."""
    model, doctor = net(given, train[0]), TrainingDoctor()
    watching = [doctor]
    if given["early_stopping"]:
        watching.append(EarlyStopping(patience=5, restore_best_weights=True))
    fit = {"epochs": given["epochs"], "batch_size": 50, "validation_batch_size": 1000}
    model.fit(*train, validation_data=held, verbose=0, callbacks=watching, **fit)
    reached = [model.evaluate(*data, 1000, verbose=0)[1] for data in (train, held)]
    told = [r for finding in doctor.diagnosis.findings for r in finding.remedies]
    told = [(r.setting, value) for r in told for value in r.values]
    return doctor.diagnosis.verdict, *reached, told
