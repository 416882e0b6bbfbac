"""A browser as people use it: Debian's chromium. It fails a test on what nobody would see by looking."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright
from yarl import URL

from tests.support.prerequisites import program

SCREENSHOTS = Path(os.environ.get("CROSSDOCK_SCREENSHOTS", ".screenshots"))
"""Where pictures of pages are kept; git ignores the folder."""

WIDTHS = {"wide": (1280, 900), "middle": (768, 1024), "narrow": (390, 844)}
SCHEMES = ("light", "dark")

_WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.__violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
_ENDED_BY_A_PAGE_THAT_WENT = "net::ERR_ABORTED"
_WAIT = 15_000


@dataclass
class Visit:
    """A page of the console in a browser of its own, and what went wrong that nobody would see."""

    page: Page
    context: BrowserContext
    url: str
    wrong: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        """Open a page of the console, and wait for its title."""
        await self.page.goto(f"{self.url}/-/console{path}")
        await self.page.locator("h1").first.wait_for()

    def expect(self, pattern: str) -> None:
        """Let something go wrong that the test brings about: a part of what is noted."""
        self.expected.append(pattern)

    async def sign_in(self, token: str) -> None:
        """Sign in without the form."""
        answer = await self.context.request.post(
            f"{self.url}/api/crossdock/v1/session",
            data={"token": token},
            headers={"X-Crossdock-Console": "1", "Origin": str(URL(self.url).origin())},
        )
        assert answer.ok, await answer.text()

    async def look(self, name: str) -> None:
        """Keep a picture of the whole page."""
        SCREENSHOTS.mkdir(exist_ok=True)  # noqa: ASYNC240  # of this machine, and once
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    async def violations(self) -> list[str]:
        """What axe finds that keeps people from using the page."""
        found = await Axe().run(self.page)
        return [
            f"{each['id']}: {node['html']} {node['failureSummary']}"
            for each in found.response["violations"]
            for node in each["nodes"]
        ]

    async def overflows(self) -> bool:
        """Whether the page is wider than the window."""
        script = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(await self.page.evaluate(script))

    def watch(self, page: Page) -> None:
        """Note what goes wrong in a page."""
        own = str(URL(self.url).origin())
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("requestfailed", self._fail)
        page.on(
            "request",
            lambda each: None if _is_of(each.url, own) else self.wrong.append(f"foreign request: {each.url}"),
        )

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.wrong.append(f"console: {message.text} {message.location.get('url')}")

    def _fail(self, request: Request) -> None:
        if request.failure != _ENDED_BY_A_PAGE_THAT_WENT:
            self.wrong.append(f"request failed: {request.url} {request.failure}")

    async def check(self) -> None:
        """Fail on what went wrong, but for what the test expected."""
        for page in self.context.pages:
            self.wrong += await page.evaluate("window.__violations")
        left = [each for each in self.wrong if not any(re.search(known, each) for known in self.expected)]
        assert left == [], left


def _is_of(url: str, origin: str) -> bool:
    return url.startswith((f"{origin}/", "data:", "blob:")) or url == origin


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start a browser. It needs no sandbox, as it loads nothing but our own pages."""
    path = program("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(
    browser: Browser,
    url: str,
    *,
    token: str | None = None,
    width: str = "wide",
    scheme: str = "light",
    locale: str = "en-GB",
    **more: Any,
) -> AsyncIterator[Visit]:
    """Open a window of somebody, signed in where there is a token, and check at the end what went wrong."""
    across, high = WIDTHS[width]
    context = await browser.new_context(
        viewport={"width": across, "height": high},
        color_scheme=scheme,  # type: ignore[arg-type]  # one of SCHEMES
        locale=locale,
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
        **more,
    )
    context.set_default_timeout(_WAIT)
    await context.add_init_script(_WATCH)
    visit = Visit(await context.new_page(), context, url)
    visit.watch(visit.page)
    context.on("page", visit.watch)
    try:
        if token is not None:
            await visit.sign_in(token)
        yield visit
        await visit.check()
    finally:
        await context.close()
