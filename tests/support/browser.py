"""A browser as people use it: chromium, without a screen.

It fails a test on what nobody would see by looking.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookies import Morsel
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Route,
    async_playwright,
    expect,
)
from yarl import URL

from tests.support.prerequisites import program

if TYPE_CHECKING:
    from playwright._impl._api_structures import SetCookieParam

SCREENSHOTS = Path(os.environ.get("CROSSDOCK_SCREENSHOTS", ".screenshots"))
"""Where pictures of pages are kept; git ignores the folder."""

WIDTHS = {"wide": (1280, 900), "middle": (768, 1024), "narrow": (360, 740)}
SCHEMES = ("light", "dark")

_WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.__violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
_WITHOUT_WAITS = """
const later = window.setTimeout;
window.setTimeout = (act, wait = 0, ...more) => (wait > 200 ? 0 : later(act, wait, ...more));
window.setInterval = () => 0;
"""
_AXE = {"resultTypes": ["violations"], "preload": {"assets": ["media"]}}
"""No rule that is on by default needs the style sheets, which axe would else load again."""
_OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""The rules that are on by default and may find another thing in other colours."""
_LOOKED_AT = {"exclude": [["[data-row]:nth-child(n + 21)"]]}
"""Rows of a list are made by one template: what is wrong in the later ones is wrong in one of the first."""
_ENDED_BY_A_PAGE_THAT_WENT = "net::ERR_ABORTED"
_WAIT = 15_000
_LOCALE = "en-GB"

expect.set_options(timeout=_WAIT)  # its own five seconds are too few where others use the processors


@dataclass
class Visit:
    """A page of the console in a browser of its own, and what went wrong that nobody would see."""

    page: Page
    context: BrowserContext
    url: str
    wrong: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    has_clock: bool = False

    async def open(self, path: str) -> None:
        """Open a page of the console, and wait for its title."""
        await self.page.goto(f"{self.url}/-/console{path}")
        await self.page.locator("h1").first.wait_for()

    async def forbid_waits(self) -> None:
        """Let nothing on the page come to pass that it would wait for longer than for a few frames."""
        await self.page.add_init_script(_WITHOUT_WAITS)

    async def take_clock(self) -> None:
        """Let the test turn the clock of the window, which nobody else gets then."""
        await self.page.clock.install()
        self.has_clock = True

    def expect(self, pattern: str) -> None:
        """Let something go wrong that the test brings about: a part of what is noted."""
        self.expected.append(pattern)

    async def sign_in(self, token: str) -> None:
        """Sign in without the form: the cookies of the session come into the browser."""
        address = f"{self.url}/api/crossdock/v1/session"
        headers = {"X-Crossdock-Console": "1", "Origin": str(URL(self.url).origin())}
        async with (
            aiohttp.ClientSession() as client,
            client.post(address, json={"token": token}, headers=headers) as answer,
        ):
            assert answer.ok, await answer.text()
            await self.context.add_cookies([self._cookie(each) for each in answer.cookies.values()])

    def _cookie(self, given: Morsel[str]) -> SetCookieParam:
        return {
            "name": given.key,
            "value": given.value,
            "url": self.url,
            "httpOnly": bool(given["httponly"]),
            "sameSite": given["samesite"],
        }

    async def looks(
        self, name: str, path: str, at: Iterable[tuple[str, str]]
    ) -> dict[str, tuple[list[str], bool]]:
        """What is wrong with a page in these widths and colours, of which pictures are kept.

        The page is opened once, and its window made wider or narrower. What has been looked at in a width is
        looked at in other colours by the rules that know of colours.
        """
        await self.open(path)
        await expect(self.page.locator("[aria-busy=true]")).to_have_count(0)
        found, seen = {}, set[str]()
        for width, scheme in at:
            await self.emulate(width, scheme)
            await self.look(f"{name}-{width}-{scheme}")
            wrong = (await self.violations(_OF_COLOURS if width in seen else None), await self.overflows())
            seen.add(width)
            if wrong != ([], False):
                found[f"{width}-{scheme}"] = wrong
        return found

    async def emulate(self, width: str, scheme: str) -> None:
        """Give the window one of the widths, and the page one of the colour schemes."""
        across, high = WIDTHS[width]
        await self.page.set_viewport_size({"width": across, "height": high})
        await self.prefer(scheme)

    async def prefer(self, scheme: str) -> None:
        """Have a reader whose system is in these colours."""
        await self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of SCHEMES

    async def look(self, name: str, *, is_whole: bool = True) -> None:
        """Keep a picture of the whole page, or of what is in the window."""
        SCREENSHOTS.mkdir(exist_ok=True)  # noqa: ASYNC240  # of this machine, and once
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=is_whole)

    async def violations(self, more: Mapping[str, object] | None = None) -> list[str]:
        """What axe finds that keeps people from using the page, with more options than the usual ones."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE_SCRIPT)
        found = await self.page.evaluate(
            "([page, options]) => axe.run(page, options).then((told) => told.violations)",
            [_LOOKED_AT, {**_AXE, **(more or {})}],
        )
        return [
            f"{each['id']}: {node['html']} {node['failureSummary']}"
            for each in found
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
        for page in self.context.pages[1:]:
            self.wrong += await page.evaluate("window.__violations")
        left = [each for each in self.wrong if not any(re.search(known, each) for known in self.expected)]
        assert left == [], left


class Late:
    """Lets requests go on only when somebody says so."""

    def __init__(self) -> None:
        self.end = asyncio.Event()

    async def __call__(self, route: Route) -> None:
        await self.end.wait()
        await route.continue_()


def _is_of(url: str, origin: str) -> bool:
    return url.startswith((f"{origin}/", "data:", "blob:")) or url == origin


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start a browser. It needs no sandbox, as it loads nothing but our own pages.

    The shell comes first: the whole browser draws its own windows too, where nobody sees them.
    """
    path = program("chromium-headless-shell", "chromium", "google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Windows:
    """Windows of one browser. Each is of one visitor at a time.

    What a visitor leaves is cleared, but for the files that the browser has kept: to load and compile them
    anew takes a second, which is most of what a test would take.
    """

    browser: Browser
    url: str
    _free: list[BrowserContext] = field(default_factory=list)
    _spent: set[BrowserContext] = field(default_factory=set)

    @asynccontextmanager
    async def visiting(
        self, *, token: str | None = None, width: str = "wide", scheme: str = "light", locale: str = _LOCALE
    ) -> AsyncIterator[Visit]:
        """Open a window, of somebody where there is a token, and check at the end what went wrong."""
        async with self._context(locale) as context:
            visit = Visit(await self._clear_page(context), context, self.url)
            await visit.emulate(width, scheme)
            visit.watch(visit.page)
            context.on("page", visit.watch)
            try:
                if token is not None:
                    await visit.sign_in(token)
                yield visit
                await visit.check()
            finally:
                context.remove_listener("page", visit.watch)
                if visit.has_clock:  # it is the context's, and goes on as it stands
                    self._spent.add(context)

    @asynccontextmanager
    async def _context(self, locale: str) -> AsyncIterator[BrowserContext]:
        """Lend one. Where a test failed, or wants another language, nobody else gets it."""
        is_usual = locale == _LOCALE
        context = self._free.pop() if is_usual and self._free else await self._new_context(locale)
        is_kept = False
        try:
            yield context
            is_kept = is_usual and context not in self._spent
        finally:
            self._spent.discard(context)
            await self._give_back(context) if is_kept else await context.close()

    async def _new_context(self, locale: str) -> BrowserContext:
        context = await self.browser.new_context(
            viewport=dict(zip(("width", "height"), WIDTHS["wide"], strict=True)),  # type: ignore[arg-type]
            locale=locale,
            timezone_id="Europe/Berlin",
            reduced_motion="reduce",
        )
        context.set_default_timeout(_WAIT)
        await context.add_init_script(_WATCH)
        await context.new_page()  # it stays: without any, a context loses what makes the next page cheap
        return context

    async def _give_back(self, context: BrowserContext) -> None:
        for page in context.pages[1:]:
            await page.close()
        await context.clear_cookies()
        self._free.append(context)

    async def _clear_page(self, context: BrowserContext) -> Page:
        """Open a page of a context in which nothing of the visitor before is stored."""
        page = await context.new_page()
        protocol = await context.new_cdp_session(page)
        stored = {"origin": self.url, "storageTypes": "local_storage,indexeddb,cache_storage,service_workers"}
        await protocol.send("Storage.clearDataForOrigin", stored)
        await protocol.detach()
        return page


@asynccontextmanager
async def visiting(browser: Browser, url: str, *, token: str) -> AsyncIterator[Visit]:
    """Open a window of somebody, in a browser that nobody else uses."""
    async with Windows(browser, url).visiting(token=token) as visit:
        yield visit
