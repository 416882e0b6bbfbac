from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from shared.remote.addresses import Address, Policy
from shared.remote.client import RemoteClient
from shared.remote.errors import (
    BlockedUrl,
    CertificateRefused,
    HostUnresolved,
)
from shared.remote.resolver import SystemResolver
from tests.support.prerequisites import missing
from tests.support.remote import (
    CONTENT,
    LOOPBACK,
    PATIENT,
    Servers,
    client_of,
    names,
    read_all,
    whole_file,
)


async def test_the_system_knows_localhost_and_odd_spellings() -> None:
    resolver = SystemResolver()
    assert ip_address("127.0.0.1") in await resolver.resolve("localhost")
    for odd in ("127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1"):
        assert await resolver.resolve(odd) == (ip_address("127.0.0.1"),)


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 64 + ".test", "a..b", "300.1.1.1"])
async def test_the_system_does_not_know_what_is_no_name(host: str) -> None:
    with pytest.raises(HostUnresolved) as caught:
        await SystemResolver().resolve(host)
    assert caught.value.retryable


async def test_a_name_server_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    with pytest.raises(HostUnresolved):
        await SystemResolver(timedelta(seconds=0.01)).resolve("slow.test")


def test_the_system_knows_its_own_addresses() -> None:
    resolver = SystemResolver()
    assert resolver.is_own(ip_address("127.0.0.1"))
    assert not resolver.is_own(ip_address("8.8.8.8"))
    assert not resolver.is_own(ip_address("2606:4700::1111"))


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::1]", "0"]
)
async def test_every_spelling_of_localhost_is_refused(servers: Servers, host: str) -> None:
    client = client_of(SystemResolver(), policy=Policy(schemes=("http",)))
    with pytest.raises(BlockedUrl, match=r"^Requests to localhost are not allowed$"):
        await client.head(f"http://{host}:9/", deadline=PATIENT)


class _Rebinding:
    """A name server that gives a good address first, and then the one it is after."""

    def __init__(self) -> None:
        self.asked = 0

    async def resolve(self, host: str) -> tuple[Address, ...]:
        self.asked += 1
        return (ip_address("127.0.0.2" if self.asked == 1 else "127.0.0.1"),)

    def is_own(self, address: Address) -> bool:
        return False


async def test_a_name_that_changes_after_the_check_changes_nothing(servers: Servers) -> None:
    port = await servers.http(whole_file)
    resolver = _Rebinding()
    assert await read_all(client_of(resolver), f"http://rebind.test:{port}/") == CONTENT
    with pytest.raises(BlockedUrl):
        await read_all(client_of(resolver), f"http://rebind.test:{port}/")
    assert resolver.asked == 2


async def test_a_name_with_one_bad_address_among_good_ones_is_refused(servers: Servers) -> None:
    port = await servers.http(whole_file)
    resolver = names(mixed=["127.0.0.2", "127.0.0.1"])
    with pytest.raises(BlockedUrl, match=r"^Requests to localhost are not allowed$"):
        await client_of(resolver).head(f"http://mixed:{port}/", deadline=PATIENT)


async def test_the_next_address_is_tried_where_the_first_is_dead(servers: Servers) -> None:
    port = await servers.http(whole_file)
    policy = Policy(schemes=("http",), allowed=("127.0.0.0/8",))
    resolver = names(two=["127.0.0.3", "127.0.0.2"])
    assert await read_all(client_of(resolver, policy=policy), f"http://two:{port}/") == CONTENT


async def test_addresses_may_be_ipv6(servers: Servers) -> None:
    try:
        port = await servers.http(whole_file, host="::1")
    except OSError:
        missing("IPv6")
    policy = Policy(schemes=("http",), allowed=("::1",))
    table = names(six=["::1"])
    for host in ("six", "[::1]"):
        assert await read_all(client_of(table, policy=policy), f"http://{host}:{port}/") == CONTENT


async def test_an_odd_spelling_of_an_allowed_address_is_not_connected_to(servers: Servers) -> None:
    port = await servers.http(whole_file)
    with pytest.raises(BlockedUrl, match=r"^Hostname or IP address invalid$"):
        await client_of(SystemResolver()).head(f"http://127.2:{port}/", deadline=PATIENT)


async def test_proxies_of_the_environment_are_not_used(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = await servers.http(whole_file)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await client_of().head(f"http://files.test:{port}/", deadline=PATIENT)).status == 200


async def test_tls_proves_the_name_and_not_the_address(
    servers: Servers, certificate: tuple[Path, Path]
) -> None:
    key, cert = certificate
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(cert, key)
    port = await servers.http(whole_file, tls=serving)
    trusting = RemoteClient(LOOPBACK, names(), tls=ssl.create_default_context(cafile=cert))
    assert await read_all(trusting, f"https://files.test:{port}/") == CONTENT
    for client, host in ((trusting, "other.test"), (trusting, "127.0.0.2"), (client_of(), "files.test")):
        with pytest.raises(CertificateRefused) as caught:
            await read_all(client, f"https://{host}:{port}/")
        assert not caught.value.retryable
