"""Libraries that only a report needs, imported when one is made."""

import importlib


def needed(name):
    """Return a module, or say how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        library = name.split(".")[0]
        how = "Install it by `pip install kcomponents[report]`."
        raise ImportError(f"A report as a page needs {library}. {how}") from error
