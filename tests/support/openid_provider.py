"""oidc-provider, a provider of OpenID Connect, run by Node as it is published."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import tempfile
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

_PATIENCE = 60.0
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
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            if (port := _port_of(process)) is None:
                log.seek(0)
                raise RuntimeError(f"the provider of OpenID Connect did not start: {log.read()!r}")
            yield OpenIdProvider(f"http://127.0.0.1:{port}", process)
        finally:
            process.kill()


def _port_of(process: subprocess.Popen[bytes]) -> int | None:
    """Wait for the line that the script writes once it listens; None where it does not come."""
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], _PATIENCE)
    return int(process.stdout.readline() or 0) or None if ready else None
