from __future__ import annotations

from ipaddress import ip_address

import pytest

from shared.remote.addresses import Policy
from shared.remote.errors import BlockedUrl
from shared.remote.gate import Gate
from shared.remote.resolver import TableResolver

_NAMES = {
    "public.example": ["8.8.8.8", "2606:4700::1111"],
    "localhost": ["127.0.0.1"],
    "loopback.example": ["127.0.0.9"],
    "local.example": ["10.0.0.1"],
    "link.example": ["169.254.169.254"],
    "shared.example": ["100.64.0.1"],
    "broadcast.example": ["255.255.255.255"],
    "mixed.example": ["8.8.8.8", "10.0.0.1"],
    "mapped.example": ["::ffff:10.0.0.1"],
}


def _gate(policy: Policy | None = None, own: tuple[str, ...] = ()) -> Gate:
    return Gate(policy or Policy(schemes=("http", "https")), TableResolver(_NAMES, own))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://localhost:3000/a", "Requests to localhost are not allowed"),
        ("https://127.0.0.1/a", "Requests to localhost are not allowed"),
        ("https://[::1]/a", "Requests to localhost are not allowed"),
        ("https://[::ffff:127.0.0.1]/a", "Requests to localhost are not allowed"),
        ("https://loopback.example/a", "Requests to loopback addresses are not allowed"),
        ("https://local.example/a", "Requests to the local network are not allowed"),
        ("https://mapped.example/a", "Requests to the local network are not allowed"),
        ("https://mixed.example/a", "Requests to the local network are not allowed"),
        ("https://link.example/a", "Requests to the link local network are not allowed"),
        ("https://shared.example/a", "Requests to the shared address space are not allowed"),
        ("https://broadcast.example/a", "Requests to the limited broadcast address are not allowed"),
        ("https://unknown.example/a", "Host cannot be resolved or invalid"),
        (f"https://{'a' * 1025}/a", "Host is too long (maximum is 1024 characters)"),
        ("https://-/a", "Hostname or IP address invalid"),
        ("https://a:b/a", "URI is invalid"),
        ("ftp://public.example/a", "Only allowed schemes are http, https"),
    ],
)
async def test_refusals_are_gitlabs_words(url: str, reason: str) -> None:
    with pytest.raises(BlockedUrl) as caught:
        await _gate().check(url)
    assert caught.value.reason == str(caught.value) == reason


async def test_others_are_denied_where_only_the_allow_list_may_be_asked() -> None:
    gate = _gate(Policy(only_allowed=True, allowed=("local.example",)))
    assert (await gate.check("https://local.example/a")).addresses == (ip_address("10.0.0.1"),)
    with pytest.raises(
        BlockedUrl, match=r"^Requests to hosts and IP addresses not on the Allow List are denied$"
    ):
        await gate.check("https://public.example/a")


async def test_a_target_has_every_address_and_no_credentials() -> None:
    target = await _gate().check("https://user:secret@public.example/a?token=secret")
    assert target.addresses == (ip_address("8.8.8.8"), ip_address("2606:4700::1111"))
    assert str(target.url) == "https://public.example/a?token=secret"
    assert "secret" not in repr(target)


async def test_a_public_address_of_this_machine_is_refused() -> None:
    with pytest.raises(BlockedUrl, match=r"^Requests to localhost are not allowed$"):
        await _gate(own=("8.8.8.8",)).check("https://public.example/")


async def test_a_name_is_resolved_once() -> None:
    resolver = TableResolver(_NAMES)
    await Gate(Policy(), resolver).check("https://public.example/a")
    assert resolver.asked == ["public.example"]


async def test_a_name_on_the_list_may_lead_anywhere_but_only_at_its_port() -> None:
    gate = _gate(Policy(allowed=("local.example:9000",)))
    await gate.check("https://local.example:9000/")
    with pytest.raises(BlockedUrl):
        await gate.check("https://local.example/")


async def test_the_default_port_counts_as_a_port() -> None:
    await _gate(Policy(allowed=("local.example:443",))).check("https://local.example/")


async def test_a_mapped_address_is_on_the_list_where_the_ipv4_address_is() -> None:
    target = await _gate(Policy(allowed=("10.0.0.1",))).check("https://mapped.example/")
    assert target.addresses == (ip_address("10.0.0.1"),)
