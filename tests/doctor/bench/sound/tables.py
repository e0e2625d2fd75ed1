"""Tables: columns of numbers, columns of ids, and both."""

import keras
import numpy as np
from keras import layers

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sound._parts import above, adam, dense, split


class CustomerChurn(Program):
    """Numbers beside two columns of ids with embeddings; does a customer leave?"""

    kind = "tabular with embeddings"
    metric = "area under the ROC curve, from 0 (chance) to 1"
    good = 0.6
    inputs = {"numbers": "numbers", "city": "ids", "plan": "ids"}
    targets = {"leaves": "binary"}
    settings = Settings(
        rate=3e-3,
        epochs=8,
        batch_size=64,
        loss="binary_crossentropy",
        activation="relu",
        output_activation="sigmoid",
        dropout=0.1,
        vocabulary=30,
    )

    def data(self, seed):
        """Return rows whose chance to leave follows numbers and ids."""
        random = np.random.default_rng(seed)
        rows = 3000
        numbers = random.normal(size=(rows, 6)).astype("float32")
        city, plan = random.integers(0, 30, rows), random.integers(0, 5, rows)
        of_city, of_plan = random.normal(size=30), random.normal(size=5)
        odds = 1.5 * numbers[:, 0] - numbers[:, 1] * numbers[:, 2]
        odds = odds + of_city[city] + of_plan[plan]
        leaves = (random.random(rows) < 1 / (1 + np.exp(-2 * odds))).astype("float32")
        x = {"numbers": numbers, "city": city[:, None], "plan": plan[:, None]}
        every = Part(x, {"leaves": leaves[:, None]})
        return split(every, 2000, 500)

    def build(self, settings):
        """Return a network that joins the numbers and the embeddings."""
        inputs = {
            "numbers": keras.Input((6,), name="numbers"),
            "city": keras.Input((1,), dtype="int32", name="city"),
            "plan": keras.Input((1,), dtype="int32", name="plan"),
        }
        city = layers.Embedding(settings.vocabulary, 4)(inputs["city"])
        plan = layers.Embedding(5, 2)(inputs["plan"])
        parts = [inputs["numbers"], layers.Flatten()(city), layers.Flatten()(plan)]
        hidden = dense(32, settings)(layers.Concatenate()(parts))
        hidden = layers.Dropout(settings.dropout)(hidden)
        hidden = dense(16, settings)(hidden)
        leaves = layers.Dense(1, settings.output_activation, name="leaves")(hidden)
        model = keras.Model(inputs, leaves)
        model.compile(adam(settings), settings.loss, metrics=["auc"])
        return model

    def score(self, model, part):
        """Return the area under the ROC curve, from 0 (chance) to 1."""
        chance = model.predict(part.x, verbose=0)[:, 0]
        leaves = part.y["leaves"][:, 0] > 0.5
        return above(chance[leaves], chance[~leaves])
