"""Optional libraries, imported on first use; errors say how to install them."""

import importlib

# Module → package, where the names differ.
INSTALLED_AS = {"keras_tuner": "keras-tuner"}
EXTRAS = {
    "jinja2": "report",
    "matplotlib": "report",
    "psycopg": "postgres",
    "ray": "ray",
}


def needed(name):
    """Return a module; if it is missing, raise an error that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        library = name.split(".")[0]
        extra = EXTRAS.get(library, "tuning")
        how = f'Run `pip install "kcomponents[{extra}]"`.'
        library = INSTALLED_AS.get(library, library)
        raise ImportError(f"This needs {library}. {how}") from error


class _WhenUsed:
    """A module that is imported when one of its attributes is first used."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        return getattr(needed(self._name), attribute)


keras_tuner = _WhenUsed("keras_tuner")
optuna = _WhenUsed("optuna")
