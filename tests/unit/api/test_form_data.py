from __future__ import annotations

import pytest

from services.api.http.errors import ParametersInvalid
from services.api.http.form_data import FieldCollector, FormEvent, form_parser
from tests.support.forms import HEADERS, Part, form_body

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


@pytest.mark.parametrize("preamble", [b"\r\n", b"for old programs\r\n"])
def test_what_comes_before_the_first_boundary_is_passed_over_wherever_it_is_cut(preamble: bytes) -> None:
    for cut in range(1, len(preamble) + 40):
        assert events((preamble + BODY)[:cut], (preamble + BODY)[cut:]) == events(BODY)


@pytest.mark.parametrize("at", [b"--", b'name="path"'])
def test_a_form_with_odd_lines_is_refused_wherever_the_network_cuts_it(at: bytes) -> None:
    body = BODY.replace(at, {b"--": b"noise--"}.get(at, at + b"\nX: y"), 1)
    for cut in range(1, len(body)):
        with pytest.raises(ParametersInvalid, match="broken"):
            events(body[:cut], body[cut:])


def _feed_noise() -> None:
    with form_parser(HEADERS["Content-Type"]) as feed:
        for _ in range(100):
            list(feed(b"x" * 1024))


def test_what_comes_before_the_first_boundary_has_a_limit() -> None:
    with pytest.raises(ParametersInvalid, match="no part in its first 66560 bytes"):
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
