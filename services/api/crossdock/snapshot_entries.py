"""The entries of an open snapshot. Their addresses follow the layout of an archive."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from services.api.crossdock import tree_names
from services.api.crossdock.snapshot_entities import received_archive_entity, received_entity
from services.api.crossdock.snapshots import find_push
from services.api.crossdock.tree_names import TreeName
from services.api.gitlab.upload_forms import limit_body, require_size
from services.api.http.bodies import chunks, undecoded_chunks
from services.api.http.encodings import unzip_if_gzip
from services.api.http.places import holder_of
from services.api.http.responses import json_response
from services.api.use_cases import use_cases
from shared.gitlab.layout import DESIGN, LFS_INDEX, PROJECT, REPOSITORY, WIKI, relation_of
from shared.usecases.push_content import PushedBody


@dataclass(frozen=True, slots=True)
class EntryHandlers:
    """The handlers of an entry. ``name`` returns the entry's name in the archive."""

    name: TreeName

    async def replace(self, request: web.Request) -> web.Response:
        """PUT: the body replaces the content of the entry."""
        push = await find_push(request)
        await require_size(request)
        name, body = self._name(request), chunks(request)
        body = await limit_body(request, body if relation_of(name) is None else unzip_if_gzip(body))
        pushed = PushedBody(body, lambda: request.content.total_bytes)
        received = await use_cases(request).pushes.receive(push, name, pushed, holder=holder_of(request))
        return json_response(received_entity(received))

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE: removes the entry."""
        push = await find_push(request)
        await use_cases(request).pushes.remove(push, self._name(request))
        return web.Response(status=204)

    def _name(self, request: web.Request) -> str:
        return self.name(request.match_info, use_cases(request).standings.archive_limits.name)


async def replace_many(request: web.Request) -> web.Response:
    """PUT /projects/:id/snapshots/:snapshot_id/entries: an archive, whose entries replace earlier ones."""
    push = await find_push(request)
    await require_size(request)
    body = await limit_body(request, undecoded_chunks(request))
    pushed = PushedBody(body, lambda: request.content.total_bytes)
    received = await use_cases(request).pushes.receive_archive(push, pushed, holder=holder_of(request))
    return json_response(received_archive_entity(received))


ADDRESSES = {
    "project": EntryHandlers(tree_names.make_constant(PROJECT)),
    "relations/:relation": EntryHandlers(tree_names.relation),
    "repository": EntryHandlers(tree_names.make_constant(REPOSITORY)),
    "wiki": EntryHandlers(tree_names.make_constant(WIKI)),
    "design": EntryHandlers(tree_names.make_constant(DESIGN)),
    "uploads/:secret/:name": EntryHandlers(tree_names.upload),
    "lfs": EntryHandlers(tree_names.make_constant(LFS_INDEX)),
    "lfs/:oid": EntryHandlers(tree_names.lfs_object),
    "snippets/:name": EntryHandlers(tree_names.snippet),
    "files/:name": EntryHandlers(tree_names.any_file),
}
"""The addresses of entries. ``lfs`` alone is the list of LFS objects; ``files`` is for all other files."""
