"""The key of a distributed Crossdock that was given none: an object of its bucket, made once.

A copy of the database alone opens nothing. Who can read the bucket as well can open all: a key that is given
lies apart from both.
"""

from __future__ import annotations

import secrets
from base64 import b64encode

from shared.database.pool import Pool
from shared.errors import ObjectMissing
from shared.sealing.keys import KEY_BYTES
from shared.storage.base import ObjectStore

OBJECT = "keys/secrets"

_GATE = "SELECT pg_advisory_xact_lock(hashtextextended('crossdock.secrets_key', 0))"


async def read_or_make_keys(pool: Pool, store: ObjectStore) -> str:
    """Return the keys that the store keeps, in the form of the setting; make one where there is none.

    Services that start at the same time take turns, so that one key is made. Raises StorageError.
    """
    async with pool.acquire() as db, db.transaction():
        await db.execute(_GATE)
        try:
            return b"".join([chunk async for chunk in store.read(OBJECT)]).decode(errors="replace")
        except ObjectMissing:
            made = b64encode(secrets.token_bytes(KEY_BYTES))
            async with store.create(OBJECT) as writer:
                await writer.write(made)
                await writer.commit()
            return made.decode()
