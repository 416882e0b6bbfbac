"""What a provider answers, reduced to what is used of it."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

import msgspec
from yarl import URL

from shared.openid.errors import ProviderAway
from shared.remote.masking import mask_url

Address: TypeAlias = Annotated[str, msgspec.Meta(max_length=2048, pattern="^https?://")]

T = TypeVar("T")


class Metadata(msgspec.Struct, frozen=True):
    """OpenID Connect Discovery 1.0, section 3."""

    issuer: str
    authorization_endpoint: Address
    token_endpoint: Address
    jwks_uri: Address
    userinfo_endpoint: Address | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)

    @property
    def takes_basic(self) -> bool:
        """Whether the secret may go in a header, as it is by default."""
        methods = self.token_endpoint_auth_methods_supported
        return "client_secret_basic" in methods or "client_secret_post" not in methods


class Keys(msgspec.Struct, frozen=True):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[object]


class TokenAnswer(msgspec.Struct, frozen=True):
    """What a code was exchanged for."""

    id_token: str
    access_token: str | None = None


class TokenRefusal(msgspec.Struct, frozen=True):
    """Why a code was not exchanged (RFC 6749, 5.2)."""

    error: str = ""


def decode(body: bytes, kind: type[T], url: str) -> T:
    """Read an answer; one that was no success comes as no bytes. Raises ProviderAway."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ProviderAway(f"{mask_url(URL(url))} gave no answer of OpenID Connect") from error
