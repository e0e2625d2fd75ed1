"""The console: all that the package prints, logs or warns of passes through here.

Names come from files, models and stores of others. Printed as they are, they could
command the terminal: clear it, set its title, or hide and forge lines.
"""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator

from kcomponents._text import clean, one_line


def show(text: str, *, colors: bool = False) -> None:
    """Print text and a line feed to the standard output.

    Args:
        text: String. Its parts from elsewhere are on one line already, as line feeds
            are kept.
        colors: Boolean, whether to keep the escape sequences of colors. Defaults to
            `False`.
    """
    _write(clean(text, colors=colors), sys.stdout)


def show_error(text: str) -> None:
    """Print text and a line feed to the standard error.

    Args:
        text: String, the whole message.
    """
    _write(clean(text), sys.stderr)


def _write(text, stream):
    if stream is None:
        # A program without a console has none.
        return
    # Characters that the console cannot encode are shown as "?".
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def warn(
    message: str, category: type[Warning] = UserWarning, stacklevel: int = 1
) -> None:
    """Issue a warning, as `warnings.warn` does.

    Args:
        message: String.
        category: Class of the warning. Defaults to `UserWarning`.
        stacklevel: Integer, 1 for the line that calls this function.
    """
    warnings.warn(one_line(message), category, stacklevel=stacklevel + 1)


class CleanRecords(logging.Filter):
    """A filter that makes each record one line that is fit for a terminal."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Format the message of a record; return True, to keep it."""
        record.msg, record.args = one_line(record.getMessage()), None
        return True


# The one logger of the package. A filter of a logger does not see the records of the
# loggers below it, so the package has no others.
logger = logging.getLogger("kcomponents")
if not any(type(each).__name__ == CleanRecords.__name__ for each in logger.filters):
    logger.addFilter(CleanRecords())


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Log nothing for a while, as of a training that the user has not begun."""
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
