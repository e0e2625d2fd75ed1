"""What a layer must know of the backend it runs on."""

import keras

# A compiler that fuses the whole step makes plain operations the faster ones, and
# keeps a gradient made by hand out of the fusion.
GRADIENTS_BY_HAND = keras.backend.backend() != "jax"
