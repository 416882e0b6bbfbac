"""Whose share counts: the peer's or, behind proxies that are trusted, that of the client whom they name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.listener.peers import TrustedProxies, parse_address, parse_networks, share_of


def _client(peer: str, *forwarded: str, trusted: Sequence[str] = ("10.0.0.0/8", "fd00::/8")) -> str:
    address = parse_address(peer)
    assert address is not None
    return str(TrustedProxies(trusted).find_client(address, forwarded))


def test_a_peer_that_is_not_trusted_is_the_client_whatever_it_says() -> None:
    assert _client("1.2.3.4", "5.6.7.8") == "1.2.3.4"


@pytest.mark.parametrize(
    "forwarded",
    [
        ["5.6.7.8"],
        ["9.9.9.9, 5.6.7.8"],  # the left one is the client's invention
        ["9.9.9.9,5.6.7.8,10.1.1.1"],
        ["9.9.9.9", "5.6.7.8", "fd00::1"],
        ["5.6.7.8:4711"],
        ["10.3.3.3, 5.6.7.8"],
        ["::ffff:5.6.7.8"],
    ],
)
def test_behind_trusted_proxies_the_last_address_that_is_none_of_theirs_is_the_client(
    forwarded: list[str],
) -> None:
    assert _client("10.0.0.1", *forwarded) == "5.6.7.8"


@pytest.mark.parametrize("forwarded", [[], [""], ["unknown"], ["5.6.7.8, nonsense"], ["10.0.0.1"]])
def test_a_proxy_that_names_no_client_is_the_client(forwarded: list[str]) -> None:
    assert _client("10.0.0.1", *forwarded) == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "share"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_who_has_one_address_of_ipv6_has_its_network(address: str, share: str) -> None:
    parsed = parse_address(address)
    assert parsed is not None
    assert share_of(parsed) == share


def test_networks_are_separated_by_commas() -> None:
    proxies = parse_networks(" 10.0.0.0/8, ::1,")
    assert [each in proxies for each in map(parse_address, ["10.9.9.9", "::1", "11.0.0.1"]) if each] == [
        True,
        True,
        False,
    ]


def test_what_is_longer_than_any_address_is_none_and_is_not_kept() -> None:
    assert parse_address("1.2.3.4" + "%" * 100) is None
    assert parse_address("fe80::1%" + "a" * 93) is None
