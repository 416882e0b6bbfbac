from __future__ import annotations

from shared.database.migrate import migrate
from tests.support.schema import FILE, schema


async def test_the_schema_that_is_shown_is_what_the_migrations_make(database_url: str) -> None:
    await migrate(database_url)
    assert FILE.read_text() == await schema(database_url), "make schema writes it anew"
