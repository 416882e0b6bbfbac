"""oidc-provider, a provider of OpenID Connect, run by Node as it is published."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from tests.support.npm import install
from tests.support.prerequisites import program

PACKAGE = "oidc-provider@9.13.3"
CLIENT, SECRET = "crossdock", "the secret of Crossdock"

_SCRIPT = Path(__file__).with_suffix(".mjs")


@dataclass(frozen=True, slots=True)
class OpenIdProvider:
    """A provider that runs; it signs in whom it is told to, without asking."""

    issuer: str
    process: subprocess.Popen[bytes]

    async def tell(self, **what: object) -> None:
        """Change ``account``, ``claims``, ``denies``; ``rotate`` has it sign by a new key of that name."""
        url, text = f"{self.issuer}/control", json.dumps(what)
        async with aiohttp.ClientSession() as session, session.post(url, data=text) as answer:
            assert answer.status == 200

    async def sign_in(self, where: str) -> URL:
        """Go where Crossdock sends the browser, and return where the provider sends it back to."""
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            url = URL(where, encoded=True)
            while str(url).startswith(self.issuer):
                async with session.get(url, allow_redirects=False) as answer:
                    assert answer.status == 303, await answer.text()
                    url = url.join(URL(answer.headers["Location"], encoded=True))
            return url


def prepare(home: Path) -> Path:
    """Install the package into a folder, and return the script in it."""
    install([PACKAGE], home)
    return Path(shutil.copy(_SCRIPT, home))


@contextmanager
def run_provider(script: Path, *, redirect_uris: Sequence[str]) -> Iterator[OpenIdProvider]:
    """Run a provider on a free port, which sends browsers back to these addresses."""
    command = [program("node"), str(script), *redirect_uris]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline())
            yield OpenIdProvider(f"http://127.0.0.1:{port}", process)
        finally:
            process.kill()
