"""Pictures with an answer for each pixel, or with a place: segmentation, detection."""

import keras
import numpy as np
from keras import layers

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sound._parts import adam, conv, dense, freeze, loss_of, split


class CellSegmentation(Program):
    """Noisy cells with a nucleus; each pixel is ground, cell or nucleus."""

    kind = "segmentation"
    metric = "intersection over union, mean of cell and nucleus"
    good = 0.65
    inputs = {"picture": "picture"}
    targets = {"mask": "mask"}
    settings = Settings(
        rate=4e-3,
        epochs=6,
        batch_size=16,
        loss="sparse_categorical_crossentropy",
        activation="relu",
        output_activation="linear",
        from_logits=True,
        kernel_initializer="he_normal",
        batch_normalization=0.9,
        scale=1 / 255,
        frozen=(),
    )

    def data(self, seed):
        """Return pictures with one to three cells on an uneven ground."""
        random = np.random.default_rng(seed)
        rows, size = 560, 24
        across, down = np.meshgrid(np.arange(size), np.arange(size))
        mask = np.zeros((rows, size, size), "int32")
        for _ in range(3):
            x, y = random.uniform(4, 20, (2, rows, 1, 1))
            wide, high = random.uniform(3, 6, (2, rows, 1, 1))
            far = ((across - x) / wide) ** 2 + ((down - y) / high) ** 2
            there = random.random((rows, 1, 1)) < 0.7
            mask = np.where(there & (far < 1), 1, mask)
            mask = np.where(there & (far < 0.2), 2, mask)
        slope = random.normal(size=(2, rows, 1, 1))
        picture = 70 + slope[0] * across + slope[1] * down
        picture = picture + np.array([0, 45, 110])[mask]
        picture = picture + 20 * random.normal(size=mask.shape)
        picture = picture.clip(0, 255).astype("float32")[..., None]
        return split(Part({"picture": picture}, {"mask": mask}), 320, 60)

    def build(self, settings):
        """Return a small U-Net."""

        def block(filters, inputs, strides=1):
            options = {"strides": strides, "activation": None, "use_bias": False}
            x = conv(filters, settings, **options)(inputs)
            x = layers.BatchNormalization(momentum=settings.batch_normalization)(x)
            return layers.Activation(settings.activation)(x)

        inputs = keras.Input((24, 24, 1), name="picture")
        fine = block(8, inputs)
        middle = block(16, fine, strides=2)
        coarse = block(24, middle, strides=2)
        x = layers.Conv2DTranspose(16, 2, 2, name="up_1")(coarse)
        x = block(16, layers.Concatenate()([x, middle]))
        x = layers.Conv2DTranspose(8, 2, 2, name="up_2")(x)
        x = layers.Concatenate()([x, fine])
        x = block(8, x)
        x = layers.Conv2D(3, 1, activation=settings.output_activation, name="mask")(x)
        model = freeze(keras.Model(inputs, x), settings)
        loss = loss_of(settings.loss, settings)
        model.compile(adam(settings), loss, metrics=["accuracy"])
        return model

    def score(self, model, part):
        """Return the mean intersection over union of cell and nucleus."""
        guess = model.predict(part.x["picture"], verbose=0).argmax(-1)
        truth, found = part.y["mask"], []
        for kind in (1, 2):
            both = ((guess == kind) & (truth == kind)).sum()
            found.append(both / ((guess == kind) | (truth == kind)).sum())
        return float(np.mean(found))


class ShapeDetection(Program):
    """One shape in a picture: which, and the box around it."""

    kind = "detection with two outputs"
    metric = "intersection over union of the boxes, 0 where the class is wrong"
    good = 0.45
    inputs = {"picture": "picture"}
    targets = {"shape": "class", "box": "numbers"}
    settings = Settings(
        rate=3e-3,
        epochs=8,
        batch_size=32,
        loss={"shape": "sparse_categorical_crossentropy", "box": "huber"},
        activation="relu",
        output_activation="softmax",
        kernel_initializer="he_normal",
        dropout=0.1,
        scale=1 / 255,
        frozen=(),
        extra={"loss_weights": {"shape": 1.0, "box": 20.0}},
    )

    def data(self, seed):
        """Return discs, squares and triangles with boxes of center and size."""
        random = np.random.default_rng(seed)
        rows, size = 1800, 28
        across, down = np.meshgrid(np.arange(size), np.arange(size))
        shape = random.integers(0, 3, (rows, 1, 1))
        half = random.uniform(4, 8, (rows, 1, 1))
        x, y = (random.uniform(half, size - 1 - half) for _ in range(2))
        right, below = (across - x) / half, (down - y) / half
        square = np.maximum(np.abs(right), np.abs(below)) < 1
        disc = np.hypot(right, below) < 1
        triangle = square & (2 * np.abs(right) < 1 + below)
        inside = np.choose(shape, [disc, square, triangle])
        light = random.uniform(50, 120, (rows, 1, 1))
        picture = random.uniform(30, 100, (rows, 1, 1)) + light * inside
        picture = picture + 15 * random.normal(size=inside.shape)
        box = np.concatenate([x, y, 2 * half, 2 * half], 1)[..., 0] / (size - 1)
        box = box + 0.01 * random.normal(size=box.shape)
        every = Part(
            {"picture": picture.clip(0, 255).astype("float32")[..., None]},
            {"shape": shape[..., 0].astype("int32"), "box": box.astype("float32")},
        )
        return split(every, 1200, 200)

    def build(self, settings):
        """Return a common base with a head for the class and one for the box."""
        inputs = keras.Input((28, 28, 1), name="picture")
        x = conv(12, settings, strides=2, name="conv_1")(inputs)
        x = conv(24, settings, strides=2, name="conv_2")(x)
        x = conv(32, settings, strides=2, name="conv_3")(x)
        x = layers.Dropout(settings.dropout)(layers.Flatten()(x))
        x = dense(64, settings, name="hidden")(x)
        outputs = {
            "shape": layers.Dense(3, settings.output_activation, name="shape")(x),
            "box": layers.Dense(4, "sigmoid", name="box")(x),
        }
        model = freeze(keras.Model(inputs, outputs), settings)
        model.compile(
            adam(settings),
            {key: loss_of(name, settings) for key, name in settings.loss.items()},
            loss_weights=settings.extra["loss_weights"],
            metrics={"shape": ["accuracy"], "box": ["mae"]},
        )
        return model

    def score(self, model, part):
        """Return the mean intersection over union where the class is right."""
        found = model.predict(part.x["picture"], verbose=0)
        right = found["shape"].argmax(-1) == part.y["shape"][:, 0]
        low, high = [], []
        for box in (found["box"], part.y["box"]):
            low.append(box[:, :2] - box[:, 2:] / 2)
            high.append(box[:, :2] + box[:, 2:] / 2)
        sides = np.maximum(np.minimum(*high) - np.maximum(*low), 0)
        both = sides.prod(-1)
        areas = [(b - a).clip(0).prod(-1) for a, b in zip(low, high, strict=True)]
        return float((right * both / (areas[0] + areas[1] - both + 1e-9)).mean())
