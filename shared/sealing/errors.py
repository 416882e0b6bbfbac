"""Errors of keys and of sealed secrets. No message contains a key or a secret."""

from __future__ import annotations

from shared.errors import CrossdockError


class SecretsKeyMissing(CrossdockError):
    """No key is set to seal secrets in the database."""

    code = "secrets_key_missing"

    def __init__(self) -> None:
        super().__init__(
            "CROSSDOCK_SECRETS_KEY is not set: it seals secrets in the database, the same for all services. "
            "Make one with: openssl rand -base64 32"
        )


class SecretsKeyInvalid(CrossdockError):
    """A key does not have the form of one; ``number`` counts from 1."""

    code = "secrets_key_invalid"

    def __init__(self, number: int) -> None:
        super().__init__(
            f"key {number} of CROSSDOCK_SECRETS_KEY is not 32 bytes in Base64. "
            "Make one with: openssl rand -base64 32"
        )
        self.number = number


class SecretsKeyWrong(CrossdockError):
    """None of the keys opens what the database has; it needs the key ``needed``."""

    code = "secrets_key_wrong"

    def __init__(self, needed: str) -> None:
        super().__init__(
            f"CROSSDOCK_SECRETS_KEY does not open the secrets of this database: it lacks the key {needed}"
        )
        self.needed = needed


class SecretUnreadable(CrossdockError):
    """A sealed secret does not open: its key is not set any more, or its row was changed by other means."""

    code = "secret_unreadable"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"a secret in the database does not open (key {key_id}): it has to be given anew")
        self.key_id = key_id
