"""Several outputs of the same kind from one network."""

import keras
import numpy as np
from keras import layers

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sound._parts import adam, dense, explained, freeze, split


class HouseLoads(Program):
    """Heating and cooling load of a house by its shape: one trunk, two outputs."""

    kind = "multi-task with several outputs"
    metric = "explained share of the variance, mean of both loads"
    good = 0.7
    inputs = {"house": "numbers"}
    targets = {"cooling": "numbers", "heating": "numbers"}
    settings = Settings(
        rate=3e-3,
        epochs=8,
        batch_size=32,
        loss={"cooling": "mse", "heating": "mse"},
        activation="relu",
        output_activation="linear",
        penalty=0.0,
        frozen=(),
    )

    def data(self, seed):
        """Return houses and loads that share some causes and not others."""
        random = np.random.default_rng(seed)
        house = random.normal(size=(2600, 8)).astype("float32")
        size = house[:, 0] + house[:, 1] * house[:, 2]
        noise = 0.3 * random.normal(size=(2, 2600))
        heating = size + np.maximum(house[:, 3], 0) + noise[0]
        cooling = np.tanh(size) - house[:, 4] + house[:, 5] * house[:, 6] + noise[1]
        y = {
            name: ((load - load.mean()) / load.std()).astype("float32")[:, None]
            for name, load in (("cooling", cooling), ("heating", heating))
        }
        return split(Part({"house": house}, y), 1800, 400)

    def build(self, settings):
        """Return a trunk with a head for each load."""
        house = keras.Input((8,), name="house")
        trunk = dense(64, settings, name="trunk")(house)
        loads = {}
        for name in ("cooling", "heating"):
            head = dense(32, settings, name=f"{name}_head")(trunk)
            loads[name] = layers.Dense(1, settings.output_activation, name=name)(head)
        model = keras.Model(house, loads)
        freeze(model, settings)
        model.compile(adam(settings), settings.loss)
        return model

    def score(self, model, part):
        """Return the explained share of the variance, mean of both loads."""
        found = model.predict(part.x["house"], verbose=0)
        return float(np.mean([explained(part.y[name], found[name]) for name in found]))
