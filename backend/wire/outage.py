"""Which faults pass by themselves, so that the caller is told 503 and to come again."""

from sqlalchemy import exc as sql

# Connection, rollback for serialization or deadlock, resources, lock timeout, operator's hand.
_PASSING = ("08", "40", "53", "55", "57")
_DATA = "22"


def will_pass(error: BaseException) -> bool:
    """Tell whether sending the same request again later may well succeed."""
    if isinstance(error, sql.TimeoutError | sql.OperationalError | sql.InterfaceError):
        return True
    if isinstance(error, sql.DBAPIError):
        return error.connection_invalidated or sqlstate(error).startswith(_PASSING)
    # asyncpg lets the socket's own errors through: refused, missing, timed out.
    return isinstance(error, OSError)


def is_refused_value(error: BaseException) -> bool:
    """Tell whether the database refused a value (NUL in text, a number out of range)."""
    if isinstance(error, sql.DataError):
        return True
    return isinstance(error, sql.DBAPIError) and sqlstate(error).startswith(_DATA)


def sqlstate(error: sql.DBAPIError) -> str:
    """Return the five characters the database gave for the fault, or nothing."""
    return str(getattr(error.orig, "sqlstate", None) or "")
