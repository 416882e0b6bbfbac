"""Recipients and identities, as users write them: one a line, with comments after ``#``.

Recipients are ``age1...`` or public keys of SSH (``ssh-ed25519``, ``ssh-rsa``). Identities are
``AGE-SECRET-KEY-1...``, or one private key of SSH without a passphrase.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NewType, TypeAlias

from pyrage import IdentityError, RecipientError, ssh, x25519

from shared.age.errors import IdentityInvalid, RecipientInvalid

Recipient = NewType("Recipient", object)
Identity = NewType("Identity", object)

Recipients: TypeAlias = Sequence[Recipient]
Identities: TypeAlias = Sequence[Identity]

MOST = 100
"""Recipients of a file: each has some 150 bytes in its header, and is tried by who decrypts it."""

_PEM = b"-----BEGIN"
_IDENTITY = "AGE-SECRET-KEY-"
_LONGEST_SHOWN = 80


def split_recipients(text: str) -> list[str]:
    """Give the recipients of a text, without comments."""
    return [line for _, line in _lines(text)]


def parse_recipients(given: Sequence[str]) -> list[Recipient]:
    """Make recipients. Raises RecipientInvalid, which says which one is none, and for over 100."""
    if len(given) > MOST:
        raise RecipientInvalid(f"there are {len(given)} recipients, and at most {MOST} are taken")
    return [_recipient(each) for each in given]


def _recipient(text: str) -> Recipient:
    if text.upper().startswith(_IDENTITY):
        raise RecipientInvalid("a recipient is a secret key: give the public one, which begins with age1")
    kind = ssh if text.startswith("ssh-") else x25519
    try:
        return Recipient(kind.Recipient.from_str(text))
    except RecipientError:
        raise RecipientInvalid(
            f"{text[:_LONGEST_SHOWN]!r} is no recipient: it is age1... or ssh-..."
        ) from None


def parse_identities(data: bytes) -> list[Identity]:
    """Make the identities of a file. Raises IdentityInvalid, which names the line."""
    try:
        if data.lstrip().startswith(_PEM):
            return [Identity(ssh.Identity.from_buffer(data))]
        found = [_identity(number, line) for number, line in _lines(data.decode())]
    except UnicodeDecodeError:
        raise IdentityInvalid("the file of identities is no text") from None
    except IdentityError as error:
        raise IdentityInvalid(f"the private key cannot be used: {error}") from None
    if not found:
        raise IdentityInvalid("the file has no identity")
    return found


def _identity(number: int, text: str) -> Identity:
    try:
        return Identity(x25519.Identity.from_str(text))
    except IdentityError:
        raise IdentityInvalid(f"line {number} is no identity: it is AGE-SECRET-KEY-1...") from None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if (stripped := line.strip()) and not stripped.startswith("#"):
            yield number, stripped
