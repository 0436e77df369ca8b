"""Which faults pass by themselves, so that the caller is told 503 and to come again."""

from sqlalchemy import exc as sql

# Connection, sign-in at the database, no such database, rollback for serialization or deadlock,
# resources, lock timeout, the operator's hand.
_PASSING = ("08", "28", "3D", "40", "53", "55", "57")
_DATA = "22"


def will_pass(error: BaseException) -> bool:
    """Tell whether sending the same request again later may well succeed."""
    if isinstance(error, sql.TimeoutError | sql.OperationalError | sql.InterfaceError):
        return True
    if isinstance(error, sql.DBAPIError) and error.connection_invalidated:
        return True
    # While connecting, asyncpg lets its own errors and the socket's through.
    return sqlstate(error).startswith(_PASSING) or isinstance(error, OSError)


def is_refused_value(error: BaseException) -> bool:
    """Tell whether the database refused a value (NUL in text, a number out of range)."""
    return isinstance(error, sql.DataError) or sqlstate(error).startswith(_DATA)


def sqlstate(error: BaseException) -> str:
    """Return the five characters the database gave for the fault, or nothing."""
    told = getattr(error, "orig", error)
    return str(getattr(told, "sqlstate", None) or "")
