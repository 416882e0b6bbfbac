"""One sign-in of one browser: state, nonce and PKCE, all made of a secret that only its cookie has.

RFC 7636 (PKCE) binds the code to the secret, ``state`` the answer to the browser, ``nonce`` the ID token.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in that was begun; nothing of it is stored here."""

    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def state(self) -> str:
        """What the provider sends back with its answer."""
        return self._derive("state")

    @property
    def nonce(self) -> str:
        """What the ID token has to name."""
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        """What the code is exchanged with."""
        return self._derive("verifier")

    @property
    def challenge(self) -> str:
        """The SHA-256 of the verifier, which the provider is told first."""
        return _base64url(sha256(self.verifier.encode()).digest())

    def holds(self, state: str) -> bool:
        """Tell whether an answer with ``state`` belongs to this sign-in."""
        return hmac.compare_digest(state.encode(errors="replace"), self.state.encode())

    def _derive(self, what: str) -> str:
        return _base64url(hmac.digest(self.secret.encode(errors="replace"), what.encode(), "sha256"))


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
