"""Which failures of the database are temporary, so that a retry helps."""

from __future__ import annotations

from asyncpg import (
    DataError,
    InsufficientResourcesError,
    InterfaceError,
    InternalClientError,
    LockNotAvailableError,
    OperatorInterventionError,
    PostgresConnectionError,
    PostgresError,
    ReadOnlySQLTransactionError,
    TransactionRollbackError,
)
from asyncpg.exceptions import IdleInTransactionSessionTimeoutError, InvalidCachedStatementError

from shared.errors import CrossdockError

DATABASE_ERRORS = (OSError, PostgresError, InterfaceError, InternalClientError)
"""What a query may raise, because of itself or of its connection."""

_PASSING = (
    PostgresConnectionError,
    OperatorInterventionError,  # shutting down, starting up, or cancelled
    InsufficientResourcesError,  # no connection, memory or disk left
    TransactionRollbackError,  # deadlocks
    LockNotAvailableError,
    ReadOnlySQLTransactionError,  # a standby that is not yet, or no more, in charge
    IdleInTransactionSessionTimeoutError,
    InvalidCachedStatementError,  # a migration has changed the table; asyncpg prepares the statement anew
    InternalClientError,  # a connection was cut while asyncpg cleaned it up
    ConnectionError,
    TimeoutError,
)


USELESS = (
    InternalClientError,  # asyncpg does not know any more what the connection does
    ReadOnlySQLTransactionError,  # it leads to a server that was in charge before a failover
)
"""After these errors a connection that is still open fails whatever comes next."""


class DatabaseUnreachable(ConnectionError):
    """No connection to the server could be made: its name, port or socket file is wrong, or it is down."""


def is_outage(error: BaseException) -> bool:
    """Tell whether an error is about the server or the connection, rather than about the query."""
    if isinstance(error, InterfaceError):  # asyncpg's own: a closed connection, or wrong values
        return not isinstance(error, DataError)
    return isinstance(error, _PASSING)


def is_temporary(error: BaseException) -> bool:
    """Tell whether an error may pass by itself, so that a retry helps."""
    return error.retryable if isinstance(error, CrossdockError) else is_outage(error)
