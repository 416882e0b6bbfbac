"""git's upload-pack as its client speaks it, versions 2, 1 and 0: bytes in, references and pack out, no I/O.

gitprotocol-v2(5), gitprotocol-pack(5), gitprotocol-http(5). Nothing is negotiated: all objects are wanted,
and none is there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from shared.git.errors import PackCut, ProtocolBroken, RepositoryShallow, ServerRefused
from shared.git.packet_lines import DELIMITER, FLUSH, Mark, Packet, PacketReader, packet

SERVICE = "git-upload-pack"
OBJECT_FORMATS = {"sha1": 40, "sha256": 64}
"""The hashes that name objects, and the digits of an id."""

_AGENT = b"agent=crossdock"
_DATA, _PROGRESS, _ERROR = 1, 2, 3
_LONGEST_TEXT = 300
_LEAST_PACKET = 5
_LONGEST_CAPABILITIES = 64 * 1024
MOST_PROGRESS = 16 * 1024 * 1024
"""Bytes beside its pack that a server may tell: of the largest repositories, git tells some 100 KiB."""

_ID = rb"(?:[0-9a-f]{40}|[0-9a-f]{64})"
_REFERENCE = re.compile(rb"(%b) ([^\x00-\x20\x7f]{1,4096})" % _ID)
_LISTED = re.compile(rb"(?:(%b)|unborn) ([^\x00-\x20\x7f]{1,4096})((?: [^ ]+)*)" % _ID)
_NONE = b"capabilities^{}"
_PEELED = b"^{}"


@dataclass(frozen=True, slots=True)
class RemoteReference:
    """A reference of a server: its name, its object id in lower case, and its target where it is symbolic."""

    name: bytes
    object_id: bytes
    target: bytes | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server can do. ``version`` is that of the protocol it speaks."""

    version: int
    object_format: str
    named: Mapping[bytes, bytes] = field(default_factory=dict)
    """Each capability with its value, which is empty where it has none."""


class AdvertisementReader:
    """Takes the answer to ``GET info/refs``, in order, in pieces of any size.

    In versions 0 and 1 it has the references; in version 2 ``ls_refs`` asks for them. It holds a packet, and
    64 KiB of capabilities. ``capabilities`` is None until they are known.
    """

    def __init__(self) -> None:
        self.capabilities: Capabilities | None = None
        self._packets = PacketReader()
        self._named: dict[bytes, bytes] = {}
        self._size = 0
        self._version = 0
        self._ended = False
        self._served = False  # "# service=..." has come, whose flush is not the end

    def feed(self, data: bytes) -> Iterator[RemoteReference]:
        """Take the next bytes, and give the references in them. Read it to the end."""
        for each in self._packets.feed(data):
            if self._ended:
                raise ProtocolBroken("its list of references goes on after its end")
            if reference := self._take(each):
                yield reference

    def close(self) -> Capabilities:
        """End the answer. Raises PackCut where it is not complete."""
        if not self._ended or self.capabilities is None:
            raise PackCut
        return self.capabilities

    def _take(self, each: Packet) -> RemoteReference | None:
        if isinstance(each, Mark):
            self._end(each)
            return None
        line = _line(each)
        if line.startswith(b"# service="):
            self._served = True
        elif line in (b"version 1", b"version 2") and not self._named:
            self._version = int(line[-1:])
        elif self._version == 2:  # noqa: PLR2004  # of the protocol
            self._keep(line)
        else:
            return self._reference(line)
        return None

    def _end(self, mark: Mark) -> None:
        if mark is not Mark.FLUSH:
            raise ProtocolBroken("a list of references has other marks than its end")
        if self._served and self.capabilities is None and not self._named and not self._version:
            self._served = False
            return
        self._ended = True
        if self.capabilities is None:
            self.capabilities = self._known()

    def _keep(self, capability: bytes) -> None:
        self._size += len(capability)
        if self._size > _LONGEST_CAPABILITIES:
            raise ProtocolBroken("it has too many capabilities")
        name, _, value = capability.partition(b"=")
        # A server of versions 0 and 1 has "symref" once for each symbolic reference; HEAD is the first.
        self._named.setdefault(name, value)

    def _known(self) -> Capabilities:
        name = self._named.get(b"object-format", b"sha1").decode(errors="replace")
        if name not in OBJECT_FORMATS:
            raise ProtocolBroken("it names objects by an unknown hash")
        return Capabilities(self._version, name, self._named)

    def _reference(self, line: bytes) -> RemoteReference | None:
        if line.startswith(b"shallow "):
            raise RepositoryShallow
        if self.capabilities is None:
            line, _, capabilities = line.partition(b"\0")
            for each in capabilities.split():
                self._keep(each)
            self.capabilities = self._known()
        found = _REFERENCE.fullmatch(line)
        if not found or len(found[1]) != OBJECT_FORMATS[self.capabilities.object_format]:
            raise ProtocolBroken("a reference in it is none")
        if found[2] == _NONE or found[2].endswith(_PEELED):
            return None
        name, _, target = self._named.get(b"symref", b"").partition(b":")
        return RemoteReference(found[2], found[1], target if name == found[2] else None)


def ls_refs(server: Capabilities, prefixes: Collection[bytes]) -> bytes:
    """Make the request for the references that begin so; a server may give others as well."""
    return b"".join(
        (
            packet(b"command=ls-refs\n"),
            *_common(server),
            DELIMITER,
            *(packet(each) for each in (b"peel\n", b"symrefs\n")),
            *(packet(b"ref-prefix %b\n" % each) for each in prefixes),
            FLUSH,
        )
    )


class ReferencesReader:
    """Takes the answer to ``ls_refs``, in order, in pieces of any size. It holds a packet."""

    def __init__(self, object_format: str) -> None:
        self._packets = PacketReader()
        self._digits = OBJECT_FORMATS[object_format]
        self._ended = False

    def feed(self, data: bytes) -> Iterator[RemoteReference]:
        """Take the next bytes, and give the references in them. Read it to the end."""
        for each in self._packets.feed(data):
            if self._ended or each in (Mark.DELIMITER, Mark.END):
                raise ProtocolBroken("its list of references goes on after its end")
            if isinstance(each, Mark):
                self._ended = True
            elif reference := self._reference(_line(each)):
                yield reference

    def close(self) -> None:
        """End the answer. Raises PackCut where it is not complete."""
        if not self._ended:
            raise PackCut

    def _reference(self, line: bytes) -> RemoteReference | None:
        found = _LISTED.fullmatch(line)
        if not found or len(found[1] or b"") not in (0, self._digits):
            raise ProtocolBroken("a reference in it is none")
        if not found[1]:  # unborn: the branch of HEAD in an empty repository
            return None
        targets = (each[14:] for each in found[3].split() if each.startswith(b"symref-target:"))
        return RemoteReference(found[2], found[1], next(targets, None))


def fetch(server: Capabilities, wants: Iterable[bytes]) -> bytes:
    """Make the request for a pack of all that is reachable from ``wants``, ids in hex, one at least.

    It has 50 bytes for each of them, or 74 by SHA-256.
    """
    if server.version == 2:  # noqa: PLR2004  # of the protocol
        asked = (packet(b"want %b\n" % each) for each in wants)
        command = (packet(b"command=fetch\n"), *_common(server), DELIMITER, packet(b"ofs-delta\n"))
        return b"".join((*command, *asked, packet(b"done\n"), FLUSH))
    if b"side-band-64k" not in server.named:
        raise ProtocolBroken("it does not know side-band-64k, which git has had since 2006")
    first, *rest = wants
    chosen = [b"side-band-64k", _AGENT, *(each for each in (b"ofs-delta",) if each in server.named)]
    if b"object-format" in server.named:
        chosen.append(_format(server))
    asked = (packet(b"want %b\n" % each) for each in rest)
    return b"".join((packet(b"want %b %b\n" % (first, b" ".join(chosen))), *asked, FLUSH, packet(b"done\n")))


class _Section(Enum):
    """Where the answer to ``fetch`` is."""

    HEAD = auto()
    PACK = auto()
    ENDED = auto()


class PackReader:
    """Takes the answer to ``fetch``, in order, in pieces of any size. It holds a packet.

    What the server tells of its work is let pass.
    """

    def __init__(self) -> None:
        self._beside = 0
        self._packets = PacketReader()
        self._section = _Section.HEAD

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes, and give those of the pack in them. Read it to the end."""
        for each in self._packets.feed(data):
            match self._section:
                case _Section.HEAD:
                    self._read_head(each)
                case _Section.PACK:
                    yield from self._read_band(each)
                case _Section.ENDED:
                    raise ProtocolBroken("its pack goes on after its end")

    def close(self) -> None:
        """End the answer. Raises PackCut where it is not complete."""
        if self._section is not _Section.ENDED or not self._packets.is_between:
            raise PackCut

    def _read_head(self, each: Packet) -> None:
        line = b"" if isinstance(each, Mark) else _line(each)
        if line == b"shallow-info" or line.startswith(b"shallow "):
            raise RepositoryShallow
        if line not in (b"packfile", b"NAK"):
            raise ProtocolBroken("something else comes before its pack")
        self._section = _Section.PACK

    def _read_band(self, each: Packet) -> Iterator[bytes]:
        if each is Mark.FLUSH:
            self._section = _Section.ENDED
            return
        band, data = (each[0], each[1:]) if isinstance(each, bytes) and each else (0, b"")
        if band == _DATA and data:
            yield data
        elif band in (_DATA, _PROGRESS):  # without data, a sign of life
            self._let_pass(data)
        elif band == _ERROR:
            raise ServerRefused(readable(data))
        else:
            raise ProtocolBroken("its pack comes by an unknown band")

    def _let_pass(self, data: bytes) -> None:
        self._beside += len(data) + _LEAST_PACKET
        if self._beside > MOST_PROGRESS:
            raise ProtocolBroken("it tells of its work without end")


def _common(server: Capabilities) -> list[bytes]:
    """Make the capabilities that go with each command."""
    own = [packet(_AGENT + b"\n")] if b"agent" in server.named else []
    return [*own, packet(_format(server) + b"\n")] if b"object-format" in server.named else own


def _format(server: Capabilities) -> bytes:
    return f"object-format={server.object_format}".encode()


def _line(data: bytes) -> bytes:
    """Give a packet without its newline. Raises ServerRefused where it is an error."""
    line = data.removesuffix(b"\n")
    if line.startswith(b"ERR "):
        raise ServerRefused(readable(line[4:]))
    return line


def readable(told: bytes) -> str:
    """Give what a server says as a line of 300 characters at most; what cannot be printed is a blank."""
    text = told[: 4 * _LONGEST_TEXT].decode(errors="replace")
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:_LONGEST_TEXT]
