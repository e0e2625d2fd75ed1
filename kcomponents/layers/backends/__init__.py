"""Settings of the layers that depend on the backend."""

import keras

# Whether gradients written by hand are faster. JAX compiles the whole step, and its
# compiler can fuse plain operations but not such gradients.
GRADIENTS_BY_HAND = keras.backend.backend() != "jax"
