"""Graphs: small molecules with atoms and bonds."""

import keras
import numpy as np
from keras import layers, ops

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sound._parts import (
    adam,
    dense,
    explained,
    freeze,
    loss_of,
    split,
)


class MessagePassing(layers.Layer):
    """Joins each node with the mean of its neighbors.

    Args:
        own: Layer for the node itself.
        others: Layer for the mean of the neighbors.
    """

    def __init__(self, own, others, **options):
        super().__init__(**options)
        self.own, self.others = own, others

    def build(self, nodes_shape, bonds_shape):
        self.own.build(nodes_shape)
        self.others.build(nodes_shape)
        self.built = True

    def call(self, nodes, bonds):
        degree = ops.sum(bonds, axis=-1, keepdims=True)
        mean = ops.matmul(bonds, nodes) / ops.maximum(degree, 1)
        return self.own(nodes) + self.others(mean)


class PoolAtoms(layers.Layer):
    """Sums the nodes of a graph, without padding if it is masked.

    Args:
        mask: Whether padding is left out.
    """

    def __init__(self, mask, **options):
        super().__init__(**options)
        self.mask = mask

    def call(self, nodes, atoms):
        if self.mask:
            there = ops.cast(ops.not_equal(atoms, 0), nodes.dtype)
            nodes = nodes * there[..., None]
        return ops.sum(nodes, axis=1) / 4


class MoleculeSolubility(Program):
    """Molecules of up to twelve atoms, padded; how well do they dissolve?"""

    kind = "graph network"
    metric = "share of the variance that is explained"
    good = 0.75
    inputs = {"atoms": "ids", "bonds": "graph"}
    targets = {"solubility": "numbers"}
    padding = 0
    settings = Settings(
        rate=5e-3,
        epochs=7,
        batch_size=32,
        loss="mean_squared_error",
        activation="relu",
        output_activation="linear",
        kernel_initializer="glorot_uniform",
        dropout=0.0,
        mask=True,
        vocabulary=6,
        frozen=(),
    )

    def data(self, seed):
        """Return random trees with some rings; kinds of bonds add to the target."""
        random = np.random.default_rng(seed)
        rows, most = 2400, 12
        length = random.integers(5, most + 1, rows)
        atoms = random.choice(
            [1, 2, 3, 4, 5], (rows, most), p=[0.4, 0.2, 0.2, 0.1, 0.1]
        )
        bonds = np.zeros((rows, most, most), "float32")
        for row in range(rows):
            pairs = [(node, random.integers(0, node)) for node in range(1, length[row])]
            pairs.append(tuple(random.choice(length[row], 2, replace=False)))
            for pair in pairs:
                bonds[(row, *pair)] = bonds[(row, *pair[::-1])] = 1
        atoms = np.where(np.arange(most) < length[:, None], atoms, 0)
        by_atom = np.append(0, random.normal(size=5))
        by_pair = random.normal(size=(6, 6))
        by_pair = by_pair + by_pair.T
        target = by_atom[atoms].sum(1) + 0.5 * (
            bonds * by_pair[atoms[:, :, None], atoms[:, None]]
        ).sum((1, 2))
        target = (target - target.mean()) / target.std()
        target = (target + 0.3 * random.normal(size=rows)).astype("float32")
        x = {"atoms": atoms.astype("int32"), "bonds": bonds}
        return split(Part(x, {"solubility": target[:, None]}), 1600, 200)

    def build(self, settings):
        """Return two rounds of messages and a pooled output."""
        atoms = keras.Input((12,), dtype="int32", name="atoms")
        bonds = keras.Input((12, 12), name="bonds")
        x = layers.Embedding(settings.vocabulary, 16, name="kinds")(atoms)
        for name in ("near", "far"):
            own = dense(32, settings, activation=None)
            others = dense(32, settings, activation=None, use_bias=False)
            x = MessagePassing(own, others, name=name)(x, bonds)
            x = layers.Activation(settings.activation)(x)
        x = PoolAtoms(settings.mask, name="pool")(x, atoms)
        x = layers.Dropout(settings.dropout)(dense(32, settings, name="hidden")(x))
        output = layers.Dense(1, settings.output_activation, name="solubility")(x)
        model = keras.Model({"atoms": atoms, "bonds": bonds}, output)
        freeze(model, settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["mae"])
        return model

    def score(self, model, part):
        """Return the share of the variance that is explained."""
        return explained(part.y["solubility"], model.predict(part.x, verbose=0))
