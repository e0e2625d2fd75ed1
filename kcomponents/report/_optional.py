"""Optional libraries for reports, imported when they are used."""

import importlib


def needed(name):
    """Return a module, or raise an error that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        library = name.split(".")[0]
        how = "Run `pip install kcomponents[report]`."
        raise ImportError(f"A web page report needs {library}. {how}") from error
