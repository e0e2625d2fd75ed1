"""Names that Keras made up, which say nothing of a model."""

import re


def _snake_case(name):
    """Return what Keras makes of the name of a class."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


class Names:
    """Numbers the names that Keras made up, in the order in which they come."""

    def __init__(self):
        self._numbers = {}

    def see(self, config):
        """Take note of the name of a serialized object."""
        inner = config.get("config")
        name = inner.get("name") if isinstance(inner, dict) else None
        made_up = _snake_case(config["class_name"])
        # `Bidirectional` puts a word before the names of its two layers.
        pattern = rf"(forward_|backward_)?{made_up}(_\d+)?"
        if isinstance(name, str) and re.fullmatch(pattern, name):
            self._numbers.setdefault(name, f"#{len(self._numbers)}")

    def plain(self, key, value):
        """Return the value that a config has under a key, with names numbered."""
        if key == "name":
            return self._numbered(value)
        if key in ("input_layers", "output_layers", "keras_history"):
            return self._anywhere(value)
        return value

    def _numbered(self, name):
        return self._numbers.get(name, name) if isinstance(name, str) else name

    def _anywhere(self, value):
        if isinstance(value, (list, tuple)):
            return [self._anywhere(part) for part in value]
        if isinstance(value, dict):
            return {key: self._anywhere(part) for key, part in value.items()}
        return self._numbered(value)
