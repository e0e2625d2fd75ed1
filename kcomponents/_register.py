"""One decorator registers every class that a saved model may hold."""

import keras

register = keras.saving.register_keras_serializable(package="kcomponents")
