"""The sealed addresses of jobs, for who seals them anew."""

from __future__ import annotations

from collections.abc import Sequence

from shared.database.pool import Database, Row
from shared.jobs.sealed_orders import PURPOSES, is_clear, read_sealed, write_sealed
from shared.jobs.store import ADDRESS
from shared.sealing.sealer import SealContext
from shared.sealing.tables import AT_ONCE, StoredSecret

_READ = f"""SELECT id, project_id, {ADDRESS} AS address,
       CASE WHEN payload #>> '{{source,url}}' IS NULL THEN 'upload' ELSE 'source' END AS member
FROM jobs WHERE id > $1 AND {ADDRESS} IS NOT NULL
  AND (NOT $2 OR position(':' IN {ADDRESS}) > 0) ORDER BY id LIMIT {AT_ONCE}"""  # noqa: S608  # fixed texts


class JobSecrets:
    """The addresses of jobs that have not ended, and of those that can be retried, as a SecretTable."""

    async def read(self, db: Database, *, behind: int, only_clear: bool) -> Sequence[StoredSecret]:
        """See SecretTable."""
        return [_stored(row) for row in await db.fetch(_READ, behind, only_clear)]

    async def replace(self, db: Database, secret: StoredSecret, sealed: bytes) -> None:
        """See SecretTable."""
        before = write_sealed(secret.sealed) if secret.sealed else (secret.clear or b"").decode()
        await db.execute(
            """UPDATE jobs SET payload = jsonb_set(payload, ARRAY[$2, 'url'], to_jsonb($4::text))
               WHERE id = $1 AND payload #>> ARRAY[$2, 'url'] = $3""",
            secret.id, secret.place, before, write_sealed(sealed),
        )  # fmt: skip


def _stored(row: Row) -> StoredSecret:
    member, address = row["member"], row["address"]
    return StoredSecret(
        id=row["id"],
        place=member,
        context=SealContext(PURPOSES[member], row["project_id"]),
        clear=address.encode() if is_clear(address) else None,
        sealed=None if is_clear(address) else read_sealed(address),
    )
