"""Graphs, laws of nature, and several tasks at once."""

import keras
import numpy as np
from keras import layers, ops

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sealed._parts import hidden, split


def explained(true, found):
    """Return the explained share of the variance, no lower than -1."""
    true, found = np.ravel(true).astype("float64"), np.ravel(found)
    return max(-1.0, float(1 - np.mean((true - found) ** 2) / true.var()))


class Messages(layers.Layer):
    """Give each atom the messages of its neighbors, and a new state."""

    def __init__(self, units, options, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.message = layers.Dense(units, **options)
        self.update = layers.Dense(units, **options)
        self.units = units

    def build(self, atoms_shape, bonds_shape):
        self.message.build(atoms_shape)
        self.update.build((*atoms_shape[:-1], atoms_shape[-1] + self.units))
        self.built = True

    def call(self, atoms, bonds):
        heard = ops.matmul(ops.cast(bonds, atoms.dtype), self.message(atoms))
        return atoms + self.update(ops.concatenate([atoms, heard], axis=-1))


class SumOfAtoms(layers.Layer):
    """Sum over the atoms that are not padding."""

    def __init__(self, axis, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True

    def compute_mask(self, inputs, mask=None):
        return None

    def call(self, inputs, mask=None):
        if mask is not None:
            inputs = inputs * ops.cast(mask, inputs.dtype)[..., None]
        return ops.sum(inputs, axis=self.axis) / 4


class MoleculeEnergy(Program):
    """Energy of a molecule from its atoms and bonds, by messages along the bonds."""

    kind = "graph network"
    metric = "R2 of the energy"
    good = 0.7
    inputs = {"atoms": "ids", "bonds": "graph"}
    targets = {"energy": "numbers"}
    padding = 0
    settings = Settings(
        rate=3e-3,
        epochs=12,
        batch_size=32,
        loss="mse",
        activation="silu",
        output_activation="linear",
        kernel_initializer="glorot_uniform",
        penalty=1e-6,
        mask=True,
        vocabulary=5,
        clipnorm=1.0,
        axis=1,
    )

    def data(self, seed):
        """Return trees of four kinds of atoms, with some rings, and energies."""
        random = np.random.default_rng(seed)
        rows, most = 2000, 10
        atoms = np.zeros((rows, most), "int32")
        bonds = np.zeros((rows, most, most), "float32")
        for row, count in enumerate(random.integers(4, most + 1, rows)):
            atoms[row, :count] = random.choice(4, count, p=[0.5, 0.2, 0.2, 0.1]) + 1
            for atom in range(1, count):
                other = random.integers(max(0, atom - 3), atom)
                bonds[row, atom, other] = bonds[row, other, atom] = 1
            if random.random() < 0.4:
                bonds[row, 0, count - 1] = bonds[row, count - 1, 0] = 1
        alone = np.array([0, -1.0, -2, 0.5, 1.5])
        pair = np.zeros((5, 5))
        pair[1:, 1:] = random.normal(size=(4, 4))
        between = pair + pair.T
        strain = np.maximum(bonds.sum(-1) - 2, 0) * (atoms == 2) * 2
        energy = alone[atoms].sum(1) + strain.sum(1)
        energy += (bonds * between[atoms[:, :, None], atoms[:, None]]).sum((1, 2)) / 2
        energy = (energy - energy.mean()) / energy.std() + 0.2 * random.normal(
            size=rows
        )
        energy = energy.astype("float32")[:, None]
        return split(
            Part({"atoms": atoms, "bonds": bonds}, {"energy": energy}), 1400, 200
        )

    def build(self, settings):
        """Return a network of two rounds of messages and a sum over the atoms."""
        atoms = keras.Input((10,), dtype="int32", name="atoms")
        bonds = keras.Input((10, 10), name="bonds")
        flow = layers.Embedding(settings.vocabulary, 24, mask_zero=settings.mask)(atoms)
        for _ in range(2):
            flow = Messages(24, hidden(settings))(flow, bonds)
        flow = layers.Dense(24, **hidden(settings))(flow)
        flow = SumOfAtoms(settings.axis)(flow)
        energy = layers.Dense(1, settings.output_activation, name="energy")(flow)
        model = keras.Model({"atoms": atoms, "bonds": bonds}, energy)
        model.compile(
            keras.optimizers.Adam(settings.rate, clipnorm=settings.clipnorm),
            settings.loss,
            metrics=["mae"],
        )
        return model

    def score(self, model, part):
        """Return R2 of the energy."""
        return explained(part.y["energy"], model.predict(part.x, verbose=0))


STEP = 0.5


def removed(level, body, most):
    """Return how fast a drug leaves the blood, by Michaelis and Menten."""
    fastest, half = body[:, :1], body[:, 1:]
    return fastest * level / (half + most(level, 0.0))


class Pharmacokinetics(keras.Model):
    """A functional model whose loss is the residual of a differential equation."""

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        level = ops.cast(y_pred, "float32")
        dose, body = (ops.cast(x[name], "float32") for name in ("dose", "body"))
        before = ops.pad(level[:, :-1], ((0, 0), (1, 0)))
        lost = removed(level, body, ops.maximum) + removed(before, body, ops.maximum)
        residual = (level - before) / STEP - (dose - lost / 2)
        return ops.mean(ops.square(residual)) + sum(self.losses)


class DrugInBlood(Program):
    """How much of a drug is in the blood? No answers, only the law of its change."""

    kind = "physics loss"
    metric = "R2 of the amounts against a numeric solution"
    good = 0.75
    inputs = {"dose": "series", "body": "other"}
    settings = Settings(
        rate=3e-3,
        epochs=15,
        batch_size=32,
        activation="gelu",
        output_activation="softplus",
        kernel_initializer="glorot_uniform",
        penalty=1e-7,
        clipnorm=1.0,
    )

    def data(self, seed):
        """Return doses of each step, and how fast a body removes the drug."""
        random = np.random.default_rng(seed)
        rows, steps = 1800, 20
        dose = (random.random((rows, steps)) < 0.2) * random.gamma(
            4, 0.5, (rows, steps)
        )
        body = np.stack([random.uniform(0.5, 1.5, rows), random.uniform(1, 3, rows)], 1)
        x = {"dose": dose.astype("float32"), "body": body.astype("float32")}
        return split(Part(x, {}), 1300, 200)

    def build(self, settings):
        """Return a network from the doses and the body to the amounts."""
        dose = keras.Input((20,), name="dose")
        body = keras.Input((2,), name="body")
        flow = layers.Concatenate()([dose, body])
        for _ in range(2):
            flow = layers.Dense(96, **hidden(settings))(flow)
        flow = layers.Dense(20, settings.output_activation, name="level")(flow)
        model = Pharmacokinetics({"dose": dose, "body": body}, flow)
        model.compile(keras.optimizers.Adam(settings.rate, clipnorm=settings.clipnorm))
        return model

    def score(self, model, part):
        """Return R2 of the amounts against a solution with short steps."""
        dose, body = (part.x[name].astype("float64") for name in ("dose", "body"))
        level, short, levels = np.zeros((len(dose), 1)), STEP / 50, []
        for step in range(dose.shape[1]):
            for _ in range(50):
                change = dose[:, step : step + 1] - removed(level, body, np.maximum)
                level = level + short * change
            levels.append(level)
        found = model.predict(part.x, verbose=0)
        true = np.concatenate(levels, 1)
        rest = np.mean((true - found) ** 2, 0) / true.var(0)
        return max(-1.0, float(1 - rest.mean()))


class CropYield(Program):
    """The yield of a field and the disease it has, from its weather and soil."""

    kind = "multi-task"
    metric = "mean of R2 of the yield and accuracy of the disease above chance"
    good = 0.5
    inputs = {"weather": "series", "soil": "numbers"}
    targets = {"yield": "numbers", "disease": "class"}
    settings = Settings(
        rate=3e-3,
        epochs=10,
        batch_size=32,
        loss={"yield": "mse", "disease": "sparse_categorical_crossentropy"},
        activation="relu",
        output_activation="softmax",
        from_logits=False,
        kernel_initializer="he_normal",
        dropout=0.05,
        scale=0.1,
        extra={"weights": {"yield": 1.0, "disease": 1.0}},
    )

    def data(self, seed):
        """Return 20 weeks of heat, rain and sun, and soils; numbers about 10."""
        random = np.random.default_rng(seed)
        rows, weeks = 2200, 20
        season = np.sin(np.pi * np.arange(weeks) / weeks)[None, :, None]
        weather = 10 * (season + random.normal(0, 0.4, (rows, 1, 3)))
        weather = weather + 5 * random.normal(size=(rows, weeks, 3))
        soil = 10 * random.normal(size=(rows, 5))
        mean, (heat, rain, sun) = soil / 10, weather.mean(1).T / 4 - 1.6
        wet = (weather[:, 8:, 1] / 4).mean(1) - 1.6
        crop = 0.8 * sun + 0.8 * rain - 0.5 * heat**2 + mean[:, 0] - mean[:, 1] ** 2 / 2
        crop = crop + mean[:, 2] * rain
        crop = (crop - crop.mean()) / crop.std() + 0.3 * random.normal(size=rows)
        signs = [0.5 + 0 * wet, 1.5 * wet - mean[:, 3], 1.5 * heat + mean[:, 4]]
        signs = 2 * np.stack(signs, 1) + random.gumbel(size=(rows, 3))
        x = {"weather": weather.astype("float32"), "soil": soil.astype("float32")}
        y = {"yield": crop.astype("float32")[:, None], "disease": signs.argmax(1)}
        return split(Part(x, y), 1500, 250)

    def build(self, settings):
        """Return a shared trunk with a head for each task."""
        weather = keras.Input((20, 3), name="weather")
        soil = keras.Input((5,), name="soil")
        flow = layers.Conv1D(16, 3, padding="same", **hidden(settings))(weather)
        flow = layers.AveragePooling1D(4)(flow)
        flow = layers.Concatenate()([layers.Flatten()(flow), soil])
        flow = layers.Dense(64, **hidden(settings))(flow)
        flow = layers.Dropout(settings.dropout)(flow)
        crop = layers.Dense(16, **hidden(settings))(flow)
        sick = layers.Dense(16, **hidden(settings))(flow)
        outputs = {
            "yield": layers.Dense(1, name="yield")(crop),
            "disease": layers.Dense(3, settings.output_activation, name="disease")(
                sick
            ),
        }
        model = keras.Model({"weather": weather, "soil": soil}, outputs)
        loss = settings.loss
        if isinstance(loss, dict):
            logits = keras.losses.SparseCategoricalCrossentropy(settings.from_logits)
            own = {"sparse_categorical_crossentropy": logits}
            loss = {name: own.get(kind, kind) for name, kind in loss.items()}
        model.compile(
            keras.optimizers.Adam(settings.rate),
            loss,
            loss_weights=settings.extra["weights"],
            metrics={"yield": ["mae"], "disease": ["accuracy"]},
        )
        return model

    def score(self, model, part):
        """Return the mean of R2 and of the accuracy above chance."""
        found, sick = model.predict(part.x, verbose=0), part.y["disease"]
        chance = np.bincount(sick).max() / len(sick)
        right = np.mean(found["disease"].argmax(-1) == sick)
        skill = (right - chance) / (1 - chance)
        return float((explained(part.y["yield"], found["yield"]) + skill) / 2)
