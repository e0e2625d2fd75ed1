"""Optional libraries, imported on first use; errors say how to install them."""

import importlib

# Module → package, where the names differ.
PACKAGES = {"keras_tuner": "keras-tuner"}
# Module → extra that installs it, where it is not `tuning`.
EXTRAS = {
    "jinja2": "report",
    "markupsafe": "report",
    "matplotlib": "report",
    "psycopg": "postgres",
    "ray": "ray",
}


def require(name):
    """Return a module; if it is missing, raise an error that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        library = name.split(".")[0]
        extra = EXTRAS.get(library, "tuning")
        how = f'Run `pip install "kcomponents[{extra}]"`.'
        library = PACKAGES.get(library, library)
        raise ImportError(f"This needs {library}. {how}") from error


class _LazyModule:
    """A module that is imported when one of its attributes is first used."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        return getattr(require(self._name), attribute)


keras_tuner = _LazyModule("keras_tuner")
