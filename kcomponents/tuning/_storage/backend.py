"""The storage of a search: a journal file, or a database for several machines."""

import contextlib
import errno
import json
import logging
import os
import threading
import time
from collections.abc import Iterator

import optuna
from filelock import FileLock
from optuna.storages.journal import JournalFileBackend

from kcomponents._checks import fail
from kcomponents._files import cut_torn_line
from kcomponents._optional import require
from kcomponents._text import clean

logger = logging.getLogger("kcomponents")

# Errors that a damaged or foreign journal may raise while it is read.
DAMAGED = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError),
    *(TypeError, ValueError),
)
# The most characters of such an error that are shown.
LONGEST = 1000
# With these, a broken connection is noticed after half a minute, not after hours.
POSTGRESQL = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# Seconds that a database may be unreachable before the search fails.
OUTAGE = 600
# Optuna has one log level for the whole process: two threads that change and restore it
# at the same time could leave it changed.
_LOG_LEVEL = threading.RLock()


def open_storage(place):
    """Return Optuna's storage at a path or URL.

    Raises:
        ValueError: If the path or URL cannot be used.
    """
    with quiet():
        return _open_database(place) if "://" in place else _open_journal(place)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what Optuna logs below a warning, and restore its level afterwards."""
    with _LOG_LEVEL:
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
        try:
            yield
        finally:
            optuna.logging.set_verbosity(level)


def without_password(place):
    """Return the path or URL, with its password hidden."""
    if "://" not in place:
        return place
    return require("sqlalchemy").make_url(place).render_as_string(hide_password=True)


class DamagedStoreError(ValueError):
    """Raised for a store whose content no search has written."""


@contextlib.contextmanager
def refuse_damage(place: str) -> Iterator[None]:
    """Turn errors while a store is read into one error that names the store.

    Args:
        place: Path or URL of the store; its password is not shown.
    """
    try:
        yield
    except DamagedStoreError:
        raise
    except DAMAGED as error:
        plain = type(error) is ValueError
        cause = clean(str(error) if plain else repr(error), keep="")
        cause = cause if len(cause) <= LONGEST else f"{cause[:LONGEST]} ..."
        rule = f"The store is not a search journal, or it is damaged ({cause})"
        shown = without_password(place)
        raise DamagedStoreError(f"{rule}. Received: store={shown!r}") from error


# Journal


class Journal(JournalFileBackend):
    """Optuna's journal, whose lines are written completely or not at all.

    The operating system releases its lock when a process is killed, and an incomplete
    last line is removed before the next write.

    Args:
        path: Path of the file.
    """

    def __init__(self, path):
        super().__init__(path)
        self.path, self.lock = path, FileLock(f"{path}.lock")

    def append_logs(self, logs):
        """Append all lines or none."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        content = lines.encode()
        with self.lock, open(self.path, "ab+", buffering=0) as file:
            cut_torn_line(file)
            end = file.seek(0, os.SEEK_END)
            try:
                if file.write(content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise


def _open_journal(path):
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.exists(path) and not os.path.isfile(path):
        # To open a pipe could wait forever.
        fail("The store must be a writable file (it is not a file).", store=path)
    if os.path.islink(f"{path}.lock"):
        # Some versions of filelock would empty what it points to.
        rule = "The lock of a search journal must not be a link. Remove the link."
        fail(rule, lock=f"{path}.lock")
    try:
        with refuse_damage(path):
            os.makedirs(folder, exist_ok=True)
            backend = Journal(path)
            with open(path, "ab"):
                return optuna.storages.JournalStorage(backend)
    except OSError as error:
        rule = f"The store must be a writable file ({error.strerror})"
        raise ValueError(f"{rule}. Received: store={path!r}") from error


# Database


def _open_database(url):
    sqlalchemy = require("sqlalchemy")
    try:
        kind = sqlalchemy.make_url(url).get_dialect().name
    except (sqlalchemy.exc.ArgumentError, ImportError):
        fail("`store` must be a path, or a URL like postgresql://host/name.", store=url)
    if kind == "sqlite":
        rule = "SQLite is not safe with several processes. Omit `store` to use a file"
        fail(f"{rule}, or use postgresql://host/name.", store=url)
    settings = {"pool_pre_ping": True}
    if kind == "postgresql":
        require("psycopg")
        # SQLAlchemy before 2.1 defaults to another driver.
        own = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg")
        url = own.render_as_string(hide_password=False)
        settings["connect_args"] = POSTGRESQL
    for attempt in range(4):
        try:
            storage = optuna.storages.RDBStorage(url, engine_kwargs=settings)
            # It wraps the storage in a cache of the trials that have ended.
            return optuna.storages.get_storage(storage)
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError):
            # If two processes create the tables at the same time, one of them fails.
            time.sleep(0.5 * attempt)
        except sqlalchemy.exc.OperationalError as error:
            rule = f"Cannot connect to the database ({_first_line(error)})"
            shown = without_password(url)
            raise ValueError(f"{rule}. Received: store={shown!r}") from error
    return fail(
        "Cannot create the tables in the database.", store=without_password(url)
    )


def retry_during_outage(function, *args, **kwargs):
    """Call a function of a storage, and retry while its database is unreachable."""
    start, pause = time.monotonic(), 0.5
    while True:
        try:
            return function(*args, **kwargs)
        except _database_errors() as error:
            if not _is_outage(error) or time.monotonic() - start > OUTAGE:
                raise
            logger.warning("Cannot reach the store, retrying: %s", _first_line(error))
            time.sleep(pause)
            pause = min(2 * pause, 10)


def _database_errors():
    """Return the errors that a database may raise."""
    wrapped = optuna.exceptions.StorageInternalError
    return require("sqlalchemy").exc.DBAPIError, wrapped


def _is_outage(error):
    """Return whether the database is unreachable, as opposed to a wrong query."""
    kinds = require("sqlalchemy").exc
    return isinstance(_cause(error), kinds.OperationalError | kinds.InterfaceError)


def _cause(error):
    """Return the database's error, which Optuna wraps when it occurs during a write."""
    is_wrapped = isinstance(error, optuna.exceptions.StorageInternalError)
    return error.__cause__ if is_wrapped else error


def _first_line(error):
    """Return the first line of an error message."""
    error = _cause(error)
    return (str(error).splitlines() or [type(error).__name__])[0]
