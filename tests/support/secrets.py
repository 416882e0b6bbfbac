"""Looks for texts in all that a database holds."""

from __future__ import annotations

from shared.database.pool import Database


async def columns_with(db: Database, *texts: str) -> list[str]:
    """The columns of all tables in which a row has one of these texts, as it stands or as bytes."""
    columns = await db.fetch(
        """SELECT table_name, column_name FROM information_schema.columns
           WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"""
    )
    found = []
    for table, column in columns:
        asked = f"""SELECT EXISTS (SELECT FROM "{table}" WHERE EXISTS (
                        SELECT FROM unnest($1::text[]) AS text
                        WHERE position(text IN "{column}"::text) > 0
                           OR position(encode(text::bytea, 'hex') IN "{column}"::text) > 0))"""  # noqa: S608  # names of the catalogue
        if await db.fetchval(asked, list(texts)):
            found.append(f"{table}.{column}")
    return found
