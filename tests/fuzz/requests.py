"""What a request consists of: each reader gives a result or an error of its own, for which there is a 4xx."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime

from multipart import MultipartSegment

from services.api.crossdock import cursors, tree_names
from services.api.gitlab.requests.exports import read_order
from services.api.http import bodies, form_data
from services.api.http.errors import BodyTooLarge, ParametersInvalid
from services.api.http.nesting import nest
from services.api.http.parameters import ParameterReader
from services.api.http.preconditions import find_unmet_condition
from services.api.http.ranges import RangeUnsatisfiable, read_range, wants_range
from services.api.queue import commands
from services.api.queue.command_service import read_event
from services.api.queue.masking import without_secrets
from services.listener.peers import TrustedProxies, parse_address, share_of
from shared.archive.names import normalise_name
from shared.broker.base import MAX_BODY_BYTES, Message
from shared.errors import ArchiveError, Refusal
from shared.projects import rules
from shared.remote.addresses import reason_against
from shared.remote.credentials import authorization
from shared.remote.errors import BlockedUrl
from shared.remote.masking import mask_url
from shared.remote.urls import parse, without_credentials
from shared.usecases.errors import EntryNameInvalid
from tests.support.archives import assert_normalised, pieces

_CUT = 7
_LONGEST_NAME = 2600
_MODIFIED = datetime(2026, 1, 31, 12, tzinfo=UTC)
_ETAG = '"a1"'


def _first_line(data: bytes) -> tuple[str, bytes]:
    """Give a header and a body: what stands before the first newline, and after it."""
    line, _, rest = data.partition(b"\n")
    return line.decode(errors="surrogateescape").rstrip("\r"), rest


def check_form(data: bytes) -> None:
    """The first line is the type of the content. The fields are the same at every cut, and bounded."""
    content_type, body = _first_line(data)
    if "\r" in content_type:
        return  # no header has it
    fields = _fields(content_type, body, len(body))
    assert fields == _fields(content_type, body, _CUT)
    if fields is not None:
        nest(fields)


def _fields(content_type: str, body: bytes, cut: int) -> list[tuple[str, str]] | None:
    collector, files = form_data.FieldCollector(unread="file"), 0
    with suppress(ParametersInvalid), form_data.form_parser(content_type) as feed:
        for piece in pieces(body, max(1, cut)):
            for event in feed(piece):
                collector.take(event)
                files += isinstance(event, MultipartSegment) and bool(form_data.file_name(event))
        assert files + len(collector.pairs) <= form_data.MOST_PARTS
        assert sum(len(value.encode()) for _, value in collector.pairs) <= form_data.LARGEST_FIELDS
        return collector.pairs
    return None


def check_body(data: bytes) -> None:
    """A body of JSON or of a form, and all ways in which parameters are read."""
    for parse_pairs in (bodies._parse_json, bodies._parse_urlencoded):
        with suppress(ParametersInvalid):
            given = nest(parse_pairs(data))
            for name in list(given)[:20]:
                _read_all(given, name)
            _read_order(given)


def _read_all(given: dict[str, object], name: str) -> None:
    reader = ParameterReader(given)
    for read in (reader.text, reader.boolean, reader.integer, reader.level, reader.day, reader.moment):
        read(name)
    reader.choice(name, ("a", "b"))
    reader.visibility(name)
    reader.mapping(name)
    if (number := reader.integer(name)) is not None:
        assert abs(number) < 10**18
    if (text := reader.text(name)) is not None:
        assert "\0" not in text
        text.encode()


def _read_order(given: dict[str, object]) -> None:
    with suppress(Refusal):
        read_order(given)


def check_command(data: bytes) -> None:
    """A message of the queue, and what is kept of it where it is refused."""
    headers, body = _first_line(data)
    message = Message(body, message_id="1", content_type=headers, headers={"ce-type": headers})
    assert len(without_secrets(message).body) <= max(2 * MAX_BODY_BYTES, 100)
    with suppress(Refusal, BodyTooLarge):
        event = read_event(message)
        commands._read_import(event.data, sender="sender")
        read_order(event.data)


def check_range(data: bytes) -> None:
    """The first line is the range, the second all conditions; the third's length is the size of the file."""
    wanted, rest = _first_line(data)
    condition, rest = _first_line(rest)
    headers = {"Range": wanted, "If-Range": condition}
    for given in ({"Range": wanted}, headers):
        _check_part(given, size=len(rest))
    for name in ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"):
        find_unmet_condition({name: condition}, etag=_ETAG, modified_at=_MODIFIED)


def _check_part(headers: dict[str, str], *, size: int) -> None:
    modified = format_datetime(_MODIFIED, usegmt=True)
    with suppress(RangeUnsatisfiable):
        part = read_range(headers, size=size, etag=_ETAG, last_modified=modified)
        if part is not None:
            assert wants_range(headers)
            assert part.length >= 1
            assert 0 <= part.start <= part.start + part.length <= size


_NAMES = (
    tree_names.any_file,
    tree_names.relation,
    tree_names.upload,
    tree_names.snippet,
    tree_names.lfs_object,
)


def check_path(data: bytes) -> None:
    """Names of entries, of archives and of addresses, of projects, and cursors: safe, or refused."""
    with suppress(ArchiveError):
        if name := normalise_name(data, _LONGEST_NAME):
            assert_normalised(name)
    with suppress(UnicodeDecodeError):
        _check_text(data.decode())


def _check_text(text: str) -> None:
    given = dict.fromkeys(("name", "relation", "secret", "oid"), text)
    for name_of in _NAMES:
        with suppress(EntryNameInvalid):
            assert_normalised(name_of(given, _LONGEST_NAME))
    for check in (rules.check_path, rules.check_name):
        with suppress(rules.NameRefused):
            assert "/" not in check(text)
    assert rules.path_of_name(text).isascii()
    assert (cursors._decode(text) or 1) > 0


_PROXIES = TrustedProxies(["10.0.0.0/8", "fc00::/7"])


def check_address(data: bytes) -> None:
    """Addresses of clients behind proxies, and URLs that users name."""
    text = data.decode("utf-8", "surrogateescape")
    peer = parse_address("10.0.0.1")
    assert peer is not None
    client = _PROXIES.find_client(peer, text.splitlines())
    assert share_of(client)
    reason_against(client)
    mask_url(text)
    with suppress(BlockedUrl):
        url = parse(text, ("https", "http"))
        assert url.raw_host
        assert without_credentials(url).raw_user is None
        authorization(url)
        mask_url(text)
