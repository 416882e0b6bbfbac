"""Checks ID tokens: OpenID Connect Core 1.0, 3.1.3.7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, import_key

from shared.openid.errors import IdTokenRefused

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA",
)  # fmt: skip
"""Signatures by a private key alone: ``none`` proves nothing, and HS256 would take a public key as secret."""

LEEWAY = 60
"""Seconds by which the clocks of provider and Crossdock may differ."""

_MOST_KEYS = 100
LONGEST_SUBJECT = 255
"""OpenID Connect Core 1.0, 2: no subject is longer."""


class KeyUnknown(Exception):
    """No key of the set has signed the token; the provider may have new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an ID token has to say."""

    issuer: str
    client_id: str
    nonce: str


def read_keys(keys: Sequence[object]) -> KeySet:
    """Make a key set of what a provider publishes, at most 100 of them; what signs nothing is passed over."""
    return KeySet([import_key(each) for each in keys[:_MOST_KEYS] if isinstance(each, dict) and _signs(each)])


def _signs(key: Mapping[str, object]) -> bool:
    if key.get("kty") not in ("RSA", "EC", "OKP") or key.get("use", "sig") != "sig":
        return False
    try:
        import_key(dict(key))  # type: ignore[arg-type]
    except (JoseError, ValueError, TypeError, KeyError):
        return False
    return True


def read_id_token(text: str, keys: KeySet, expected: Expected, *, now: float) -> Mapping[str, object]:
    """Return the claims of an ID token. Raises KeyUnknown and IdTokenRefused."""
    try:
        claims = jwt.decode(text, keys, algorithms=ALGORITHMS).claims
    except InvalidKeyIdError as error:
        raise KeyUnknown from error
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise IdTokenRefused("its signature does not hold") from error
    _check_parties(claims, expected)
    _check_times(claims, now)
    if claims.get("nonce") != expected.nonce:
        raise IdTokenRefused("it belongs to another sign-in")
    return claims


def _check_parties(claims: Mapping[str, object], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise IdTokenRefused("it has another issuer")
    given = claims.get("aud")
    audience = given if isinstance(given, list) else [given]
    party = claims.get("azp", expected.client_id if len(audience) == 1 else None)
    if expected.client_id not in audience or party != expected.client_id:
        raise IdTokenRefused("it is for another application")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or "\0" in subject:
        raise IdTokenRefused("it names no user")


def _check_times(claims: Mapping[str, object], now: float) -> None:
    expires, issued, begins = (claims.get(name) for name in ("exp", "iat", "nbf"))
    if not _is_time(expires) or expires <= now - LEEWAY:
        raise IdTokenRefused("it has expired")
    if not _is_time(issued) or issued > now + LEEWAY:
        raise IdTokenRefused("it was issued in the future")
    if begins is not None and (not _is_time(begins) or begins > now + LEEWAY):
        raise IdTokenRefused("it does not hold yet")


def _is_time(given: object) -> TypeGuard[float]:
    return isinstance(given, int | float) and not isinstance(given, bool)
