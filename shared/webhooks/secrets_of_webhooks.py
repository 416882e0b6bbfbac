"""The sealed columns of webhooks, for who seals them anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.database.pool import Database, Row
from shared.remote.masking import mask_url
from shared.sealing.sealer import SealContext
from shared.sealing.tables import AT_ONCE, StoredSecret
from shared.webhooks.sealed_webhooks import SECRET, URL
from shared.webhooks.store import IS_SEALED

_PURPOSES = {"url": URL, "secret": SECRET, "old_secret": SECRET}
_EMPTY = {"url": "''", "secret": "''", "old_secret": "NULL"}
_READ = f"""SELECT * FROM webhooks WHERE id > $1 AND (url <> '' OR sealed_url IS NOT NULL)
            AND NOT ($2 AND {IS_SEALED}) ORDER BY id LIMIT {AT_ONCE}"""  # noqa: S608  # fixed texts


class WebhookSecrets:
    """The URLs and secrets of webhooks, as a SecretTable."""

    async def read(self, db: Database, *, behind: int, only_clear: bool) -> Sequence[StoredSecret]:
        """See SecretTable."""
        return [stored for row in await db.fetch(_READ, behind, only_clear) for stored in _stored(row)]

    async def replace(self, db: Database, secret: StoredSecret, sealed: bytes) -> None:
        """See SecretTable."""
        place, clear = secret.place, secret.clear
        shown = mask_url(clear.decode()) if clear and place == "url" else None
        before = clear.decode() if clear and place == "url" else clear
        await db.execute(
            f"""UPDATE webhooks SET {place} = {_EMPTY[place]}, sealed_{place} = $2,
                   shown_url = coalesce($3, shown_url)
               WHERE id = $1 AND nullif({place}, '') IS NOT DISTINCT FROM $4
                 AND sealed_{place} IS NOT DISTINCT FROM $5""",  # noqa: S608  # fixed texts
            secret.id, sealed, shown, before, secret.sealed,
        )  # fmt: skip


def _stored(row: Row) -> Iterator[StoredSecret]:
    for place, purpose in _PURPOSES.items():
        clear, sealed = row[place], row[f"sealed_{place}"]
        if clear or sealed:
            yield StoredSecret(
                id=row["id"],
                place=place,
                context=SealContext(purpose, row["project_id"]),
                clear=(clear.encode() if isinstance(clear, str) else clear) or None,
                sealed=sealed,
            )
