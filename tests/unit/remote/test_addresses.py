from __future__ import annotations

from ipaddress import ip_address

import pytest

from shared.remote.addresses import Policy, reason_against, unmap_ipv4
from shared.remote.errors import Reason

_STRICT = Policy()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("0.0.0.0", Reason.LOCALHOST),  # noqa: S104  # refused
        ("0.1.2.3", Reason.LOCALHOST),
        ("127.0.0.1", Reason.LOCALHOST),
        ("127.0.0.2", Reason.LOOPBACK),
        ("127.255.255.254", Reason.LOOPBACK),
        ("10.0.0.1", Reason.LOCAL_NETWORK),
        ("172.16.0.1", Reason.LOCAL_NETWORK),
        ("172.31.255.255", Reason.LOCAL_NETWORK),
        ("192.168.1.1", Reason.LOCAL_NETWORK),
        ("169.254.169.254", Reason.LINK_LOCAL),
        ("168.63.129.16", Reason.LINK_LOCAL),
        ("100.64.0.1", Reason.SHARED),
        ("100.100.100.200", Reason.SHARED),
        ("255.255.255.255", Reason.BROADCAST),
        ("224.0.0.1", Reason.LOCAL_NETWORK),
        ("239.255.255.255", Reason.LOCAL_NETWORK),
        ("240.0.0.1", Reason.LOCAL_NETWORK),
        ("192.0.0.192", Reason.LOCAL_NETWORK),
        ("198.18.0.1", Reason.LOCAL_NETWORK),
        ("::", Reason.LOCALHOST),
        ("::1", Reason.LOCALHOST),
        ("fe80::1", Reason.LINK_LOCAL),
        ("fe80::1%eth0", Reason.LINK_LOCAL),
        ("febf::1", Reason.LINK_LOCAL),
        ("fec0::1", Reason.LOCAL_NETWORK),
        ("fc00::1", Reason.LOCAL_NETWORK),
        ("fd00:ec2::254", Reason.LOCAL_NETWORK),
        ("ff02::1", Reason.LOCAL_NETWORK),
        ("64:ff9b:1::a00:1", Reason.LOCAL_NETWORK),
        ("2001:db8::1", Reason.LOCAL_NETWORK),
        ("2001:0:a00:1::", Reason.LOCAL_NETWORK),
    ],
)
def test_special_addresses_are_refused_in_gitlabs_words(address: str, reason: Reason) -> None:
    assert _STRICT.refuses(ip_address(address), 443) == reason


@pytest.mark.parametrize(
    "address",
    ["::{}", "::ffff:{}", "::ffff:0:{}", "64:ff9b::{}"],
)
@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        ("127.0.0.1", Reason.LOCALHOST),
        ("10.0.0.1", Reason.LOCAL_NETWORK),
        ("169.254.169.254", Reason.LINK_LOCAL),
        ("100.64.0.1", Reason.SHARED),
        ("8.8.8.8", None),
    ],
)
def test_ipv4_inside_of_ipv6_is_judged_as_ipv4(address: str, inner: str, reason: Reason | None) -> None:
    assert reason_against(ip_address(address.format(inner))) == reason


def test_6to4_is_judged_by_the_address_it_leads_to() -> None:
    assert reason_against(ip_address("2002:7f00:1::")) == Reason.LOCALHOST
    assert reason_against(ip_address("2002:a9fe:a9fe::1")) == Reason.LINK_LOCAL
    assert reason_against(ip_address("2002:808:808::")) is None


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.15.255.255",
        "172.32.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "169.253.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
    ],
)
def test_public_addresses_are_free(address: str) -> None:
    assert _STRICT.refuses(ip_address(address), 443) is None


def test_an_address_of_this_machine_is_localhost_even_if_it_is_public() -> None:
    public = ip_address("8.8.8.8")
    assert _STRICT.refuses(public, 443, own=True) == Reason.LOCALHOST
    assert Policy(allow_local=True).refuses(public, 443, own=True) is None
    assert Policy(allowed=("8.8.8.8",)).refuses(public, 443, own=True) is None


def test_local_requests_can_be_allowed_as_a_whole() -> None:
    local = Policy(allow_local=True)
    assert all(local.refuses(ip_address(each), 80) is None for each in ("127.0.0.1", "10.1.1.1", "fe80::1"))


@pytest.mark.parametrize(
    ("entry", "address", "port", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("127.0.0.1", "127.0.0.2", 80, False),
        (" 127.0.0.1 ", "127.0.0.1", 80, True),
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.0.0.1:8080", "127.0.0.1", 80, False),
        ("10.0.0.0/8", "10.200.0.1", 80, True),
        ("10.0.0.7/8", "10.200.0.1", 80, True),
        ("10.0.0.0/8", "192.168.0.1", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        ("[::1]:8080", "::1", 80, False),
        ("fd00::/8", "fd12::1", 80, True),
        ("fd00::/8", "10.0.0.1", 80, False),
        ("nonsense:entry:here", "10.0.0.1", 80, False),
        ("", "10.0.0.1", 80, False),
    ],
)
def test_the_allow_list_takes_addresses_ranges_and_ports(
    entry: str, address: str, port: int, *, allowed: bool
) -> None:
    assert (Policy(allowed=(entry,)).refuses(ip_address(address), port) is None) is allowed


@pytest.mark.parametrize(
    ("entry", "host", "port", "allowed"),
    [
        ("store.lan", "store.lan", 443, True),
        ("Store.LAN", "store.lan.", 443, True),
        ("store.lan", "other.store.lan", 443, False),
        ("store.lan:9000", "store.lan", 9000, True),
        ("store.lan:9000", "store.lan", 443, False),
        ("*.lan", "store.lan", 443, False),
        ("", "store.lan", 443, False),
    ],
)
def test_the_allow_list_takes_names_exactly(entry: str, host: str, port: int, *, allowed: bool) -> None:
    assert Policy(allowed=(entry,)).allows_host(host, port) is allowed


def test_all_but_the_allow_list_can_be_denied() -> None:
    closed = Policy(only_allowed=True, allow_local=True, allowed=("8.8.8.8",))
    assert closed.refuses(ip_address("1.1.1.1"), 443) == Reason.NOT_ALLOWED
    assert closed.refuses(ip_address("8.8.8.8"), 443) is None


def test_a_mapped_address_is_the_ipv4_address() -> None:
    assert unmap_ipv4(ip_address("::ffff:127.0.0.1")) == ip_address("127.0.0.1")
    assert unmap_ipv4(ip_address("2606:4700::1111")) == ip_address("2606:4700::1111")
