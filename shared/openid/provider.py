"""The provider of OpenID Connect: discovery, the code of a sign-in, and what the provider says of a user."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import quote_plus, urlencode

import msgspec
from joserfc.jwk import KeySet
from yarl import URL

from shared.openid.answers import Keys, Metadata, TokenAnswer, TokenRefusal, decode
from shared.openid.errors import IdTokenRefused, ProviderAway, ProviderRefused
from shared.openid.flow import Flow
from shared.openid.id_token import Expected, KeyUnknown, read_id_token, read_keys
from shared.remote.client import RemoteClient
from shared.remote.document import RemoteDocument
from shared.remote.errors import BlockedUrl, RemoteError

DEADLINE = 10.0
"""Seconds that all requests of one step to the provider may take together."""
AT_ONCE = 16
"""Steps of sign-ins that wait for the provider at once, in one process; further ones are refused."""
LARGEST = 256 * 1024
"""Bytes of an answer, at most."""
KEPT = 3600.0
"""Seconds for which metadata and keys are kept; a token of an unknown key has them read again before."""

_WELL_KNOWN = "/.well-known/openid-configuration"
_OK = 200
_CLIENT_ERRORS = range(400, 500)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What the provider knows Crossdock by; without a secret it is a public client."""

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    scopes: str = "openid profile email"


class Provider:
    """Asks one provider. All methods raise ProviderAway: after 10 seconds, or where too many ask at once."""

    def __init__(
        self, remote: RemoteClient, client: Client, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._remote = remote
        self._client = client
        self._clock = clock
        self._metadata = _Kept[Metadata](clock)
        self._keys = _Kept[KeySet](clock)
        self._at_work = 0

    @property
    def issuer(self) -> str:
        """Whose users they are."""
        return self._client.issuer

    async def begin(self, flow: Flow, *, redirect_uri: str) -> str:
        """Return where the browser goes to sign in."""
        async with self._asking():
            metadata = await self._read_metadata()
        query = {
            "response_type": "code", "client_id": self._client.client_id, "redirect_uri": redirect_uri,
            "scope": self._client.scopes, "state": flow.state, "nonce": flow.nonce,
            "code_challenge": flow.challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return str(URL(metadata.authorization_endpoint).update_query(query))

    async def finish(self, flow: Flow, code: str, *, redirect_uri: str) -> Mapping[str, object]:
        """Return what the provider says of the user. Raises ProviderRefused and IdTokenRefused."""
        async with self._asking():
            metadata = await self._read_metadata()
            tokens = await self._exchange(metadata, flow, code, redirect_uri)
            claims = await self._check(metadata, tokens.id_token, flow.nonce)
            return {**await self._read_user(metadata, tokens, claims), **claims}

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        if self._at_work >= AT_ONCE:
            raise ProviderAway("too many sign-ins wait for the provider")
        self._at_work += 1
        try:
            async with asyncio.timeout(DEADLINE):
                yield
        except (RemoteError, BlockedUrl, TimeoutError) as error:
            raise ProviderAway(str(error) or "no answer in time") from error
        finally:
            self._at_work -= 1

    async def _read_metadata(self) -> Metadata:
        if (kept := self._metadata.get()) is not None:
            return kept
        metadata = await self._read(self._client.issuer.rstrip("/") + _WELL_KNOWN, Metadata)
        if metadata.issuer != self._client.issuer:
            raise ProviderAway(f"the provider calls itself {metadata.issuer[:200]!r}")
        return self._metadata.keep(metadata)

    async def _exchange(self, metadata: Metadata, flow: Flow, code: str, redirect_uri: str) -> TokenAnswer:
        given = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
            "code_verifier": flow.verifier,
        }  # fmt: skip
        secrets = self._authenticate(metadata, given)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        asked = self._remote.ask(
            metadata.token_endpoint, headers=headers, secrets=secrets, body=urlencode(given).encode()
        )
        async with asked as answer:
            status, body = answer.status, await answer.whole(LARGEST)
        if status in _CLIENT_ERRORS:
            raise self._refusal(body)
        return decode(body if status == _OK else b"", TokenAnswer, metadata.token_endpoint)

    def _authenticate(self, metadata: Metadata, given: dict[str, str]) -> Mapping[str, str]:
        """Return the header that says who asks, or say it in the form: as the provider takes it."""
        client = self._client
        if client.client_secret and metadata.takes_basic:
            pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
            return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        given["client_id"] = client.client_id
        if client.client_secret:
            given["client_secret"] = client.client_secret
        return {}

    @staticmethod
    def _refusal(body: bytes) -> ProviderRefused | ProviderAway:
        """Return what a refusal means: ``invalid_grant`` is of the code, all else of the configuration."""
        try:
            told = msgspec.json.decode(body, type=TokenRefusal).error
        except msgspec.MsgspecError:
            told = ""
        if told == "invalid_grant":
            return ProviderRefused("the code is not valid, or was used")
        return ProviderAway(f"the provider refused the exchange of the code: {told[:100]!r}")

    async def _check(self, metadata: Metadata, id_token: str, nonce: str) -> Mapping[str, object]:
        client = self._client
        expected = Expected(issuer=client.issuer, client_id=client.client_id, nonce=nonce)
        try:
            return read_id_token(id_token, await self._read_keys(metadata), expected, now=self._clock())
        except KeyUnknown:
            fresh = await self._read_keys(metadata, fresh=True)
        try:
            return read_id_token(id_token, fresh, expected, now=self._clock())
        except KeyUnknown:
            raise IdTokenRefused("no key of the provider has signed it") from None

    async def _read_keys(self, metadata: Metadata, *, fresh: bool = False) -> KeySet:
        kept = self._keys.get()
        if kept is not None and not fresh:
            return kept
        return self._keys.keep(read_keys((await self._read(metadata.jwks_uri, Keys)).keys))

    async def _read_user(
        self, metadata: Metadata, tokens: TokenAnswer, claims: Mapping[str, object]
    ) -> Mapping[str, object]:
        """Return what the provider says of the user elsewhere: many name groups only there."""
        if metadata.userinfo_endpoint is None or tokens.access_token is None:
            return {}
        secrets = {"Authorization": f"Bearer {tokens.access_token}"}
        found = await self._read(metadata.userinfo_endpoint, dict[str, object], secrets=secrets)
        if found.get("sub") != claims["sub"]:  # OpenID Connect Core 1.0, 5.3.2
            raise IdTokenRefused("it and the information of the user name two users")
        return found

    async def _read(self, url: str, kind: type[T], *, secrets: Mapping[str, str] | None = None) -> T:
        headers = {"Accept": "application/json"}
        answer: RemoteDocument = await self._remote.read(
            url, headers=headers, secrets=secrets or {}, most=LARGEST
        )
        return decode(answer.body if answer.status == _OK else b"", kind, url)


class _Kept(Generic[T]):
    """A value for an hour."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._value: T | None = None
        self._ends = 0.0

    def get(self) -> T | None:
        return self._value if self._clock() < self._ends else None

    def keep(self, value: T) -> T:
        self._value, self._ends = value, self._clock() + KEPT
        return value
