from __future__ import annotations

import re
import tracemalloc

import pytest

from shared.gitlab import lfs
from shared.gitlab.json_document import InvalidDocument
from shared.gitlab.lfs import LfsIndex
from shared.gitlab.project_json import ProjectAttributes, ProjectDocument

OID = b"9f" * 32
MIB = 1024 * 1024


def _attributes(document: bytes, *, cut: int = 65536) -> ProjectAttributes:
    read = ProjectDocument("tree/project.json")
    for start in range(0, len(document), cut):
        read.feed(document[start : start + cut])
    read.close()
    return read.attributes


def _index(document: bytes) -> None:
    index = LfsIndex("lfs-objects.json")
    index.feed(document)
    index.close()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b"{}", (None, None)),
        (b"{}\n", (None, None)),
        (b'{"description":"D","visibility_level":20,"unknown":[{}]}', ("D", 20)),
        ('{"description":"\u2713"}'.encode(), ("\u2713", None)),
        (b'{"description":"a\\u0000b"}', ("a\0b", None)),
        (b'{"description":null,"visibility_level":null}', (None, None)),
        (b'{"description":5,"visibility_level":"20"}', (None, None)),
        (b'{"description":["x"],"visibility_level":true}', (None, None)),
        (b'{"description":{},"visibility_level":false}', (None, None)),
        (b'{"visibility_level":11}', (None, None)),
        (b'{"visibility_level":-10}', (None, None)),
        (b'{"visibility_level":10.0}', (None, None)),
        (b'{"visibility_level":1%s}' % (b"0" * 4000), (None, None)),
        (b'{"description":"1","description":"2"}', ("2", None)),
    ],
)
def test_attributes_of_use_are_taken_and_nonsense_is_not(
    document: bytes, expected: tuple[str | None, int | None]
) -> None:
    for cut in (1, 7, 65536):
        assert _attributes(document, cut=cut) == ProjectAttributes(*expected)


@pytest.mark.parametrize(
    "document",
    [
        b"", b" ", b"null", b"[]", b'"x"', b"{", b"{}{}", b'{"a":1,}', b"\xef\xbb\xbf{}", b"{'a':1}",
        b'{"a":"\\ud800"}', b'{"a":"\xff"}', b'{"\xff":1}', b'{"a":"\xe2\x9c"}', b'{"a":' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_json_object_in_utf8_is_refused(document: bytes) -> None:
    for cut in (1, 65536):
        with pytest.raises(InvalidDocument, match=r"^Incorrect JSON format \(tree/project.json: .+\)$"):
            _attributes(document, cut=cut)


def test_a_document_over_50_mib_is_refused_before_it_is_held() -> None:
    read = ProjectDocument("tree/project.json")
    for _ in range(50):
        read.feed(bytes(MIB))
    with pytest.raises(InvalidDocument, match="over the limit of 52428800 bytes"):
        read.feed(b" ")


def test_a_description_that_is_far_too_long_is_not_taken() -> None:
    assert _attributes(b'{"description":"%s"}' % (b"x" * 60_000)).description == "x" * 60_000
    assert _attributes(b'{"description":"%s"}' % (b"x" * 70_000)).description is None


def test_a_project_of_too_many_attributes_is_refused() -> None:
    with pytest.raises(InvalidDocument, match="over the limit of 100000 attributes"):
        _attributes(b"{" + b",".join(b'"%d":0' % n for n in range(100_001)) + b"}")


@pytest.mark.parametrize(
    "document",
    [
        b"{}",
        b" { } \n",
        b'{"%s":[0]}' % OID,
        b'{"[":[0],"],3":[]}',
        b'{"a":[ 0 , null,1,2 ],"b":[]\n, "c" : [2]}',
    ],
)
def test_an_index_of_lfs_objects_lists_repository_types(document: bytes) -> None:
    _index(document)


@pytest.mark.parametrize(
    "document",
    [
        b"", b"[]", b"null", b"{", b'{"a":[0],}', b'{"a":0}', b'{"a":[3]}', b'{"a":[12]}', b'{"a":["0"]}',
        b'{"a":{}}', b'{"a":[[0]]}', b'{"a":[{"b":[0]}]}', b'{"a":[0.0]}', b'{"a":[-1]}',
        b'{"a":[0],"b":[9]}', b'{"a":[true]}', b'{"\xff":[0]}', b'{"a":null}',
    ],
)  # fmt: skip
def test_an_index_of_anything_else_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidDocument, match=r"lfs-objects\.json"):
        _index(document)


@pytest.mark.parametrize(
    "document", [b'{"a":[%s0]}' % (b"0," * 500_000), b"{%s}" % b",".join([b'"a":[0]'] * 99_999)]
)
def test_an_index_is_looked_through_in_steps_between_which_others_run(
    document: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, lengths = lfs._TOKENS, []

    class Noted:
        def match(self, text: bytearray, start: int) -> re.Match[bytes] | None:
            match = tokens.match(text, start)
            lengths.append(match.end() - start if match else 0)
            return match

    monkeypatch.setattr(lfs, "_TOKENS", Noted())
    _index(document)

    assert sum(lengths) == len(document) - 2
    assert max(lengths) <= 64 * 1024


@pytest.mark.parametrize("item", [b'"%x":[]', b'"%x":[0,1,2,null,0,1,2,null]'])
def test_what_is_built_of_an_index_is_no_more_than_its_bytes(item: bytes) -> None:
    document = b"{" + b",".join(item % n for n in range(300_000)) + b"}"
    tracemalloc.start()
    _index(document)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * len(document)


@pytest.mark.parametrize("value", [b"[" + b"[]," * 500_000 + b"0]", b"{" + b'"a":{},' * 30_000 + b'"b":0}'])
def test_what_is_built_of_a_project_is_no_more_than_its_bytes(value: bytes) -> None:
    document = b'{"description":%s,"visibility_level":%s}' % (value, value)
    tracemalloc.start()
    assert _attributes(document) == ProjectAttributes()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * len(document)
