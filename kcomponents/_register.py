"""The decorator that registers each class that a saved model may contain."""

import keras

register = keras.saving.register_keras_serializable(package="kcomponents")
