"""Checks that the database can be used."""

from __future__ import annotations

from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Pool
from shared.errors import CrossdockError, Fault


class DatabaseDown(CrossdockError):
    """The query of the readiness check failed."""

    code = "database_down"
    fault = Fault.REMOTE
    retryable = True
    is_outage = True
    sentence = "the database is not available now"


async def check(pool: Pool) -> None:
    """Raise DatabaseDown where the database cannot be used now (readiness)."""
    try:
        await pool.execute("SELECT 1")
    except DATABASE_ERRORS as error:
        raise DatabaseDown(str(error)) from error
