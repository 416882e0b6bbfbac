from __future__ import annotations

from aiohttp import web

from services.api.http.client import client_address
from tests.support.guarded import GET, guarded


async def test_the_address_of_a_request_is_read_from_its_connection_and_the_headers_of_trusted_proxies() -> (
    None
):
    seen = []

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append(client_address(request))
        return web.Response()

    asked = GET.replace(b"Host: x", b"Host: x\r\nX-Forwarded-For: 9.9.9.9\r\nx-forwarded-for: 2001:db8::7")
    for proxies in ([], ["127.0.0.1/32"]):
        async with guarded(handler=note, proxies=proxies) as served:
            peer = await served.connect()
            peer.send(asked)
            await peer.answer()
    assert seen == ["127.0.0.1", "2001:db8::/64"]
