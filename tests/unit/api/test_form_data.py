from __future__ import annotations

import pytest

from services.api.form_data import FieldCollector, FormEvent, form_parser
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


def test_fields_are_collected_whatever_comes_behind() -> None:
    fields = FieldCollector()
    with form_parser(HEADERS["Content-Type"]) as feed:
        for chunk in (BODY, b"more"):
            for event in feed(chunk):
                fields.take(event)
    assert fields.pairs == [("path", "p")]
