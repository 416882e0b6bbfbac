"""The key of a standalone: a file in its data folder, which nobody else may read."""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from pathlib import Path

from shared.sealing.keys import KEY_BYTES, parse_keys
from shared.sealing.sealer import Sealer
from shared.settings.environment import Settings


def standalone_sealer(settings: Settings, data: Path) -> Sealer:
    """Make the sealer of the keys in the settings or, without any, of those in the file ``secrets.key``.

    Makes the file with a new key if there is none. Raises SecretsKeyInvalid.
    """
    if settings.secrets_key is not None:
        return Sealer(parse_keys(settings.secrets_key.get_secret_value()))
    return Sealer(parse_keys(_read_or_make(data / "secrets.key")))


def _read_or_make(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
    return path.read_text()


def _write(path: Path, content: bytes) -> None:
    """Write the whole file or nothing: half a key would be worse than none."""
    unfinished = path.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    unfinished.replace(path)
