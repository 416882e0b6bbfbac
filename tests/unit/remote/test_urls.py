from __future__ import annotations

import pytest
from yarl import URL

from shared.remote.credentials import authorization
from shared.remote.errors import BlockedUrl
from shared.remote.masking import mask_url
from shared.remote.urls import parse, without_credentials

_BOTH = ("http", "https")


@pytest.mark.parametrize(
    "text", ["whatever", "", "ftp://host/x", "//host/x", "file:///etc/passwd", "host:80/x"]
)
def test_other_schemes_are_refused(text: str) -> None:
    with pytest.raises(BlockedUrl, match=r"^Only allowed schemes are http, https$"):
        parse(text, _BOTH)


def test_http_is_refused_where_only_https_is_allowed() -> None:
    with pytest.raises(BlockedUrl) as caught:
        parse("http://host/x", ("https",))
    assert caught.value.reason == "Only allowed schemes are https"


@pytest.mark.parametrize(
    "text",
    [
        "http://",
        "http:///path",
        "http://:80/",
        "http://host:port/",
        "http://host:99999/",
        "http://[::1/",
        "http://host/a\r\nHost: other",
        "http://host/a\nb",
        "http://host/\x00",
        "http://good.example\\@evil.example/",
        "http://[x]@",
        "http://a[b]@",
    ],
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(BlockedUrl, match=r"^URI is invalid$"):
        parse(text, _BOTH)


@pytest.mark.parametrize(
    "text", ["http://-host/", "http://_host/", "http://.host/", "http://ho%73t/", "http://h$t/"]
)
def test_a_host_begins_with_a_letter_or_digit_and_has_no_escapes(text: str) -> None:
    with pytest.raises(BlockedUrl, match=r"^Hostname or IP address invalid$"):
        parse(text, _BOTH)


def test_every_byte_of_a_signed_url_is_kept() -> None:
    text = "https://bucket.example/a%2Fb//c%20d?X-Sig=a%2fB+c%3D%3D&b=&a"
    assert parse(text, _BOTH).raw_path_qs == "/a%2Fb//c%20d?X-Sig=a%2fB+c%3D%3D&b=&a"


def test_what_needs_escapes_gets_them() -> None:
    assert str(parse("https://büch.example/ü b", _BOTH)) == "https://xn--bch-hoa.example/%C3%BC%20b"


def test_a_relative_address_is_relative_to_its_base() -> None:
    base = URL("https://host.example/a/b?x=1")
    assert str(parse("../c?d=%2f#e", _BOTH, base=base)) == "https://host.example/c?d=%2f"
    assert str(parse("//other.example/c", _BOTH, base=base)) == "https://other.example/c"


def test_credentials_move_from_the_url_to_a_header() -> None:
    url = parse("https://us%40er:p%C3%A4ss@host.example/x?q=1", _BOTH)
    assert str(without_credentials(url)) == "https://host.example/x?q=1"
    assert authorization(url) == {"Authorization": "Basic dXNAZXI6cMOkc3M="}
    assert authorization(without_credentials(url)) == {}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@host.example/a?token=secret#secret", "https://*****@host.example/*****"),
        ("https://secret@host.example/", "https://*****@host.example/"),
        ("https://:secret@host.example", "https://*****@host.example/"),
        ("http://host.example:8080/secret", "http://host.example:8080/*****"),
        ("http://host.example:8080/?secret", "http://host.example:8080/*****"),
        ("http://host.example:8080/#secret", "http://host.example:8080/*****"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://host:secret/", "*****"),
        ("http://[secret]@", "*****"),
        ("secret", "*****"),
        ("http://host/\nsecret?a", "http://host/*****"),
        ("http://ho\x1bst/", "*****"),
    ],
)
def test_a_shown_url_has_no_secrets(url: str, shown: str) -> None:
    assert mask_url(url) == shown
