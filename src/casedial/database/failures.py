"""What a driver's error means: the database cannot answer now, a transaction is run again, or a fault of ours.

Only what is known to be the database's own trouble is called that. All else is a fault, and stays what it is.
"""

from __future__ import annotations

import sqlalchemy as sa

from casedial.domain.errors import StorageUnavailable

# SQLSTATEs and their classes: a server that is away, starting, stopping, read-only, full, damaged or out of
# connections, or is closed to us; and what took longer than its administrator allows.
_AWAY = ("08", "25006", "25P03", "25P04", "28", "3D", "3F", "42501", "53", "55P03", "57", "58", "XX001", "XX002")
_RETRYABLE = ("40001", "40P01")
# After these a session is as good as before: the values were wrong, or another transaction was in the way.
_OF_ONE_TRANSACTION = ("22", "23", "40")

# Of a SQLite file that is locked, damaged, gone, or on a disk that is full, failing or read-only.
_AWAY_IN_SQLITE = frozenset(
    (
        *("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL", "SQLITE_INTERRUPT", "SQLITE_NOMEM", "SQLITE_FULL"),
        *("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_NOLFS"),
        *("SQLITE_CORRUPT", "SQLITE_NOTADB"),
    )
)

# What is raised where no connection can be made: whatever the database says then.
_UNCONNECTED = (sa.exc.DBAPIError, OSError, ValueError)
_SHOWN = 500  # characters


class TransactionEnded(Exception):
    """PostgreSQL ended a transaction that may simply be run again."""


def unavailable(error: BaseException, where: str) -> StorageUnavailable:
    """Return what is said where the database at ``where`` cannot answer because of ``error``."""
    return _because(error, where, "The database cannot answer now; try again in a moment.")


def in_doubt(error: BaseException, where: str) -> StorageUnavailable:
    """Return what is said where nobody knows whether a write was kept."""
    doubt = "The database failed while saving the changes, and they may or may not be saved. Repeat with the same "
    return _because(error, where, doubt + "Idempotency-Key.")


def unconnected(error: Exception, where: str, also: tuple[type[Exception], ...]) -> Exception:
    """Return what is said where no connection can be made; a fault of ours stays as it is.

    ``also`` are the errors that the driver raises then, beside those that any does.
    """
    return unavailable(error, where) if is_away(error) or isinstance(error, (*_UNCONNECTED, *also)) else error


def meaning(error: sa.exc.DBAPIError, where: str) -> Exception:
    """Turn a driver's error into StorageUnavailable or TransactionEnded; a fault of ours stays as it is."""
    if _state(error) in _RETRYABLE:
        return TransactionEnded()
    return unavailable(error, where) if is_away(error) else error


def is_of_url(error: BaseException) -> bool:
    """Tell whether an error may be the fault of the URL: the wrong host, user, password or database."""
    driver_s = _driver_s(error.__cause__ or error)
    return isinstance(driver_s, OSError | ValueError) or _state(driver_s).startswith(("28", "3D"))


def is_away(error: BaseException) -> bool:
    """Tell whether an error means that the database cannot answer now."""
    lost = isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
    return lost or _state(error).startswith(_AWAY) or _code(error) in _AWAY_IN_SQLITE


def spares_session(error: sa.exc.DBAPIError) -> bool:
    """Tell whether the session in which an error was met may be used again.

    One of PostgreSQL may be of a server that is the wrong one since a failover, and whatever else is not known to have
    been the transaction's own affair. SQLite opens a file for reading only where it must, and leaves it so.
    """
    code = _code(error)
    return code != "SQLITE_READONLY" if code else _state(error).startswith(_OF_ONE_TRANSACTION)


def _because(error: BaseException, where: str, detail: str) -> StorageUnavailable:
    told = f"{where}: {_in_words(error)}"
    said = StorageUnavailable(detail, f"{where}: {_described(error)}", told)
    said.__cause__ = error
    return said


def _described(error: BaseException) -> str:
    """Return what is known of an error of the database's own trouble: no value of a statement is in those."""
    driver_s = _driver_s(error)
    name = getattr(driver_s, "sqlite_errorname", None) or type(driver_s).__name__
    if isinstance(driver_s, ValueError):  # which may quote what it could not read, a URL with its password, say
        return name
    said = next(iter(str(driver_s).splitlines()), "")[:_SHOWN]
    return ": ".join(filter(None, (_state(error), name, said)))


def _in_words(error: BaseException) -> str:
    """Return what the driver said without what only its makers know."""
    driver_s = _driver_s(error)
    if isinstance(driver_s, ValueError):
        return "the URL cannot be read."
    if isinstance(driver_s, TimeoutError):
        return "it did not answer in time."
    said = getattr(driver_s, "strerror", None) or next(iter(str(driver_s).splitlines()), "") or "it gave no reason"
    name = getattr(driver_s, "sqlite_errorname", None)  # which sqlite.org explains
    return f"{name}: {said[:_SHOWN]}" if name else f"{said[:_SHOWN].rstrip('.')}."


def _driver_s(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error


def _state(error: BaseException) -> str:
    return getattr(_driver_s(error), "sqlstate", None) or ""


def _code(error: BaseException) -> str:
    """Return the primary result code of SQLite; of SQLITE_IOERR_WRITE that is SQLITE_IOERR."""
    return "_".join(str(getattr(_driver_s(error), "sqlite_errorname", None) or "").split("_")[:2])
