"""Notes: what could not be measured, and the warnings and errors that say why."""

import re
import warnings

IN_CALL = re.compile(
    r"Exception encountered when calling (.+)\.\n\n\x1b\[1m([^\n\x1b]+)"
)


class Notes(list):
    """List of sentences for the record; `attempt` adds to it."""

    def attempt(self, function, task):
        """Call a function; note its warnings, or note its error and return it."""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                function()
        except Exception as error:
            self.append(f"The doctor could not {task}: {reason_of(error)}")
            return error
        self += [
            str(item.message).splitlines()[0]
            for item in caught
            if issubclass(item.category, UserWarning)
        ]
        return None


def reason_of(error):
    """Return the first line of an error; Keras writes the layer's call before it."""
    text = str(error).strip()
    if found := IN_CALL.match(text):
        return f"{found[2]} (in {found[1]})"
    return text.splitlines()[0] if text else type(error).__name__
