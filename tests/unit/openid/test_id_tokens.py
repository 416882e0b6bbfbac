from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from shared.openid.errors import IdTokenRefused
from shared.openid.flow import Flow
from shared.openid.id_token import LEEWAY, Expected, KeyUnknown, read_id_token, read_keys

NOW = 1_800_000_000.0
ISSUER = "https://provider.test"
KEY = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
EXPECTED = Expected(issuer=ISSUER, client_id="crossdock", nonce="n")
CLAIMS = {
    "iss": ISSUER, "aud": "crossdock", "sub": "ann", "nonce": "n", "iat": int(NOW), "exp": int(NOW) + 300,
}  # fmt: skip


def _sign(claims: dict[str, object], key: RSAKey | ECKey = KEY, alg: str = "RS256", kid: str = "1") -> str:
    return jwt.encode({"alg": alg, "kid": kid}, claims, key, algorithms=[alg])


def _published(*keys: RSAKey | ECKey) -> KeySet:
    return read_keys([key.as_dict(private=False) for key in keys or (KEY,)])


def _read(text: str, keys: KeySet | None = None) -> object:
    return read_id_token(text, keys or _published(), EXPECTED, now=NOW)["sub"]


def test_a_token_that_the_provider_signed_for_this_sign_in_holds() -> None:
    assert _read(_sign(CLAIMS)) == "ann"
    curve = ECKey.generate_key("P-256", {"kid": "2"})
    assert _read(_sign(CLAIMS, curve, "ES256", "2"), _published(KEY, curve)) == "ann"
    assert _read(_sign(CLAIMS | {"aud": ["crossdock", "other"], "azp": "crossdock"})) == "ann"


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "other"}, {"nonce": None},
        {"aud": "other"}, {"aud": []}, {"aud": None}, {"aud": ["crossdock", "other"]},
        {"aud": ["crossdock", "other"], "azp": "other"}, {"azp": "other"},
        {"iss": ISSUER + "/"}, {"iss": None},
        {"sub": ""}, {"sub": None}, {"sub": 1}, {"sub": "x" * 256}, {"sub": "a\0"},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_for_others_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(IdTokenRefused):
        _read(_sign(CLAIMS | wrong))


@pytest.mark.parametrize(
    ("times", "holds"),
    [
        ({"exp": NOW - LEEWAY + 1}, True), ({"exp": NOW - LEEWAY}, False), ({"exp": None}, False),
        ({"exp": "2100"}, False), ({"exp": True}, False),
        ({"iat": NOW + LEEWAY}, True), ({"iat": NOW + LEEWAY + 1}, False), ({"iat": None}, False),
        ({"nbf": NOW + LEEWAY}, True), ({"nbf": NOW + LEEWAY + 1}, False),
    ],
    ids=str,
)  # fmt: skip
def test_clocks_may_differ_by_a_minute(times: dict[str, object], *, holds: bool) -> None:
    text = _sign(CLAIMS | times)
    if holds:
        assert _read(text) == "ann"
    else:
        with pytest.raises(IdTokenRefused):
            _read(text)


def _write(alg: str, *, secret: bytes | None = None) -> str:
    """A token as no library makes one."""
    parts = [json.dumps(part).encode() for part in ({"alg": alg, "kid": "1"}, CLAIMS)]
    signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = b"" if secret is None else hmac.digest(secret, signed, "sha256")
    return f"{signed.decode()}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "text", [_write("none"), _write("None"), _write("RS256"), "", "x", "a.b.c", "a.b.c.d.e"]
)
def test_a_token_that_nobody_signed_is_refused(text: str) -> None:
    with pytest.raises(IdTokenRefused):
        _read(text)


@pytest.mark.parametrize("alg", ["HS256", "RS256"])
def test_a_public_key_is_no_secret_that_signs(alg: str) -> None:
    with pytest.raises(IdTokenRefused):
        _read(_write(alg, secret=KEY.as_pem(private=False)))


def test_another_key_of_the_same_name_does_not_count() -> None:
    with pytest.raises(IdTokenRefused):
        _read(_sign(CLAIMS, RSAKey.generate_key(2048)))


def test_a_key_that_is_new_is_told_from_a_forged_signature() -> None:
    new = RSAKey.generate_key(2048, {"kid": "2"})
    text = _sign(CLAIMS, new, kid="2")
    with pytest.raises(KeyUnknown):
        _read(text)
    assert _read(text, _published(KEY, new)) == "ann"


def test_keys_that_sign_nothing_are_passed_over() -> None:
    public = KEY.as_dict(private=False)
    others: list[object] = [{"kty": "oct", "k": "AA", "kid": "1"}, {"kty": "new"}, {}, 1, {"kty": "RSA"}]
    assert len(read_keys([*others, public | {"use": "enc"}, public]).keys) == 1


def test_what_the_provider_is_told_does_not_tell_the_secret_of_a_sign_in() -> None:
    flow, other = Flow(), Flow()
    parts = {flow.secret, flow.state, flow.nonce, flow.verifier, flow.challenge}
    assert len(parts) == 5
    assert flow.holds(flow.state)
    assert not flow.holds(other.state)
    assert not flow.holds("ä")
    assert len(flow.verifier) == 43  # RFC 7636, 4.1
