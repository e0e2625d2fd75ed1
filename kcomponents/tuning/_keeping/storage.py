"""Where a search is kept: a journal in its folder, or a database for many machines."""

import logging
import os
import time

from kcomponents._check import fail
from kcomponents.tuning._keeping.journal import Journal
from kcomponents.tuning._optional import needed, optuna

logger = logging.getLogger("kcomponents")
# What reading anything but the journal of a search may raise.
DAMAGED = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError),
    *(TypeError, ValueError),
)
# How long a database may be out of reach before a search gives up, in seconds.
OUTAGE = 600
# A connection that was cut is found out within half a minute, not within hours.
POSTGRESQL = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def open_storage(place):
    """Return Optuna's storage at a path or URL, or say why it cannot be used."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return _database(place) if "://" in place else _journal(place)


def shown(place):
    """Return the path or URL without a password in it."""
    if "://" not in place:
        return place
    return needed("sqlalchemy").make_url(place).render_as_string(hide_password=True)


def patiently(function, *args, **kwargs):
    """Call a function of a storage again and again while its database is away."""
    begin, pause = time.monotonic(), 0.5
    while True:
        try:
            return function(*args, **kwargs)
        except _failures() as error:
            if not _is_away(error) or time.monotonic() - begin > OUTAGE:
                raise
            logger.warning("The store is out of reach; trying again. %s", _first(error))
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
        rule = f"The store must be a file that can be written ({error.strerror})"
        raise ValueError(f"{rule}. Received: store={path!r}") from error
    except DAMAGED as error:
        raise damaged(path, error) from error


def damaged(place, error):
    """Return what to raise where a store holds what no search has written."""
    rule = f"The store is no journal of a search, or was damaged ({error!r})"
    return ValueError(f"{rule}. Received: store={place!r}")


def _database(url):
    sqlalchemy = needed("sqlalchemy")
    try:
        kind = sqlalchemy.make_url(url).get_dialect().name
    except (sqlalchemy.exc.ArgumentError, ImportError):
        fail("`store` must be a path or a URL like postgresql://host/name.", store=url)
    if kind == "sqlite":
        rule = "SQLite is not made for several processes: leave `store` out for a file"
        fail(f"{rule}, or use postgresql://host/name.", store=url)
    settings = {"pool_pre_ping": True}
    if kind == "postgresql":
        needed("psycopg")
        # Older versions of SQLAlchemy would look for another driver.
        own = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg")
        url = own.render_as_string(hide_password=False)
        settings["connect_args"] = POSTGRESQL
    for attempt in range(4):
        try:
            made = optuna.storages.RDBStorage(url, engine_kwargs=settings)
            # Which keeps what can no longer change.
            return optuna.storages.get_storage(made)
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError):
            # Two that begin at once both make the tables, and one of them fails.
            time.sleep(0.5 * attempt)
        except sqlalchemy.exc.OperationalError as error:
            rule = f"The store must be a database in reach ({_first(error)})"
            raise ValueError(f"{rule}. Received: store={shown(url)!r}") from error
    return fail("The tables of the store could not be made.", store=shown(url))


def _failures():
    """Return the errors of a database."""
    lost = optuna.exceptions.StorageInternalError
    return needed("sqlalchemy").exc.DBAPIError, lost


def _is_away(error):
    """Tell a database that is away from one that was asked for nonsense."""
    found = needed("sqlalchemy").exc
    return isinstance(_cause(error), found.OperationalError | found.InterfaceError)


def _cause(error):
    """Return what Optuna wraps when it happens while it writes."""
    lost = isinstance(error, optuna.exceptions.StorageInternalError)
    return error.__cause__ if lost else error


def _first(error):
    """Return the first line of what an error says."""
    error = _cause(error)
    return (str(error).splitlines() or [type(error).__name__])[0]
