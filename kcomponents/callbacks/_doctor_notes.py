"""Notes: what could not be seen of a training, which must not end it."""

import warnings


class Notes(list):
    """List of sentences for the record, and a way to try what may not work."""

    def attempt(self, function, what):
        """Run a function; note its warnings, or the error, which is returned."""
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                function()
        except Exception as error:
            lines = str(error).strip().splitlines()
            reason = lines[0] if lines else type(error).__name__
            self.append(f"The model could not be {what}: {reason}")
            return error
        self += [
            str(item.message).splitlines()[0]
            for item in told
            if issubclass(item.category, UserWarning)
        ]
        return None
