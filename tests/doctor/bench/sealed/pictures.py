"""Pictures: classes with augmentation, masks, and boxes."""

import keras
import numpy as np
from keras import layers, ops

from tests.doctor.bench.program import Part, Program, Settings
from tests.doctor.bench.sealed._parts import hidden, split


def classes(name, settings):
    """Return the loss of this name, told what the output is if it is about classes."""
    if name == "sparse_categorical_crossentropy":
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=settings.from_logits
        )
    return name


def grid(size):
    """Return the coordinates of the pixels, in columns and rows from -1 to 1."""
    return np.meshgrid(*2 * [np.linspace(-1, 1, size)])


class LeafKind(Program):
    """Which of five plants is a leaf of? Photos are flipped and get noise at random."""

    kind = "pictures with augmentation"
    metric = "accuracy, from 0 (chance) to 1"
    good = 0.6
    inputs = {"photo": "picture"}
    targets = {"plant": "class"}
    settings = Settings(
        rate=4e-3,
        epochs=9,
        batch_size=32,
        loss="sparse_categorical_crossentropy",
        activation="relu",
        output_activation="softmax",
        from_logits=False,
        kernel_initializer="he_normal",
        dropout=0.1,
        noise=0.02,
        flip=True,
        scale=1 / 255,
        batch_normalization=0.9,
    )

    def data(self, seed):
        """Return outlines with lobes or teeth, in any position, light and noise."""
        random = np.random.default_rng(seed)
        rows, (across, down) = 1900, grid(24)
        plant = random.integers(0, 5, rows)
        one = (rows, 1, 1)
        across = across + random.uniform(-0.2, 0.2, one)
        down = down + random.uniform(-0.2, 0.2, one)
        radius = np.hypot(across, down)
        angle = np.arctan2(down, across) + random.uniform(0, 2 * np.pi, one)
        # Lobes of each plant, and how deep they are: round, long, and three lobed ones.
        lobes = np.array([4, 2, 3, 5, 8])[plant].reshape(one)
        depth = np.array([0.0, 0.4, 0.3, 0.3, 0.2])[plant].reshape(one)
        depth = depth + random.normal(0, 0.05, one)
        edge = random.uniform(0.45, 0.7, one) * (1 + depth * np.cos(lobes * angle))
        leaf = 1 / (1 + np.exp(-20 * (edge - radius)))
        light = random.uniform(0.5, 0.9, one) + 0.15 * across * random.normal(size=one)
        photo = 0.25 + leaf * light + random.normal(0, 0.08, leaf.shape)
        photo = (255 * np.clip(photo, 0, 1)).round()[..., None].astype("float32")
        return split(Part({"photo": photo}, {"plant": plant}), 1200, 200)

    def build(self, settings):
        """Return a small residual network behind the augmentation."""
        plain = hidden(settings) | {"activation": None, "use_bias": False}

        def convolution(flow, filters, strides=1):
            flow = layers.Conv2D(filters, 3, strides, padding="same", **plain)(flow)
            return layers.BatchNormalization(momentum=settings.batch_normalization)(
                flow
            )

        photo = keras.Input((24, 24, 1), name="photo")
        flow = photo
        if settings.flip:
            flow = layers.RandomFlip("horizontal_and_vertical")(flow)
        flow = layers.GaussianNoise(settings.noise)(flow)
        flow = convolution(flow, 12, 2)
        flow = layers.Activation(settings.activation)(flow)
        branch = layers.Activation(settings.activation)(convolution(flow, 12))
        flow = layers.Add()([flow, convolution(branch, 12)])
        flow = layers.Activation(settings.activation)(flow)
        flow = convolution(flow, 24, 2)
        flow = layers.Activation(settings.activation)(flow)
        flow = convolution(flow, 32)
        flow = layers.Activation(settings.activation)(flow)
        flow = layers.GlobalAveragePooling2D()(flow)
        flow = layers.Dropout(settings.dropout)(flow)
        plant = layers.Dense(5, settings.output_activation, name="plant")(flow)
        model = keras.Model(photo, plant)
        model.compile(
            keras.optimizers.Adam(settings.rate),
            classes(settings.loss, settings),
            metrics=["accuracy"],
        )
        return model

    def score(self, model, part):
        """Return the accuracy, from 0 (chance) to 1."""
        found = model.predict(part.x["photo"], verbose=0).argmax(-1)
        return float(1.25 * (np.mean(found == part.y["plant"]) - 0.2))


class CellMask(Program):
    """Which pixels are background, cell body or nucleus? A small U-Net."""

    kind = "segmentation"
    metric = "mean intersection over union of body and nucleus"
    good = 0.5
    inputs = {"micrograph": "picture"}
    targets = {"mask": "mask"}
    settings = Settings(
        rate=5e-3,
        epochs=10,
        batch_size=8,
        loss="sparse_categorical_crossentropy",
        activation="relu",
        output_activation="linear",
        from_logits=True,
        kernel_initializer="he_normal",
        scale=1 / 255,
        axis=-1,
    )

    def data(self, seed):
        """Return pictures of three cells each, with uneven light and much noise."""
        random = np.random.default_rng(seed)
        rows, (across, down) = 400, grid(24)
        mask = np.zeros((rows, 24, 24), int)
        for _ in range(3):
            x, y = random.uniform(-0.8, 0.8, (2, rows, 1, 1))
            turn, wide = (
                random.uniform(0, np.pi, x.shape),
                random.uniform(0.2, 0.4, x.shape),
            )
            left, up = across - x, down - y
            long = left * np.cos(turn) + up * np.sin(turn)
            short = up * np.cos(turn) - left * np.sin(turn)
            away = np.sqrt((long / wide) ** 2 + (short / (0.7 * wide)) ** 2)
            mask = np.maximum(mask, (away < 1).astype(int) + (away < 0.5))
        light = 0.15 * (across * random.normal(size=(rows, 1, 1)))
        shade = np.array([0.3, 0.5, 0.7])[mask] + light
        shade = shade + random.normal(0, 0.09, mask.shape)
        picture = (255 * np.clip(shade, 0, 1)).round()[..., None].astype("float32")
        return split(Part({"micrograph": picture}, {"mask": mask}), 260, 40)

    def build(self, settings):
        """Return a network that goes down twice and up twice, with skips."""

        def near(flow, filters):
            return layers.Conv2D(filters, 3, padding="same", **hidden(settings))(flow)

        picture = keras.Input((24, 24, 1), name="micrograph")
        fine = near(picture, 8)
        middle = near(layers.MaxPooling2D()(fine), 16)
        flow = near(layers.MaxPooling2D()(middle), 24)
        flow = layers.Conv2DTranspose(16, 2, 2, **hidden(settings))(flow)
        flow = near(layers.Concatenate(axis=settings.axis)([flow, middle]), 16)
        flow = layers.Conv2DTranspose(8, 2, 2, **hidden(settings))(flow)
        flow = near(layers.Concatenate()([flow, fine]), 8)
        mask = layers.Conv2D(3, 1, activation=settings.output_activation, name="mask")(
            flow
        )
        model = keras.Model(picture, mask)
        model.compile(
            keras.optimizers.Adam(settings.rate),
            classes(settings.loss, settings),
            metrics=["accuracy"],
        )
        return model

    def score(self, model, part):
        """Return the mean intersection over union of body and nucleus."""
        found = model.predict(part.x["micrograph"], verbose=0).argmax(-1)
        overlaps = []
        for kind in 1, 2:
            ours, true = found == kind, part.y["mask"] == kind
            overlaps.append((ours & true).sum() / max(1, (ours | true).sum()))
        return float(np.mean(overlaps))


def overlap(true, found):
    """Return the generalized intersection over union of boxes of two corners."""
    upper = np if isinstance(found, np.ndarray) else ops
    low, high = (
        upper.maximum(true[:, :2], found[:, :2]),
        upper.minimum(true[:, 2:], found[:, 2:]),
    )
    both = upper.prod(upper.maximum(high - low, 0.0), axis=-1)
    areas = [
        upper.prod(upper.maximum(box[:, 2:] - box[:, :2], 0.0), axis=-1)
        for box in (true, found)
    ]
    either = areas[0] + areas[1] - both + 1e-6
    low, high = (
        upper.minimum(true[:, :2], found[:, :2]),
        upper.maximum(true[:, 2:], found[:, 2:]),
    )
    around = upper.prod(upper.maximum(high - low, 0.0), axis=-1) + 1e-6
    return both / either - (around - either) / around


class SignFinder(Program):
    """Where is the sign in a picture, and which one of four is it?"""

    kind = "detection"
    metric = "overlap of the boxes whose class is right, from 0 (one box for all) to 1"
    good = 0.3
    inputs = {"street": "picture"}
    targets = {"sign": "class", "box": "numbers"}
    settings = Settings(
        rate=3e-3,
        epochs=12,
        batch_size=32,
        loss={"sign": "sparse_categorical_crossentropy", "box": "huber"},
        activation="relu",
        output_activation="softmax",
        from_logits=False,
        kernel_initializer="he_normal",
        dropout=0.05,
        scale=1 / 255,
        extra={"box_weight": 30.0},
    )

    def data(self, seed):
        """Return noisy streets with one sign each, and its corners from 0 to 1."""
        random = np.random.default_rng(seed)
        rows, place = 1800, np.arange(32) + 0.5
        sign = random.integers(0, 4, rows)
        wide, high = random.uniform(8, 16, (2, rows))
        left, top = random.uniform(0, 32 - wide), random.uniform(0, 32 - high)
        across = (place - (left + wide / 2)[:, None])[:, None] / (wide / 2)[
            :, None, None
        ]
        down = (place - (top + high / 2)[:, None])[:, :, None] / (high / 2)[
            :, None, None
        ]
        square = np.maximum(abs(across), abs(down)) < 1
        shapes = [
            square & (across**2 + down**2 < 1),
            square & (np.minimum(abs(across), abs(down)) < 0.35),
            square & (abs(across) < (1 + down) / 2),
            square & (np.maximum(abs(across), abs(down)) > 0.5),
        ]
        shape = np.stack(shapes, 1)[np.arange(rows), sign]
        street = random.uniform(0.2, 0.5, (rows, 1, 1)) + random.normal(
            0, 0.1, shape.shape
        )
        street = street + 0.1 * np.sin(place / random.uniform(1, 4, (rows, 1, 1)))
        street = street + shape * random.uniform(0.3, 0.5, (rows, 1, 1))
        street = (255 * np.clip(street, 0, 1)).round()[..., None].astype("float32")
        box = np.stack([left, top, left + wide, top + high], 1) / 32
        y = {"sign": sign, "box": box.astype("float32")}
        return split(Part({"street": street}, y), 1300, 200)

    def build(self, settings):
        """Return a convolutional trunk with a head for the class and for the box."""
        street = keras.Input((32, 32, 1), name="street")
        flow = street
        for filters in 12, 24, 32:
            flow = layers.Conv2D(filters, 3, 2, padding="same", **hidden(settings))(
                flow
            )
        flow = layers.Flatten()(flow)
        flow = layers.Dense(64, **hidden(settings))(flow)
        flow = layers.Dropout(settings.dropout)(flow)
        outputs = {
            "sign": layers.Dense(4, settings.output_activation, name="sign")(flow),
            "box": layers.Dense(4, "sigmoid", name="box")(flow),
        }
        model = keras.Model(street, outputs)
        loss = settings.loss
        if isinstance(loss, dict):
            loss = {name: classes(kind, settings) for name, kind in loss.items()}
        model.compile(
            keras.optimizers.Adam(settings.rate),
            loss,
            loss_weights={"sign": 1.0, "box": settings.extra["box_weight"]},
            metrics={"sign": ["accuracy"], "box": ["mae"]},
        )
        return model

    def score(self, model, part):
        """Return the overlap of boxes of the right class, above that of one box."""
        found = model.predict(part.x["street"], verbose=0)
        true = part.y["box"]
        right = found["sign"].argmax(-1) == part.y["sign"]
        one = overlap(true, np.tile(true.mean(0), (len(true), 1))).clip(0).mean()
        ours = (right * overlap(true, found["box"]).clip(0)).mean()
        return float((ours - one / 4) / (1 - one / 4))
