from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import pytest
from playwright.async_api import expect

from tests.support.browser import Windows, visiting
from tests.support.system import System, standalone


@pytest.fixture
def system() -> Iterator[System]:
    """A Crossdock with a provider, which is asked for nothing until somebody signs in there."""
    with standalone(
        CROSSDOCK_OPENID_CONNECT_ISSUER="http://127.0.0.1:9/", CROSSDOCK_OPENID_CONNECT_CLIENT_ID="crossdock"
    ) as running:
        yield running


async def test_an_administrator_sees_who_a_user_is_at_the_provider(windows: Windows, system: System) -> None:
    given = {"username": "mia", "name": "Mia", "email": "mia@example.com", "password": "not used here"}
    known = {"provider": "openid_connect", "extern_uid": "mia-at-the-firm"}
    async with (
        aiohttp.ClientSession(headers={"PRIVATE-TOKEN": system.token}) as session,
        session.post(f"{system.url}/api/v4/users", json=given | known) as answer,
    ):
        assert answer.status == 201, await answer.text()
        mia = (await answer.json())["id"]
    async with visiting(windows.browser, system.url, token=system.token) as visit:
        await visit.open(f"/people/{mia}")
        facts = visit.page.locator("dl.facts > div")
        await expect(facts.filter(has_text="Signs in as")).to_contain_text("mia-at-the-firm (openid_connect)")
        await visit.open("/people/1")
        await expect(facts.filter(has_text="Username")).to_contain_text("root")
        await expect(facts.filter(has_text="Signs in as")).to_have_count(0)
