from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.git import bundle, lfs_pointers
from shared.git.bundle import BundleVerifier, IncompleteBundle
from shared.git.lfs_pointers import PointerLooker
from shared.git.pack_objects import ObjectHead, ObjectKind, ObjectLooker, PackObjects, PackUnreadable
from tests.support.git import git, make_repository

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%b\nsize 5\n"
OID = hashlib.sha256(b"large").hexdigest().encode()


class Looker(ObjectLooker):
    """Keeps all objects."""

    def __init__(self) -> None:
        self.objects: list[tuple[ObjectKind, int, bytes]] = []

    def begin(self, head: ObjectHead) -> Callable[[bytes], None]:
        data = bytearray()
        self._now = (head.kind, head.size, data)
        return data.extend

    def end(self) -> None:
        kind, size, data = self._now
        self.objects.append((kind, size, bytes(data)))


def head(kind: int, size: int) -> bytes:
    first, size = kind << 4 | size & 15, size >> 4
    out = bytearray()
    while size:
        out.append(first | 128)
        first, size = size & 127, size >> 7
    return bytes([*out, first])


def entry(data: bytes, kind: int = 3, *, size: int | None = None, base: bytes = b"") -> bytes:
    return head(kind, len(data) if size is None else size) + base + zlib.compress(data)


def pack(*entries: bytes, count: int | None = None) -> bytes:
    body = b"PACK" + (2).to_bytes(4, "big") + (len(entries) if count is None else count).to_bytes(4, "big")
    body += b"".join(entries)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def read(data: bytes, looker: ObjectLooker, *, cut: int = 65536) -> PackObjects:
    objects = PackObjects("sha1", looker)
    for at in range(0, len(data), cut):
        objects.feed(data[at : at + cut])
    return objects


@pytest.mark.parametrize("cut", [1, 7, 100, 65536])
def test_all_objects_are_read_at_every_cut(cut: int) -> None:
    large = hashlib.sha256(b"x").digest() * 10_000 if cut > 7 else b"y" * 1000
    entries = [
        entry(b"tree", 1), entry(b""), entry(large), entry(b"delta", 6, base=b"\x01"),
        entry(b"delta", 7, base=bytes(20)), entry(bytes(3_000_000) if cut > 7 else b"z", 2),
    ]  # fmt: skip
    looker = Looker()
    assert read(pack(*entries), looker, cut=cut).is_over
    kinds = [each[0] for each in looker.objects]
    assert kinds == [
        ObjectKind.COMMIT, ObjectKind.BLOB, ObjectKind.BLOB, ObjectKind.OFS_DELTA, ObjectKind.REF_DELTA,
        ObjectKind.TREE,
    ]  # fmt: skip
    assert [size == len(data) for _, size, data in looker.objects] == [True] * 6
    assert looker.objects[2][2] == large


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_pack_of_git_is_read_whole(tmp_path: Path, object_format: str) -> None:
    files = {f"{n}.txt": b"line\n" * 2000 + b"%d" % n for n in range(9)}
    source = make_repository(tmp_path, object_format=object_format, files=files)
    git(source, "repack", "-adfq")
    (path,) = (source / "objects" / "pack").glob("*.pack")
    looker, data = Looker(), path.read_bytes()
    objects = PackObjects(object_format, looker)
    objects.feed(data)
    assert objects.is_over
    assert any(kind.is_delta for kind, _, _ in looker.objects)
    assert len(looker.objects) == int.from_bytes(data[8:12], "big")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (entry(b"x", 0), "object 2 of the pack is of an unknown kind"),
        (entry(b"x", 5), "of an unknown kind"),
        (b"\xff" * 100, "has no valid head"),
        (b"\x31" + b"no deflate", "is damaged"),
        (entry(b"xyz", size=2), "has another size"),
        (entry(b"xyz", size=4), "has another size"),
        (entry(bytes(2_000_000), size=2), "has another size"),
        (entry(b"x", 6, base=b"\0"), "object 2 of the pack is a delta of nothing"),
        (entry(b"x", 6, base=bytes([len(entry(b"good")) + 1])), "is a delta of nothing"),
    ],
)
def test_what_is_no_object_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(PackUnreadable, match=reason):
        read(pack(entry(b"good"), data), Looker())


def test_a_pack_that_is_cut_is_not_over() -> None:
    data = pack(entry(b"x"), entry(b"y"))
    ends = len(data) - 20
    assert [read(data[:cut], Looker()).is_over for cut in (0, 11, 12, 13, ends - 1, ends)] == [False] * 5 + [
        True
    ]


def test_pointers_are_found_among_whole_blobs() -> None:
    looker = PointerLooker()
    with_extension = POINTER.replace(b"\noid", b"\next-0-foo sha256:%b\noid" % OID) % (OID[::-1])
    blobs = [POINTER % OID, POINTER % OID, with_extension, b"x" + POINTER % OID, POINTER % OID + b"x" * 1024]
    read(pack(*map(entry, blobs), entry(POINTER % (b"0" * 64), 6, base=b"\1")), looker)
    assert looker.found == {bytes.fromhex(each.decode()): 5 for each in (OID, OID[::-1])}
    assert not looker.overflowed


def test_so_many_pointers_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lfs_pointers, "MOST_POINTERS", 1)
    looker = PointerLooker()
    read(pack(entry(POINTER % OID), entry(POINTER % OID)), looker)
    assert not looker.overflowed
    read(pack(entry(POINTER % OID[::-1])), looker)
    assert (len(looker.found), looker.overflowed) == (1, True)


def test_git_stores_no_pointer_as_a_delta(tmp_path: Path) -> None:
    oids = [hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(50)]
    source = make_repository(tmp_path, files={f"f{n}.bin": POINTER % oid for n, oid in enumerate(oids)})
    git(source, "repack", "-adfq", "--depth=50", "--window=250")
    (path,) = (source / "objects" / "pack").glob("*.pack")
    looker = PointerLooker()
    read(path.read_bytes(), looker)
    assert {each.hex().encode() for each in looker.found} == set(oids)


def verified(tips: list[bytes], packed: bytes) -> BundleVerifier:
    lines = [b"%b refs/tags/%d\n" % (tip, number) for number, tip in enumerate(tips)]
    verifier = BundleVerifier("b")
    verifier.feed(b"# v2 git bundle\n" + b"".join(lines) + b"\n" + packed)
    verifier.close()
    return verifier


THERE = hashlib.sha1(b"blob 4\0here", usedforsecurity=False).hexdigest().encode()


def test_a_bundle_without_the_objects_of_its_references_is_incomplete() -> None:
    with pytest.raises(
        IncompleteBundle, match="lacks commits or tags that its references lead to, 1 at least"
    ):
        verified([THERE, b"1" * 40], pack(entry(b"here"))).check_complete()
    verified([THERE, THERE], pack(entry(b"other"), entry(b"here"))).check_complete()


@pytest.mark.parametrize(
    "packed",
    [
        pack(entry(b"x"), entry(b"x", 7, base=bytes(20))),
        pack(b"\x31nothing"),
        pack(entry(b"x"), count=2),
    ],
)
def test_where_one_pass_cannot_tell_a_bundle_is_taken(packed: bytes) -> None:
    verified([b"1" * 40], packed).check_complete()


def test_where_there_are_too_many_references_none_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MOST_TIPS", 1)
    with pytest.raises(IncompleteBundle):
        verified([b"1" * 40], pack(entry(b"x"))).check_complete()
    verified([b"1" * 40, b"2" * 40], pack(entry(b"x"))).check_complete()
