"""The key of the tests."""

from __future__ import annotations

from base64 import b64encode

from shared.sealing.keys import parse_keys
from shared.sealing.sealer import Sealer

KEY = b64encode(bytes(range(32))).decode()
OTHER_KEY = b64encode(bytes(32)).decode()


def sealer(*keys: str) -> Sealer:
    """Seals with the first of these keys, or with that of the tests."""
    return Sealer(parse_keys(",".join(keys or (KEY,))))
