"""Writes the archive of a group and of all below it, as a stream, from what is there while it is read."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import msgspec

from shared.accounts.members import Member, MemberQuery, MemberSource, list_members
from shared.accounts.models import Namespace
from shared.archive.writer import directory_header, end_of_archive, file_header, padding, root_header
from shared.database.pool import Pool
from shared.gitlab import group_layout as layout
from shared.gitlab.record_json import escaped, moment
from shared.gitlab.version import FORMAT_VERSION
from shared.group_archives import store
from shared.group_archives.errors import GroupGone
from shared.pieces import gathered
from shared.shielding import on_thread

_GATHERED = 256 * 1024
"""Bytes of the tar stream that are deflated by one step, at least; at most a page of lines more."""

_GZIP = 31
_MEMBERS_AT_ONCE = 1000


async def archive_pieces(pool: Pool, group: Namespace, *, mtime: int) -> AsyncGenerator[bytes, None]:
    """Give the archive of a group in pieces, the groups in the order of their depth.

    Memory: 1 MiB of lines and one more, attributes and new members of one group, and the ids of all groups.
    Raises GroupGone where a group is deleted while its relations are read.
    """
    deflate = zlib.compressobj(wbits=_GZIP)
    async with aclosing(gathered(_TarWriter(pool, mtime).write(group), least=_GATHERED)) as pieces:
        async for piece in pieces:
            if packed := await on_thread(deflate.compress, piece):
                yield packed
    yield deflate.flush()


class _TarWriter:
    """Gives the tar stream of an archive of groups."""

    def __init__(self, pool: Pool, mtime: int) -> None:
        self._pool = pool
        self._mtime = mtime
        self._written = 0

    async def write(self, group: Namespace) -> AsyncGenerator[bytes, None]:
        async for piece in self._entries(group):
            self._written += len(piece)
            yield piece
        yield end_of_archive(self._written)

    async def _entries(self, group: Namespace) -> AsyncGenerator[bytes, None]:
        ids = await store.list_below(self._pool, group.id)
        yield root_header(self._mtime)
        yield self._file("VERSION", FORMAT_VERSION)
        for folder in layout.FOLDERS:
            yield directory_header(folder, self._mtime)
        yield self._file(layout.INDEX, b"".join(b"%d\n" % each for each in ids))
        for each in ids:
            async for piece in self._group(each):
                yield piece

    async def _group(self, group_id: int) -> AsyncGenerator[bytes, None]:
        found = await store.find_kept(self._pool, group_id)
        if found is None:
            return  # deleted since the index was made; who reads the archive goes on without it
        group, document = found
        yield self._file(layout.document_file(group_id), _attributes(group, document))
        yield directory_header(layout.folder(group_id), self._mtime)
        sizes = await store.relation_sizes(self._pool, group_id)
        for relation in dict.fromkeys((*layout.RELATIONS, *sizes)):
            more = await self._members(group_id) if relation == layout.MEMBERS else b""
            async for piece in self._relation(group_id, relation, sizes, more):
                yield piece

    async def _relation(
        self, group_id: int, relation: str, sizes: Mapping[str, int], more: bytes
    ) -> AsyncGenerator[bytes, None]:
        """Give a file of the lines that are kept, and of ``more``."""
        kept = sizes.get(relation, 0)
        size, written = kept + len(more), 0
        yield file_header(layout.relation_file(group_id, relation), size=size, mtime=self._mtime)
        async with aclosing(store.read_lines(self._pool, group_id, relation)) as pages:
            async for page in pages:
                piece = b"".join(line + b"\n" for line in page)
                written += len(piece)
                yield piece
        if written != kept:
            raise GroupGone
        yield more + padding(size)

    def _file(self, name: str, data: bytes) -> bytes:
        return file_header(name, size=len(data), mtime=self._mtime) + data + padding(len(data))

    async def _members(self, group_id: int) -> bytes:
        """Give the records of the direct members whom the archive that the group came from did not have."""
        known: set[str] = set()
        async with aclosing(store.read_lines(self._pool, group_id, layout.MEMBERS)) as pages:
            async for page in pages:
                known.update(filter(None, map(_username, page)))
        lines, offset = bytearray(), 0
        while True:
            query = MemberQuery(limit=_MEMBERS_AT_ONCE, offset=offset)
            found = await list_members(self._pool, MemberSource(namespace_id=group_id), query)
            for each in found.items:
                if each.user.username not in known:
                    lines += _member_line(group_id, each)
            offset += _MEMBERS_AT_ONCE
            if offset >= found.total:
                return bytes(lines)


def _attributes(group: Namespace, document: bytes | None) -> bytes:
    """Give the attributes that came with the group, in their order, with those of today."""
    attributes = msgspec.json.decode(document or b"{}", type=dict[str, msgspec.Raw])
    for name, value in (
        ("id", group.id),
        ("name", group.name),
        ("path", group.path),
        ("type", "Group"),
        ("description", group.description),
        ("visibility_level", int(group.visibility)),
        ("parent_id", group.parent_id),
    ):
        attributes[name] = msgspec.Raw(escaped(value))
    return msgspec.json.encode(attributes)


class _User(msgspec.Struct, frozen=True):
    username: str | None = None


class _KnownMember(msgspec.Struct, frozen=True):
    user: _User | None = None


def _username(line: bytes) -> str | None:
    try:
        record = msgspec.json.decode(line, type=_KnownMember | None)
    except msgspec.MsgspecError:
        return None
    return record.user.username if record and record.user else None


def _member_line(group_id: int, member: Member) -> bytes:
    since, user = moment(member.created_at), member.user
    record = {
        "access_level": int(member.level),
        "source_id": group_id,
        "source_type": "Namespace",
        "user_id": user.id,
        "notification_level": 3,
        "created_at": since,
        "updated_at": since,
        "expires_at": member.expires_at and member.expires_at.isoformat(),
        "user": {"id": user.id, "public_email": "", "username": user.username},
    }
    return escaped(record) + b"\n"
