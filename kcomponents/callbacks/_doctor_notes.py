"""Notes: what the doctor could not record. Its own errors must not stop training."""

import warnings


class Notes(list):
    """List of sentences for the record; `attempt` adds to it."""

    def attempt(self, function, task):
        """Call a function; note its warnings, or note its error and return it."""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                function()
        except Exception as error:
            lines = str(error).strip().splitlines()
            reason = lines[0] if lines else type(error).__name__
            self.append(f"The doctor could not {task}: {reason}")
            return error
        self += [
            str(item.message).splitlines()[0]
            for item in caught
            if issubclass(item.category, UserWarning)
        ]
        return None
