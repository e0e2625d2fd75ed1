"""Names that Keras generates, which do not matter for the structure."""

import re


def _snake_case(name):
    """Return a class name in snake case, as Keras writes it."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


class Names:
    """Numbers the names that Keras generated, in order of appearance."""

    def __init__(self):
        self._numbers = {}

    def see(self, config):
        """Add the name of a serialized object if Keras generated it."""
        inner = config.get("config")
        name = inner.get("name") if isinstance(inner, dict) else None
        generated = _snake_case(config["class_name"])
        # `Bidirectional` adds a prefix to the names of its two layers.
        pattern = rf"(forward_|backward_)?{generated}(_\d+)?"
        if isinstance(name, str) and re.fullmatch(pattern, name):
            self._numbers.setdefault(name, f"#{len(self._numbers)}")

    def plain(self, key, value):
        """Return a value of a config, with generated names replaced by numbers."""
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
