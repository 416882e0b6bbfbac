"""Errors of age files and of their keys. No message contains a secret."""

from __future__ import annotations

from shared.errors import CrossdockError, Fault


class RecipientInvalid(CrossdockError):
    """What was given as a recipient is neither an age1... key nor a public key of SSH."""

    code = "recipient_invalid"
    fault = Fault.CLIENT


class IdentityInvalid(CrossdockError):
    """What was given as an identity is neither an AGE-SECRET-KEY-1... nor a private key of SSH."""

    code = "identity_invalid"
    fault = Fault.CLIENT


class NotDecrypted(CrossdockError):
    """None of the identities opens the file: it was encrypted for others, or is no age file."""

    code = "not_decrypted"
    fault = Fault.CLIENT


class EncryptedDamaged(CrossdockError):
    """An age file is not as it was written: bytes of it were changed or cut off."""

    code = "encrypted_damaged"
    fault = Fault.ARCHIVE
