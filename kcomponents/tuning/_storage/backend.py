"""Journal: the file of a search, which survives crashes and full disks."""

import errno
import json
import logging
import os
import time

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend

from kcomponents._checks import fail
from kcomponents._files import cut_torn_line
from kcomponents._optional import needed, optuna
from kcomponents.tuning._optuna_logging import quiet


class Journal(JournalFileBackend):
    """Optuna's journal, whose lines are written completely or not at all.

    The operating system releases its lock when a process is killed, and an incomplete
    last line is removed before the next write.
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


# The storage of a search: a journal file, or a database for several machines.

logger = logging.getLogger("kcomponents")
# Errors that a damaged or foreign journal may raise while it is read.
DAMAGED = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError),
    *(TypeError, ValueError),
)
# Seconds that a database may be unreachable before the search fails.
OUTAGE = 600
# With these, a broken connection is noticed after half a minute, not after hours.
POSTGRESQL = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def open_storage(place):
    """Return Optuna's storage at a path or URL.

    Raises:
        ValueError: If the path or URL cannot be used.
    """
    with quiet():
        return _database(place) if "://" in place else _journal(place)


def shown(place):
    """Return the path or URL, with its password hidden."""
    if "://" not in place:
        return place
    return needed("sqlalchemy").make_url(place).render_as_string(hide_password=True)


def patiently(function, *args, **kwargs):
    """Call a function of a storage, and retry while its database is unreachable."""
    begin, pause = time.monotonic(), 0.5
    while True:
        try:
            return function(*args, **kwargs)
        except _failures() as error:
            if not _is_away(error) or time.monotonic() - begin > OUTAGE:
                raise
            logger.warning("Cannot reach the store, retrying: %s", _first(error))
            time.sleep(pause)
            pause = min(2 * pause, 10)


def _journal(path):
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
        backend = Journal(path)
        with open(path, "ab"):
            return optuna.storages.JournalStorage(backend)
    except OSError as error:
        rule = f"The store must be a writable file ({error.strerror})"
        raise ValueError(f"{rule}. Received: store={path!r}") from error
    except DAMAGED as error:
        raise damaged(path, error) from error


def damaged(place, error):
    """Return the error to raise for a store that no search has written."""
    rule = f"The store is not a search journal, or it is damaged ({error!r})"
    return ValueError(f"{rule}. Received: store={place!r}")


def _database(url):
    sqlalchemy = needed("sqlalchemy")
    try:
        kind = sqlalchemy.make_url(url).get_dialect().name
    except (sqlalchemy.exc.ArgumentError, ImportError):
        fail("`store` must be a path, or a URL like postgresql://host/name.", store=url)
    if kind == "sqlite":
        rule = "SQLite is not safe with several processes. Omit `store` to use a file"
        fail(f"{rule}, or use postgresql://host/name.", store=url)
    settings = {"pool_pre_ping": True}
    if kind == "postgresql":
        needed("psycopg")
        # SQLAlchemy before 2.1 defaults to another driver.
        own = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg")
        url = own.render_as_string(hide_password=False)
        settings["connect_args"] = POSTGRESQL
    for attempt in range(4):
        try:
            made = optuna.storages.RDBStorage(url, engine_kwargs=settings)
            # It wraps the storage in a cache of the trials that have ended.
            return optuna.storages.get_storage(made)
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError):
            # If two processes create the tables at the same time, one of them fails.
            time.sleep(0.5 * attempt)
        except sqlalchemy.exc.OperationalError as error:
            rule = f"Cannot connect to the database ({_first(error)})"
            raise ValueError(f"{rule}. Received: store={shown(url)!r}") from error
    return fail("Cannot create the tables in the database.", store=shown(url))


def _failures():
    """Return the errors that a database may raise."""
    lost = optuna.exceptions.StorageInternalError
    return needed("sqlalchemy").exc.DBAPIError, lost


def _is_away(error):
    """Return whether the database is unreachable, as opposed to a wrong query."""
    found = needed("sqlalchemy").exc
    return isinstance(_cause(error), found.OperationalError | found.InterfaceError)


def _cause(error):
    """Return the database's error, which Optuna wraps when it occurs during a write."""
    lost = isinstance(error, optuna.exceptions.StorageInternalError)
    return error.__cause__ if lost else error


def _first(error):
    """Return the first line of an error message."""
    error = _cause(error)
    return (str(error).splitlines() or [type(error).__name__])[0]
