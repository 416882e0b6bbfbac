"""What takes the bytes of a git server: each reader gives the same at every cut, or refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.git.bundle_header import BundleHeader
from shared.git.errors import RepositoryError
from shared.git.history import HistoryLooker
from shared.git.lfs_pointers import PointerLooker
from shared.git.pack_objects import PackObjects, PackUnreadable
from shared.git.protocol import (
    OBJECT_FORMATS,
    AdvertisementReader,
    PackReader,
    ReferencesReader,
    RemoteReference,
)
from shared.git.selection import ReferenceSelection

_CUTS = (1, 5, 65536)


def check_git(data: bytes) -> None:
    """Read an answer as each of those that there are."""
    for read in (_advertisement, _references, _pack, _objects):
        first, *others = [_outcome(read, data, cut) for cut in _CUTS]
        assert all(other == first for other in others), (read.__name__, first, others)


def _outcome(read: Callable[[Iterator[bytes]], object], data: bytes, cut: int) -> object:
    try:
        return read(data[at : at + cut] for at in range(0, len(data), cut))
    except (RepositoryError, PackUnreadable):
        return None  # which of several errors is told depends on the cut


def _advertisement(pieces: Iterator[bytes]) -> object:
    reader = AdvertisementReader()
    found = [reference for piece in pieces for reference in reader.feed(piece)]
    server = reader.close()
    _check_header(found, server.object_format)
    return server, found


def _references(pieces: Iterator[bytes]) -> object:
    reader = ReferencesReader("sha1")
    found = [reference for piece in pieces for reference in reader.feed(piece)]
    reader.close()
    _check_header(found, "sha1")
    return found


def _check_header(found: list[RemoteReference], object_format: str) -> None:
    """The header of a bundle has the references that were taken, and no other, whatever they are called."""
    chosen = ReferenceSelection(pulls=True)
    for each in found:
        chosen.add(each)
    header = BundleHeader("b")
    names = [each.name for each in header.feed(chosen.header(object_format))]
    assert header.pack is not None
    assert len(header.pack) == 0
    assert len(names) <= len(found)
    assert all(len(each) == OBJECT_FORMATS[object_format] for each in chosen.wants())


def _pack(pieces: Iterator[bytes]) -> object:
    reader = PackReader()
    pack = b"".join(data for piece in pieces for data in reader.feed(piece))
    reader.close()
    return pack


def _objects(pieces: Iterator[bytes]) -> object:
    data = list(pieces)
    pointers = PointerLooker()
    history = HistoryLooker("sha1", commits=[bytes(20)], others=[b"1" * 20])
    for looker in (pointers, history):
        objects = PackObjects("sha1", looker)
        for piece in data:
            objects.feed(piece)
    return objects.seen, objects.inflated, objects.is_over, pointers.found, history.missing
