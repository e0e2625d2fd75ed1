"""Components for Keras models that train badly, on every Keras 3 backend.

Importing the package registers every class that a saved model may hold, so that
`keras.saving.load_model` finds it.
"""

from kcomponents import activations as activations
from kcomponents import analysis as analysis
from kcomponents import callbacks as callbacks
from kcomponents import clipping as clipping
from kcomponents import constraints as constraints
from kcomponents import doctor as doctor
from kcomponents import inference as inference
from kcomponents import initializers as initializers
from kcomponents import layers as layers
from kcomponents import optimizers as optimizers
from kcomponents import probes as probes
from kcomponents import record as record
from kcomponents import regularizers as regularizers
from kcomponents import report as report
from kcomponents import surgery as surgery
from kcomponents import training as training
from kcomponents import tuning as tuning
from kcomponents._version import __version__ as __version__
