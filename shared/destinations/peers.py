"""The servers of destinations that are peers: clients of them, by the settings of the moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from yarl import URL

from shared.destinations.models import PeerCredentials, PeerSettings
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.peers.answers import PeerToken, PeerUser, PeerVersion
from shared.peers.client import PeerClient, api_of
from shared.remote.api_address import ApiAddress
from shared.settings.application import ApplicationSettings


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """What a peer says of itself and of a token: who that is; ``token`` is None where it tells no scopes."""

    version: PeerVersion
    user: PeerUser
    token: PeerToken | None


class PeerServers:
    """Makes clients of peers. Addresses are checked at each request, as those of remote imports are."""

    def __init__(
        self, remote: RemoteImportPolicy, settings: Callable[[], Awaitable[ApplicationSettings]]
    ) -> None:
        self._remote = remote
        self._settings = settings

    async def check(self, settings: PeerSettings) -> None:
        """Raise BlockedUrl where requests to the peer are not permitted now."""
        await self._remote.client(await self._settings()).check(settings.url)

    async def client(self, settings: PeerSettings, credentials: PeerCredentials) -> PeerClient:
        """Make a client. Raises PeerTokenRefused for what no token can be."""
        remote = self._remote.client(await self._settings())
        return PeerClient(remote, address_of(settings, credentials))

    async def identify(self, settings: PeerSettings, credentials: PeerCredentials) -> PeerIdentity:
        """Ask a peer who it is and whose the token is. Raises what ``PeerClient`` raises."""
        peer = await self.client(settings, credentials)
        return PeerIdentity(await peer.version(), await peer.user(), await peer.token())


def address_of(settings: PeerSettings, credentials: PeerCredentials) -> ApiAddress:
    """Give where the API of a peer is, with the token."""
    return ApiAddress(api_of(URL(settings.url)), credentials.token)
