"""The command line heeds the proxies of the environment as curl and git do, and no password of ~/.netrc."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from yarl import URL

from services.cli.client import connect
from services.cli.errors import ProxyRefused, UsageError
from services.cli.proxies import find_proxy
from tests.support.gitlab_stub import Script, imported

PROXY = URL("http://proxy:3128")


@pytest.mark.parametrize(
    ("environment", "server", "proxy"),
    [
        ({}, "http://one", None),
        ({"http_proxy": "http://proxy:3128"}, "http://one", PROXY),
        ({"HTTP_PROXY": "http://proxy:3128"}, "http://one", PROXY),
        ({"https_proxy": "http://proxy:3128"}, "https://one", PROXY),
        ({"https_proxy": "http://proxy:3128"}, "http://one", None),
        ({"http_proxy": "proxy:3128"}, "http://one", PROXY),
        ({"ALL_PROXY": "http://proxy:3128"}, "https://one", PROXY),
        ({"all_proxy": "http://other", "https_proxy": "http://proxy:3128"}, "https://one", PROXY),
        ({"https_proxy": "http://proxy:3128", "HTTPS_PROXY": "http://other"}, "https://one", PROXY),
    ],
)
def test_the_proxy_is_that_of_the_environment(
    environment: dict[str, str], server: str, proxy: URL | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_proxy(URL(server)) == proxy


@pytest.mark.parametrize(
    ("excepted", "server", "is_excepted"),
    [
        ("one.example.org", "http://one.example.org", True),
        ("example.org", "http://one.example.org", True),
        (".example.org", "http://one.example.org", True),
        ("*.example.org", "http://one.example.org", True),
        ("other, EXAMPLE.ORG", "http://one.example.org:8080", True),
        ("example.org:8080", "http://one.example.org:8080", True),
        ("example.org:8080", "http://one.example.org:81", False),
        ("ample.org", "http://one.example.org", False),
        ("*", "http://one", True),
        ("", "http://one", False),
        (",", "http://one", False),
        ("10.0.0.0/8", "http://10.1.2.3", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("::1", "http://[::1]:8080", True),
        ("[::1]", "http://[::1]:8080", True),
    ],
)
def test_servers_that_no_proxy_names_are_asked_directly(
    excepted: str,
    server: str,
    is_excepted: bool,  # noqa: FBT001  # parametrized
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", excepted)
    assert find_proxy(URL(server)) == (None if is_excepted else PROXY)


@pytest.mark.parametrize("proxy", ["socks5://user:word@proxy", "http://user:word@proxy:port", "http://:80"])
def test_a_proxy_that_is_not_understood_is_a_usage_error_without_its_password(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(UsageError) as refused:
        find_proxy(URL("http://one"))
    assert "word" not in str(refused.value)


async def test_requests_go_by_the_proxy_with_its_password_and_with_none_of_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine one.invalid login ann password word\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    script = Script(imported("finished"))
    async with script.server() as url:
        monkeypatch.setenv("http_proxy", url.replace("://", "://ann:secret@"))
        async with connect("http://one.invalid", "token") as client:
            await client.import_status(7)
    [asked] = script.asked
    assert asked.target == "http://one.invalid/api/v4/projects/7/import"
    assert asked.headers["Authorization"] == "Bearer token"
    assert asked.headers["Proxy-Authorization"] == f"Basic {b64encode(b'ann:secret').decode()}"


@asynccontextmanager
async def refusing(asked: list[bytes]) -> AsyncIterator[str]:
    """Give the URL of a proxy that wants a password for each connection."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_proxy_that_refuses_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    async with refusing(asked) as url:
        monkeypatch.setenv("https_proxy", url)
        async with connect("https://one.invalid", "token") as client:
            with pytest.raises(ProxyRefused, match=r"Who are you \(HTTP 407\)") as refused:
                await client.import_status(7)
    [head] = asked
    assert head.startswith(b"CONNECT one.invalid:443 ")
    assert b"token" not in head
    assert refused.value.exit_code == 4
