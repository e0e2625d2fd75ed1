"""The doctor needs neither Keras nor a backend."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.any_backend

CODE = """
import sys
from kcomponents.doctor import examine
from kcomponents.record import Record
examine(Record())
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"keras", "tensorflow", "jax", "torch", "sklearn"}))
print([name for name in sys.modules if name.startswith("kcomponents.surgery")])
"""


def test_an_import_of_the_doctor_imports_neither_keras_nor_a_backend_nor_surgery():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[]", "[]"]
