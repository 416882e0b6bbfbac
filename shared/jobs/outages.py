"""Which errors of an attempt are outages of ours, and no fault of the job."""

from __future__ import annotations

from asyncpg import LockNotAvailableError, TransactionRollbackError

from shared.database.check import DatabaseDown
from shared.database.outages import is_outage
from shared.errors import CrossdockError
from shared.logs import describe

_OF_THE_QUERY = (TimeoutError, LockNotAvailableError, TransactionRollbackError)
"""What a database that is there may raise for a query that is too slow, or in the way of another."""


class JobCrashed(CrossdockError):
    """The work on a job ended in an unexpected error, which the log has. A retry may help."""

    code = "job_crashed"
    retryable = True

    def __init__(self, error: Exception) -> None:
        super().__init__(f"internal error ({type(error).__name__})")


def known_error(error: Exception) -> CrossdockError:
    """Return the error of an attempt as one of ours: DatabaseDown for an outage of the database."""
    if isinstance(error, CrossdockError):
        return error
    if is_outage(error) and not isinstance(error, _OF_THE_QUERY):
        return DatabaseDown(describe(error))
    return JobCrashed(error)
