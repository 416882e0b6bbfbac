from __future__ import annotations

from shared.database.migrate import migrate
from tests.support.schema import FILE, schema


async def test_the_schema_that_is_shown_is_what_the_migrations_make(empty_database_url: str) -> None:
    await migrate(empty_database_url)
    assert FILE.read_text() == await schema(empty_database_url), "make schema writes it anew"
