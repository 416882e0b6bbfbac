from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multipart import PushMultipartParser

from services.api.http.errors import ParametersInvalid
from services.api.http.form_data import FieldCollector, FormEvent, form_parser
from tests.support.forms import BOUNDARY, HEADERS, Part, form_body

BODY = form_body([Part("path", "p"), Part("file", b"content", "x.tar.gz")])


def events(*chunks: bytes) -> list[FormEvent]:
    """What of it is no content, and all content in one piece."""
    found: list[FormEvent] = []
    content = bytearray()
    with form_parser(HEADERS["Content-Type"]) as feed:
        for chunk in chunks:
            for event in feed(chunk):
                if isinstance(event, (bytes, bytearray)):
                    content += event
                else:
                    found.append(event)
    return [*found[1:2], *found[3:], bytes(content)]


@pytest.mark.parametrize("cut", range(1, len(BODY)))
def test_a_form_is_the_same_wherever_the_network_cuts_it(cut: int) -> None:
    assert events(BODY[:cut], BODY[cut:]) == events(BODY)


@pytest.mark.parametrize("more", [b"\r\n", b"anything", b"\r\n" * 10])
def test_what_comes_behind_the_last_boundary_is_passed_over(more: bytes) -> None:
    assert events(BODY + more) == events(BODY, more) == events(BODY)


@pytest.mark.parametrize("preamble", [b"\r\n", b"for old programs\r\n", b"\n", b"--\n"])
def test_what_comes_before_the_first_boundary_is_passed_over_wherever_it_is_cut(preamble: bytes) -> None:
    for cut in range(1, len(preamble) + 40):
        assert events((preamble + BODY)[:cut], (preamble + BODY)[cut:]) == events(BODY)


HEAD = b'Content-Disposition: form-data; name="path"'
ODD_HEADS = [
    b"\n" + HEAD,
    b"\r" + HEAD,
    b"\r\n" + HEAD,
    b" " + HEAD,
    HEAD + b"\nX: y",
    HEAD + b"\n y",
    HEAD + b"\n",
    HEAD + b"\r",
    HEAD + b"\r\r\nX: y",
    HEAD + b"\n\r\nX: y",
    b"X\n: y\r\n" + HEAD,
    b"X: " + b"y" * (4096 + 128 - 3) + b"\r\n" + HEAD,
    b"X: y\n" * 8 + HEAD,
    b"",
]
"""What stands behind the line of a boundary, and before the blank line."""


def verdict(pieces: Iterable[bytes]) -> list[tuple[str, str]] | None:
    """The fields of a form; None where it is refused."""
    fields = FieldCollector()
    try:
        with form_parser(HEADERS["Content-Type"]) as feed:
            for event in chain.from_iterable(map(feed, pieces)):
                fields.take(event)
    except ParametersInvalid:
        return None
    return fields.pairs


def assert_same_at_every_cut(body: bytes) -> None:
    """Whole, in two pieces, and byte by byte."""
    whole = verdict([body])
    assert verdict(body[at : at + 1] for at in range(len(body))) == whole
    for cut in range(1, len(body)):
        assert verdict([body[:cut], body[cut:]]) == whole, cut


@pytest.mark.parametrize("head", ODD_HEADS)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_an_odd_head_has_the_same_verdict_at_every_cut(head: bytes, line_end: bytes) -> None:
    assert_same_at_every_cut(_START + line_end + head + line_end * 2 + b"p" + line_end + BODY)


_START = b"--" + BOUNDARY.encode()
_TOKENS = [b"\r", b"\n", b"\r\n", b"--", _START, b" ", b"p", b"X: y", b"Content-Length: 1", HEAD]


@given(st.lists(st.sampled_from(_TOKENS), max_size=20).map(b"".join))
@example(b"\r\n\n" + HEAD + b"\r\n\r\np\r\n" + _START + b"--")
def test_whatever_follows_a_boundary_has_the_same_verdict_at_every_cut(body: bytes) -> None:
    assert_same_at_every_cut(_START + body)


def test_a_form_whose_lines_end_with_bare_line_feeds_is_read() -> None:
    parts = [Part("path", "p\r"), Part("x", "\r\n--\n"), Part("y")]
    body = form_body(parts, line_end=b"\n")

    assert verdict([body]) == [("path", "p\r"), ("x", "\r\n--\n"), ("y", "")]
    assert_same_at_every_cut(body)


LF_IN_HEAD = BODY.replace(b'name="path"\r\n\r\n', b'name="path"\n\n')
LF_AT_FIRST = BODY.replace(_START + b"\r\n", _START + b"\n", 1)
LF_LATER = BODY[::-1].replace((_START + b"\r\n")[::-1], (_START + b"\n")[::-1], 1)[::-1]
LF_BUT_ONE = form_body([Part("path", "p"), Part("x", "y")], line_end=b"\n").replace(
    b"p\n" + _START + b"\n", b"p\n" + _START + b"\r\n"
)


@pytest.mark.parametrize(
    ("body", "is_read"), [(LF_IN_HEAD, True), (LF_AT_FIRST, False), (LF_LATER, False), (LF_BUT_ONE, False)]
)
def test_line_ends_may_be_mixed_within_a_head_and_not_around_boundaries(
    body: bytes, *, is_read: bool
) -> None:
    assert body != BODY
    assert (verdict([body]) == [("path", "p")]) is is_read
    assert_same_at_every_cut(body)


@pytest.mark.parametrize(("length", "is_read"), [(6, False), (7, True), (8, False)])
def test_a_part_that_says_how_long_it_is_has_to_be_that_long(length: int, *, is_read: bool) -> None:
    named = b'filename="x.tar.gz"'
    body = BODY.replace(named, named + b"\r\nContent-Length: %d" % length)
    assert (verdict([body]) is not None) is is_read
    assert_same_at_every_cut(body)


def test_content_does_not_pass_through_the_parser_of_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    parse = PushMultipartParser.parse

    def watched(parser: PushMultipartParser, chunk: bytes) -> Iterator[FormEvent]:
        parsed.append(chunk)
        yield from parse(parser, chunk)

    monkeypatch.setattr(PushMultipartParser, "parse", watched)
    body = form_body([Part("file", b"\r\n--" * 100_000, "x.tar.gz")])
    (*_, content) = events(body[:1000], body[1000:])
    assert content == b"\r\n--" * 100_000
    assert sum(map(len, parsed)) < 1000


def test_a_boundary_within_a_line_is_refused_wherever_the_network_cuts_it() -> None:
    body = b"noise" + BODY
    for cut in range(1, len(body)):
        with pytest.raises(ParametersInvalid, match="broken"):
            events(body[:cut], body[cut:])


def _feed_noise() -> None:
    with form_parser(HEADERS["Content-Type"]) as feed:
        for _ in range(100):
            list(feed(b"x" * 1024))


def test_what_comes_before_the_first_boundary_has_a_limit() -> None:
    with pytest.raises(ParametersInvalid, match="no part in its first 65536 bytes"):
        _feed_noise()


def test_a_boundary_that_is_no_text_is_refused() -> None:
    with pytest.raises(ParametersInvalid), form_parser('multipart/form-data; boundary="\udcff"'):
        pass


def test_fields_are_collected_whatever_comes_behind() -> None:
    fields = FieldCollector()
    with form_parser(HEADERS["Content-Type"]) as feed:
        for chunk in (BODY, b"more"):
            for event in feed(chunk):
                fields.take(event)
    assert fields.pairs == [("path", "p")]
