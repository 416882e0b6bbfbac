"""The canary: one sealed row, by which a wrong key shows when a service starts, and not months later."""

from __future__ import annotations

from shared.database.pool import Database
from shared.sealing.errors import SecretsKeyWrong, SecretUnreadable
from shared.sealing.sealer import SealContext, Sealer, key_id_of

_CONTEXT = SealContext("canary", None)
_TEXT = b"crossdock"


async def check_keys(db: Database, sealer: Sealer) -> None:
    """Raise SecretsKeyWrong unless the keys open the canary. The first call on a database seals it."""
    await db.execute(
        "INSERT INTO secrets_canary (sealed) VALUES ($1) ON CONFLICT DO NOTHING",
        sealer.seal(_TEXT, _CONTEXT),
    )
    sealed = await db.fetchval("SELECT sealed FROM secrets_canary")
    try:
        sealer.open(sealed, _CONTEXT)
    except SecretUnreadable as error:
        raise SecretsKeyWrong(error.key_id) from None


async def renew_canary(db: Database, sealer: Sealer) -> str:
    """Seal the canary with the first key, and return the id of the key that sealed it before."""
    sealed: bytes = await db.fetchval("SELECT sealed FROM secrets_canary")
    await db.execute("UPDATE secrets_canary SET sealed = $1", sealer.renew(sealed, _CONTEXT))
    return key_id_of(sealed)
