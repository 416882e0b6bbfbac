"""Which failures of the database pass by themselves, so that asking again later helps."""

from __future__ import annotations

from asyncpg import (
    DataError,
    InsufficientResourcesError,
    InterfaceError,
    LockNotAvailableError,
    OperatorInterventionError,
    PostgresConnectionError,
    PostgresError,
    ReadOnlySQLTransactionError,
    TransactionRollbackError,
)
from asyncpg.exceptions import IdleInTransactionSessionTimeoutError, InvalidCachedStatementError

from shared.errors import CrossdockError

DATABASE_ERRORS = (OSError, PostgresError, InterfaceError)
"""What a query raises, by itself or because of its connection."""

_PASSING = (
    PostgresConnectionError,
    OperatorInterventionError,  # shutting down, starting up, or cancelled
    InsufficientResourcesError,  # no connection, memory or disk left
    TransactionRollbackError,  # deadlocks
    LockNotAvailableError,
    ReadOnlySQLTransactionError,  # a standby that is not yet, or no more, in charge
    IdleInTransactionSessionTimeoutError,
    InvalidCachedStatementError,  # a migration has changed the table; asyncpg prepares the statement anew
    ConnectionError,
    TimeoutError,
)


class DatabaseUnreachable(ConnectionError):
    """No connection to the server can be made, whatever it takes: a name, a port or the file of a socket."""


def passes(error: BaseException) -> bool:
    """Tell whether it is about the server or the connection, rather than about the query."""
    if isinstance(error, InterfaceError):  # of asyncpg itself: a connection that is closed, or wrong values
        return not isinstance(error, DataError)
    return isinstance(error, _PASSING)


def passes_by(error: BaseException) -> bool:
    """Tell what we lack for the time being from what stays as it is."""
    return error.retryable if isinstance(error, CrossdockError) else passes(error)
