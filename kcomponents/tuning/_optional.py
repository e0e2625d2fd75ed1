"""Libraries that only a search needs, imported when one is used."""

import importlib

# Where the name of what `pip` installs is another one than that of the module.
INSTALLED_AS = {"keras_tuner": "keras-tuner"}
EXTRAS = {"ray": "ray", "psycopg": "postgres"}


def needed(name):
    """Return a module, or say how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        library = name.split(".")[0]
        extra = EXTRAS.get(library, "tuning")
        how = f"Install it by `pip install kcomponents[{extra}]`."
        library = INSTALLED_AS.get(library, library)
        raise ImportError(f"A search needs {library}. {how}") from error


class _WhenUsed:
    """A module that is imported when one of its names is asked for."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        return getattr(needed(self._name), attribute)


keras_tuner = _WhenUsed("keras_tuner")
optuna = _WhenUsed("optuna")
