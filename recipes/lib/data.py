"""Data for the recipes: real images, and batches in another order in each epoch."""

import pathlib

import keras
import numpy as np

DIGITS = pathlib.Path(__file__).parents[1] / "data" / "mnist10k.npz"
DOWNLOADS = {
    "mnist": keras.datasets.mnist,
    "fashion_mnist": keras.datasets.fashion_mnist,
}


def images(source="digits"):
    """Load labeled images, scaled to [0, 1] and flattened, four fifths for training.

    Args:
        source: `"digits"`, the 10,000 digits shipped here; `"mnist"` or
            `"fashion_mnist"`, fetched by Keras; or the path of an `.npz` file with
            arrays `x` (images of one size, any number type) and `y` (integer labels).

    Returns:
        Two pairs `(x, y)`, training and validation: `x` float32 of shape
        `(images, pixels)`, `y` int32 of shape `(images,)`.

    Raises:
        ValueError: If the file is missing or does not hold such arrays.
    """
    if source in DOWNLOADS:
        train, validation = DOWNLOADS[source].load_data()
        return _prepared(*train), _prepared(*validation)
    x, y = _prepared(*_read(DIGITS if source == "digits" else pathlib.Path(source)))
    split = len(x) * 4 // 5
    return (x[:split], y[:split]), (x[split:], y[split:])


def _read(path):
    if not path.is_file():
        names = ", ".join(["digits", *DOWNLOADS])
        raise ValueError(
            f"The data must be one of {names} or an .npz file. Received: {str(path)!r}"
        )
    try:
        with np.load(path) as arrays:
            return arrays["x"], arrays["y"]
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{path} must be an .npz file with arrays x and y. Reading it gave: {error}"
        ) from error


def _prepared(x, y):
    labels = np.ndim(y) == 1 and np.issubdtype(np.asarray(y).dtype, np.integer)
    if not labels or len(x) != len(y) or len(x) < 10 or np.min(y) < 0:
        raise ValueError(
            "The data must be at least ten images x and as many integer labels y, "
            f"none below 0. Received: {np.shape(x)=}, {np.shape(y)=}"
        )
    x = np.reshape(x, (len(x), -1)).astype("float32")
    if not np.isfinite(x).all():
        raise ValueError("The images must be finite. Received: NaN or infinite pixels.")
    return x / max(float(x.max()), 1e-6), np.asarray(y, "int32")


class Shuffled(keras.utils.PyDataset):
    """Batches of arrays, in another order in each epoch and for each seed.

    After `keras.utils.set_random_seed`, the order in which Keras itself shuffles arrays
    may be the same in each epoch, or for each seed. This one is drawn from NumPy's
    generator, which `set_random_seed` seeds.

    Args:
        x: Array, inputs.
        y: Array, targets.
        batch_size: Int, samples per batch.
    """

    def __init__(self, x, y, batch_size):
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size
        self._generator = np.random.default_rng(np.random.randint(2**31))
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, index):
        first = index * self.batch_size
        rows = self._order[first : first + self.batch_size]
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        """Draw the order of the next epoch."""
        self._order = self._generator.permutation(len(self.x))
