"""Keys of age on the command line: recipients by options or from files, identities from files alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.cli.errors import UsageError
from shared.age.keys import (
    Identities,
    Identity,
    Recipients,
    parse_identities,
    parse_recipients,
    split_recipients,
)

_LONGEST = 64 * 1024
"""Bytes of a file with keys."""


@dataclass(frozen=True, slots=True)
class EncryptFor:
    """For whom archives are encrypted, as keys and as texts; for nobody by default."""

    recipients: Recipients = ()
    names: tuple[str, ...] = ()


def read_recipients(given: Sequence[str] | None, files: Sequence[Path] | None) -> EncryptFor:
    """Read recipients, each once. Raises UsageError and RecipientInvalid."""
    texts = [
        *(given or ()),
        *(each for file in files or () for each in split_recipients(_read(file).decode(errors="replace"))),
    ]
    if files and not texts:
        raise UsageError(f"{files[0]} has no recipient")
    names = tuple(sorted({text.strip() for text in texts}))
    return EncryptFor(parse_recipients(names), names)


def read_identities(files: Sequence[Path] | None) -> Identities:
    """Read identities. Raises UsageError and IdentityInvalid."""
    found: list[Identity] = []
    for file in files or ():
        found += parse_identities(_read(file))
    return found


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(_LONGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error}") from None
    if len(data) > _LONGEST:
        raise UsageError(f"{file} is longer than a file of keys: {_LONGEST} bytes")
    return data
