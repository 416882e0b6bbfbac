from __future__ import annotations

import asyncio
import hashlib
import json
import os
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.cli.verification import verify
from services.importer.wiring import make_importers
from services.process.ports import Ports
from shared.archive.limits import Limits, Prices
from shared.broker.memory import MemoryBroker
from shared.database.pool import session
from shared.errors import CrossdockError
from shared.git.errors import RepositoryLimited
from shared.git.packet_lines import packet
from shared.git.protocol import PackReader
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, Job, RemoteSource, SourceForm
from shared.jobs.progress import Progress
from shared.jobs.sealed_orders import OrderSealer
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.remote.errors import StatusFailing
from shared.settings.application import ApplicationSettings
from shared.settings.environment import Settings
from tests.support.git import add_references, git, make_repository, references
from tests.support.git_http import GitHttp
from tests.support.git_lfs import GitLfs, oid_of, pointer
from tests.support.git_stages import STAGES, StagedGit
from tests.support.jobs import claimed, state_of
from tests.support.projects import Dock, Imported, files, project
from tests.support.remote import PATIENT, SECRET, Handler, Servers, names
from tests.support.sealing import sealer
from tests.support.waiting import until_row
from tests.support.workers import at_work

FAILED = "Error importing repository  into ann/p - "
LARGE = b"large " * 1000
RESULT = "application/x-git-upload-pack-result"


@pytest.fixture
async def servers(dock: Dock) -> AsyncIterator[Servers]:
    """Servers that the importer may ask, by http."""
    dock.settings = ApplicationSettings(outbound_local_requests_allowlist=("files.test",))
    dock.remote = RemoteImportPolicy(schemes=("http",), resolver=names())
    async with AsyncExitStack() as stack:
        yield Servers(stack)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the repositories."""
    return tmp_path / "served"


async def ordered(
    dock: Dock,
    port: int,
    *,
    name: str = "one.git",
    user: str = "",
    selection: RelationSelection | None = None,
) -> Job:
    source = RemoteSource(url=f"http://{user}files.test:{port}/{name}", form=SourceForm.GIT)
    order = ImportOrder(source=source, selection=selection)
    return await jobs.enqueue(dock.pool, order, project_id=1, user_id=1, correlation_id="c")


async def run(dock: Dock, port: int, **more: Any) -> Imported:
    return await dock.attempt(await ordered(dock, port, **more))


async def exported(dock: Dock) -> dict[str, bytes]:
    return files(await dock.run_export())


def cloned(folder: Path, bundle: bytes) -> Path:
    """What git makes of a bundle; its objects are checked."""
    (folder / "b.bundle").write_bytes(bundle)
    copy = folder / "copy.git"
    git(folder, "clone", "-q", "--mirror", "b.bundle", str(copy))
    git(copy, "fsck", "--strict")
    return copy


@pytest.mark.parametrize("packed_up_to", [0, 1_000_000])
@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
async def test_a_repository_elsewhere_becomes_a_project_whose_bundle_is_cloned(
    dock: Dock, servers: Servers, root: Path, tmp_path: Path, object_format: str, packed_up_to: int
) -> None:
    source = make_repository(root, object_format=object_format)
    dock.packed_up_to = packed_up_to
    imported = await run(dock, await servers.http(GitHttp(root).handle))
    assert imported.error is None
    out = await exported(dock)
    assert references(cloned(tmp_path, out["project.bundle"])) == references(source)
    assert out["VERSION"] == b"0.2.4"
    assert out["lfs-objects.json"] == b"{}"
    assert json.loads(out["tree/project.json"]) == {"description": None, "visibility_level": 0}
    assert "project.wiki.bundle" not in out
    assert imported.progress.bytes_done > len(out["project.bundle"]) - 1000
    assert await dock.failures(imported) == []


async def test_a_wiki_and_lfs_objects_that_are_left_out_by_choice_are_not_asked_for(
    dock: Dock, servers: Servers, root: Path
) -> None:
    make_repository(root, files={"large.bin": pointer(LARGE)})
    make_repository(root, "one.wiki.git", files={"home.md": b"# Home\n"})
    served = GitHttp(root)
    lfs = GitLfs(served, {oid_of(LARGE): LARGE})
    chosen = RelationSelection(excluded_relations=("wiki_repository", "lfs_objects"))
    imported = await run(dock, await servers.http(lfs.handle), selection=chosen)
    assert (imported.error, await dock.failures(imported)) == (None, [])
    assert not [path for _, path, _ in served.asked if "wiki" in path]
    assert not lfs.fetched
    assert "project.bundle" in await exported(dock)


async def test_an_export_of_it_is_an_archive_that_is_imported_again(
    dock: Dock, servers: Servers, root: Path
) -> None:
    make_repository(root)
    make_repository(root, "one.wiki.git", files={"home.md": b"# Home\n"})
    assert (await run(dock, await servers.http(GitHttp(root).handle))).error is None
    packed = await dock.run_export()
    again = await dock.run_import(packed)
    assert (again.error, await dock.failures(again)) == (None, [])
    assert files(await dock.run_export()) == files(packed)


async def test_an_export_of_it_is_what_verify_takes_strictly(
    dock: Dock, servers: Servers, root: Path, tmp_path: Path
) -> None:
    make_repository(root, files={"a.bin": pointer(LARGE)})
    lfs = GitLfs(GitHttp(root), {oid_of(LARGE): LARGE})
    assert (await run(dock, await servers.http(lfs.handle))).error is None
    (tmp_path / "out.tar.gz").write_bytes(await dock.run_export())
    verified = await verify(tmp_path / "out.tar.gz", limits=Limits(), strict=True)
    assert (verified.error, verified.failure_count) == (None, 0)


async def test_a_worker_of_an_importer_takes_it_with_its_sealed_address(
    dock: Dock, servers: Servers, root: Path, database_url: str
) -> None:
    make_repository(root)
    url = f"http://git:{SECRET}@127.0.0.2:{await servers.http(GitHttp(root, token=SECRET).handle)}/one.git"
    order = ImportOrder(source=RemoteSource(url=url, form=SourceForm.GIT))
    sealed = OrderSealer(sealer()).seal(order, project_id=1)
    job = await jobs.enqueue(dock.pool, sealed, project_id=1, user_id=1, correlation_id="c")
    settings = Settings(
        allow_local_requests_from_web_hooks_and_services=True, allow_http_remote_imports=True, drain_seconds=0
    )
    ports = Ports(dock.pool, dock.store, MemoryBroker(), partial(session, database_url), sealer())
    async with at_work(make_importers(ports, settings)):
        await until_row(dock.pool, "SELECT state = 'finished' FROM jobs WHERE id = $1", job.id)
    row = await dock.pool.fetchrow("SELECT kind, progress, jobs::text AS text FROM jobs")
    assert row is not None
    assert (row["kind"], row["progress"]["bytes_done"] > 500) == ("git_import", True)
    assert SECRET not in row["text"]
    names_ = [each["name"] for each in await dock.pool.fetch("SELECT name FROM events ORDER BY id")]
    assert (names_[0], names_[-1]) == ("import.queued", "import.finished")


async def test_an_empty_repository_becomes_a_project_without_one(
    dock: Dock, servers: Servers, root: Path
) -> None:
    git(root.parent, "init", "-q", "--bare", "served/one.git")
    assert (await run(dock, await servers.http(GitHttp(root).handle))).error is None
    assert not [name for name in await exported(dock) if name.endswith(".bundle")]


async def test_the_wiki_comes_too_where_there_is_one(
    dock: Dock, servers: Servers, root: Path, tmp_path: Path
) -> None:
    make_repository(root)
    wiki = make_repository(root, "one.wiki.git", files={"home.md": b"# Home\n"})
    port = await servers.http(GitHttp(root, token=SECRET).handle)
    assert (await run(dock, port, user=f"git:{SECRET}@")).error is None
    out = await exported(dock)
    assert references(cloned(tmp_path, out["project.wiki.bundle"])) == references(wiki)


async def test_a_server_that_is_busy_when_it_is_asked_for_the_wiki_is_asked_again(
    dock: Dock, servers: Servers, root: Path
) -> None:
    make_repository(root)
    served = GitHttp(root)

    async def busy(request: web.Request) -> web.StreamResponse:
        return web.Response(status=429) if ".wiki" in request.path else await served.handle(request)

    job = await ordered(dock, await servers.http(busy))
    with pytest.raises(RepositoryLimited) as raised:
        await dock.importer.run(job, await claimed(dock.pool, job), Progress())
    assert raised.value.retryable


async def test_many_references_pass(dock: Dock, servers: Servers, root: Path, tmp_path: Path) -> None:
    source = make_repository(root)
    add_references(source, 20_000)
    assert (await run(dock, await servers.http(GitHttp(root).handle))).error is None
    out = await exported(dock)
    assert out["project.bundle"].partition(b"\n\n")[0].count(b"\n") == len(references(source)) > 20_000


async def test_lfs_objects_come_with_the_repository(dock: Dock, servers: Servers, root: Path) -> None:
    make_repository(
        root, files={"a.bin": pointer(LARGE), "b.bin": pointer(LARGE), "c.bin": pointer(b"small")}
    )
    lfs = GitLfs(GitHttp(root), {oid_of(each): each for each in (LARGE, b"small")})
    imported = await run(dock, await servers.http(lfs.handle))
    assert (imported.error, await dock.failures(imported)) == (None, [])
    out = await exported(dock)
    assert {name: data for name, data in out.items() if name.startswith("lfs-objects/") and data} == {
        f"lfs-objects/{oid_of(each)}": each for each in (LARGE, b"small")
    }
    assert json.loads(out["lfs-objects.json"]) == {oid_of(each): [0] for each in (LARGE, b"small")}
    assert len(lfs.fetched) == 2


async def test_lfs_objects_that_cannot_be_had_are_told_and_the_rest_goes_on(
    dock: Dock, servers: Servers, root: Path
) -> None:
    wrong = oid_of(b"right")
    make_repository(
        root, files={"a": pointer(LARGE), "b": pointer(b"gone"), "c": pointer(b"wrong", oid=wrong)}
    )
    lfs = GitLfs(GitHttp(root), {oid_of(LARGE): LARGE, wrong: b"wrong"})
    imported = await run(dock, await servers.http(lfs.handle))
    assert imported.error is None
    assert {(each.relation, each.exception_message) for each in await dock.failures(imported)} == {
        (
            "lfs_objects",
            f"LFS object {oid_of(b'gone')}: the server does not have it: 404 Object does not exist",
        ),
        ("lfs_objects", f"LFS object {wrong} has the SHA-256 {oid_of(b'wrong')}"),
    }
    assert f"lfs-objects/{oid_of(LARGE)}" in await exported(dock)


async def test_lfs_objects_that_are_here_already_are_fetched_all_the_same(
    dock: Dock, servers: Servers, root: Path
) -> None:
    """Who knows a SHA-256 need not be somebody who may read what has it."""
    dock.packed_up_to = 0
    await dock.run_import(project((f"lfs-objects/{oid_of(LARGE)}", LARGE)))
    make_repository(root, files={"a": pointer(LARGE)})
    lfs = GitLfs(GitHttp(root), {})
    imported = await run(dock, await servers.http(lfs.handle))
    (failure,) = await dock.failures(imported)
    assert failure.exception_message is not None
    assert "does not have it" in failure.exception_message
    assert f"lfs-objects/{oid_of(LARGE)}" not in await exported(dock)


async def test_an_lfs_object_that_would_be_too_much_is_told_and_not_fetched(
    dock: Dock, servers: Servers, root: Path
) -> None:
    make_repository(root, files={"a": pointer(bytes(20_000))})
    dock.limits = replace(Limits(), decompressed=20_000)
    lfs = GitLfs(GitHttp(root), {oid_of(bytes(20_000)): bytes(20_000)})
    imported = await run(dock, await servers.http(lfs.handle))
    (failure,) = await dock.failures(imported)
    assert failure.exception_message is not None
    assert failure.exception_message.endswith("with its 20000 bytes all is over the limit of 20000")
    assert (imported.error, lfs.fetched) == (None, [])


async def test_a_server_without_lfs_gives_the_repository_all_the_same(
    dock: Dock, servers: Servers, root: Path
) -> None:
    make_repository(root, files={"a": pointer(LARGE)})
    imported = await run(dock, await servers.http(GitHttp(root).handle))
    (failure,) = await dock.failures(imported)
    assert (imported.error, failure.relation) == (None, "lfs_objects")
    assert "project.bundle" in await exported(dock)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"name": "none.git"}, "there is no repository at the address, or the credentials may not see it"),
        ({"user": "git:wrong@"}, "the git server refuses the credentials: "),
    ],
)
async def test_why_a_repository_cannot_be_had_is_told_without_its_address(
    dock: Dock, servers: Servers, root: Path, more: dict[str, str], told: str
) -> None:
    make_repository(root)
    port = await servers.http(GitHttp(root, token=SECRET).handle)
    imported = await run(dock, port, **{"user": f"git:{SECRET}@"} | more)
    assert imported.error is not None
    assert imported.error.startswith(f"{FAILED}{told}")
    assert SECRET not in imported.error
    assert await dock.pool.fetchval("SELECT snapshot_id FROM projects") is None


async def test_the_rules_for_addresses_hold_when_it_is_fetched(
    dock: Dock, servers: Servers, root: Path
) -> None:
    make_repository(root)
    port = await servers.http(GitHttp(root).handle)
    dock.settings = ApplicationSettings()
    imported = await run(dock, port)
    assert imported.error == f"{FAILED}Import url is blocked: Requests to loopback addresses are not allowed"


@pytest.mark.parametrize("of_trailer", [True, False])
async def test_a_pack_that_was_changed_on_its_way_leaves_nothing(
    dock: Dock, servers: Servers, root: Path, *, of_trailer: bool
) -> None:
    """The bytes of a pack, and the checksum at its end, are compared, and its objects are read."""
    make_repository(root)
    served = GitHttp(root)

    async def spoiled(request: web.Request) -> web.StreamResponse:
        if request.method != "POST" or b"command=fetch" not in await request.read():
            return await served.handle(request)
        pack = bytearray(b"".join(PackReader().feed(await served.body(request))))
        pack[-1 if of_trailer else 40] ^= 1
        body = packet(b"packfile\n") + packet(b"\1" + pack) + b"0000"
        return web.Response(body=body, content_type=RESULT)

    imported = await run(dock, await servers.http(spoiled))
    assert imported.error is not None
    assert "is damaged" in imported.error or "is cut off or damaged" in imported.error
    assert await dock.pool.fetchval("SELECT snapshot_id FROM projects") is None


async def test_more_bytes_than_an_archive_may_unpack_to_are_refused(
    dock: Dock, servers: Servers, root: Path
) -> None:
    make_repository(root)
    dock.limits, dock.packed_up_to = replace(Limits(), decompressed=500), 0
    imported = await run(dock, await servers.http(GitHttp(root).handle))
    assert imported.error is not None
    assert "over the limit of 500 bytes" in imported.error


async def test_a_cut_is_tried_again_with_the_address_that_was_kept(
    dock: Dock, servers: Servers, root: Path
) -> None:
    make_repository(root)
    served = GitHttp(root)

    async def cutting(request: web.Request) -> web.StreamResponse:
        if request.method != "POST" or b"command=fetch" not in await request.read():
            return await served.handle(request)
        whole = await served.body(request)
        return web.Response(body=whole[:-30], content_type=RESULT)

    job = await ordered(dock, await servers.http(cutting), user=f"git:{SECRET}@")
    with pytest.raises(CrossdockError) as raised:
        await dock.importer.run(job, await claimed(dock.pool, job), Progress())
    assert (raised.value.code, raised.value.retryable) == ("git_cut", True)
    assert SECRET not in str(raised.value)


def fetching(served: GitHttp, change: Callable[[bytes], bytes], *, path: str = "/one.git/") -> Handler:
    """A server that changes the packs of one repository."""

    async def handler(request: web.Request) -> web.StreamResponse:
        is_fetch = request.method == "POST" and b"command=fetch" in await request.read()
        if not is_fetch or not request.path.startswith(path):
            return await served.handle(request)
        pack = change(b"".join(PackReader().feed(await served.body(request))))
        framed = b"".join(packet(b"\1" + pack[at : at + 60_000]) for at in range(0, len(pack), 60_000))
        body = packet(b"packfile\n") + framed + b"0000"
        return web.Response(body=body, content_type=RESULT)

    return handler


def without_last_object(pack: bytes) -> bytes:
    """The pack with one more object announced than it has; its checksum is right."""
    body = pack[:8] + (int.from_bytes(pack[8:12], "big") + 1).to_bytes(4, "big") + pack[12:-20]
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def with_more(pack: bytes) -> bytes:
    """The pack with bytes behind its last object; its checksum is right."""
    body = pack[:-20] + b"more"
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def shallow_pack(folder: Path) -> Callable[[bytes], bytes]:
    """The pack of a shallow clone, by a server that does not say that it is one."""
    git(folder, "clone", "-q", "--bare", "--depth=1", f"file://{folder}/one.git", "shallow.git")
    git(folder / "shallow.git", "repack", "-adq")
    (path,) = (folder / "shallow.git" / "objects" / "pack").glob("*.pack")
    return lambda _: path.read_bytes()


@pytest.mark.parametrize("packed_up_to", [0, 1_000_000])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (None, "the repository there is incomplete, so that nobody could clone its copy: it lacks commits"),
        (without_last_object, "the git server gave a damaged repository: object 6 of the pack "),
        (with_more, "the git server gave a damaged repository: object 6 of the pack was not announced"),
        (lambda pack: pack[:-1] + b"?", "the git server gave a damaged repository: its pack is cut off or"),
    ],
)
async def test_a_repository_that_is_not_whole_fails_the_import(
    dock: Dock,
    servers: Servers,
    root: Path,
    change: Callable[[bytes], bytes] | None,
    told: str,
    packed_up_to: int,
) -> None:
    make_repository(root)
    dock.packed_up_to = packed_up_to
    handler = fetching(GitHttp(root), change or shallow_pack(root))
    imported = await run(dock, await servers.http(handler))
    assert imported.error is not None
    assert imported.error.startswith(f"{FAILED}{told}")
    assert await dock.pool.fetchval("SELECT snapshot_id FROM projects") is None


async def test_a_repository_that_says_that_it_is_shallow_fails_the_import(
    dock: Dock, servers: Servers, root: Path
) -> None:
    make_repository(root, "whole.git")
    git(root, "clone", "-q", "--bare", "--depth=1", f"file://{root}/whole.git", "one.git")
    imported = await run(dock, await servers.http(GitHttp(root).handle))
    assert imported.error is not None
    assert imported.error.startswith(f"{FAILED}the repository there is a shallow clone")


@pytest.mark.parametrize("packed_up_to", [0, 1_000_000])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda pack: pack[:-1] + b"?", "its pack is cut off or damaged"),
        (None, "it lacks commits or tags that its references lead to"),
    ],
)
async def test_a_wiki_that_is_not_whole_is_left_out_and_told(
    dock: Dock,
    servers: Servers,
    root: Path,
    change: Callable[[bytes], bytes] | None,
    told: str,
    packed_up_to: int,
) -> None:
    make_repository(root)
    make_repository(root, "one.wiki.git")
    dock.packed_up_to = packed_up_to
    handler = fetching(GitHttp(root), change or shallow_pack(root), path="/one.wiki.git/")
    imported = await run(dock, await servers.http(handler))
    (failure,) = await dock.failures(imported)
    assert (imported.error, failure.relation) == (None, "wiki")
    assert told in (failure.exception_message or "")
    out = await exported(dock)
    assert ("project.bundle" in out, "project.wiki.bundle" in out) == (True, False)


@pytest.mark.parametrize("packed_up_to", [0, 1_000_000])
async def test_a_wiki_whose_server_breaks_the_protocol_is_left_out_and_told(
    dock: Dock, servers: Servers, root: Path, packed_up_to: int
) -> None:
    make_repository(root)
    make_repository(root, "one.wiki.git", files={"a.bin": os.urandom(100_000)})
    dock.packed_up_to = packed_up_to
    served = GitHttp(root)

    async def breaking(request: web.Request) -> web.StreamResponse:
        if "wiki" not in request.path or b"command=fetch" not in await request.read():
            return await served.handle(request)
        whole = await served.body(request)
        body = whole[: len(whole) // 2 // 4 * 4]
        return web.Response(body=body + b"none" * 20_000, content_type=RESULT)

    imported = await run(dock, await servers.http(breaking))
    (failure,) = await dock.failures(imported)
    assert (imported.error, failure.relation) == (None, "wiki")
    out = await exported(dock)
    assert ("project.bundle" in out, "project.wiki.bundle" in out) == (True, False)


@pytest.mark.parametrize("packed_up_to", [0, 1_000_000])
async def test_an_lfs_object_that_is_shorter_than_its_pointer_says_is_left_out(
    dock: Dock, servers: Servers, root: Path, packed_up_to: int
) -> None:
    """Its name may be right: the size, by which it is laid out, is what the pointer lies about."""
    long = pointer(LARGE).replace(b"size 6000", b"size 6001")
    make_repository(root, files={"a": long, "b": pointer(b"small")})
    dock.packed_up_to = packed_up_to
    lfs = GitLfs(GitHttp(root), {oid_of(LARGE): LARGE, oid_of(b"small"): b"small"})
    imported = await run(dock, await servers.http(lfs.handle))
    (failure,) = await dock.failures(imported)
    assert imported.error is None
    assert failure.exception_message == (
        f"LFS object {oid_of(LARGE)}: it has 1 bytes fewer than its pointer says"
    )
    out = await exported(dock)
    assert json.loads(out["lfs-objects.json"]) == {oid_of(b"small"): [0]}
    assert out[f"lfs-objects/{oid_of(b'small')}"] == b"small"
    await dock.collect()
    assert files(await dock.run_export()) == out


@pytest.mark.parametrize("part", ["lfs", "wiki"])
async def test_what_never_comes_is_left_out_by_the_last_attempt_alone(
    dock: Dock, servers: Servers, root: Path, part: str
) -> None:
    make_repository(root, files={"a": pointer(LARGE)})
    make_repository(root, "one.wiki.git")
    lfs = GitLfs(GitHttp(root), {oid_of(LARGE): LARGE})

    async def failing(request: web.Request) -> web.StreamResponse:
        is_part = "/object/" in request.path if part == "lfs" else ".wiki.git" in request.path
        return web.Response(status=503) if is_part else await lfs.handle(request)

    port = await servers.http(failing)
    first, last = await ordered(dock, port), await ordered(dock, port)
    with pytest.raises(StatusFailing):
        await dock.importer.run(first, await claimed(dock.pool, first), Progress())
    imported = await dock.attempt(replace(last, attempt=last.max_attempts))
    (failure,) = await dock.failures(imported)
    assert (imported.error, failure.relation) == (None, {"lfs": "lfs_objects"}.get(part, part))
    assert "503" in (failure.exception_message or "")


async def test_what_an_lfs_server_repeats_of_the_credentials_is_told_to_nobody(
    dock: Dock, servers: Servers, root: Path
) -> None:
    basic = b64encode(f"git:{SECRET}".encode()).decode()
    make_repository(root, files={"a": pointer(LARGE), "b": pointer(b"small")})
    lfs = GitLfs(GitHttp(root, token=SECRET), {oid_of(LARGE): LARGE})

    async def echoing(request: web.Request) -> web.StreamResponse:
        if "/object/" in request.path:
            return web.json_response({"error": {"code": 403, "message": f"not by {SECRET}"}}, status=403)
        answer = await lfs.handle(request)
        if request.path.endswith("/batch"):
            assert isinstance(answer, web.Response)
            return web.json_response(text=(answer.text or "").replace("does not", f"({basic}, {SECRET})"))
        return answer

    imported = await run(dock, await servers.http(echoing), user=f"git:{SECRET}@")
    told = [each.exception_message or "" for each in await dock.failures(imported)]
    assert (imported.error, len(told)) == (None, 2)
    assert any("403" in each for each in told)
    assert not any(secret in each for each in told for secret in (SECRET, basic))


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("http://127.0.0.3/object", "Requests to loopback addresses are not allowed"),
        ("http://169.254.169.254/latest/meta-data", "Requests to the link local network are not allowed"),
        ("file:///etc/passwd", "Only allowed schemes are http"),
        ("/object", "Only allowed schemes are http"),
        ("redirect", "Requests to the link local network are not allowed"),
    ],
)
async def test_an_lfs_server_leads_to_no_address_that_is_not_permitted(
    dock: Dock, servers: Servers, root: Path, place: str, told: str
) -> None:
    make_repository(root, files={"a": pointer(LARGE)})
    served = GitHttp(root)

    async def leading(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/batch"):
            href = f"http://{request.host}/away" if place == "redirect" else place
            found = {"oid": oid_of(LARGE), "actions": {"download": {"href": href}}}
            return web.json_response({"objects": [found]})
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": "http://169.254.169.254/"})
        return await served.handle(request)

    imported = await run(dock, await servers.http(leading))
    (failure,) = await dock.failures(imported)
    assert (imported.error, failure.exception_message) == (None, f"LFS object {oid_of(LARGE)}: {told}")


@pytest.mark.parametrize("gift", [0, 1024 * 1024])
async def test_a_pack_pays_for_what_it_is_when_it_is_inflated(
    dock: Dock, servers: Servers, root: Path, gift: int
) -> None:
    make_repository(root)
    dock.limits = replace(Limits(), prices=Prices(gift=gift, ratio=100))
    packed = entry_of(bytes(10_000_000))
    whole = b"PACK" + (2).to_bytes(4, "big") + (1).to_bytes(4, "big") + packed
    whole += hashlib.sha1(whole, usedforsecurity=False).digest()
    imported = await run(dock, await servers.http(fetching(GitHttp(root), lambda _: whole)))
    assert imported.error is not None
    assert ("unpacked" in imported.error or "cost" in imported.error) is not bool(gift)


def entry_of(data: bytes) -> bytes:
    """A blob as it lies in a pack."""
    size, head = len(data) >> 4, bytearray([0x30 | len(data) & 15 | 0x80])
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes([*head, size]) + zlib.compress(data)


async def test_names_that_git_does_not_take_are_left_out_and_told(
    dock: Dock, servers: Servers, root: Path, tmp_path: Path
) -> None:
    source = make_repository(root)
    served = GitHttp(root)
    line = packet(git(source, "rev-parse", "main").encode() + b" refs/heads/../../evil\n")

    async def odd(request: web.Request) -> web.StreamResponse:
        if request.method != "POST" or b"command=ls-refs" not in await request.read():
            return await served.handle(request)
        return web.Response(body=line + await served.body(request), content_type=RESULT)

    imported = await run(dock, await servers.http(odd))
    (failure,) = await dock.failures(imported)
    assert (imported.error, failure.relation) == (None, "repository")
    assert failure.exception_message == "branches and tags with names that git does not take, 1 of them"
    assert references(cloned(tmp_path, (await exported(dock))["project.bundle"])) == references(source)


@pytest.mark.parametrize("stage", STAGES)
async def test_a_cancelled_import_lets_its_server_go_at_every_stage_and_leaves_nothing(
    dock: Dock, servers: Servers, root: Path, database_url: str, stage: str
) -> None:
    """The worker learns of it by its next heartbeat, two seconds later at most."""
    make_repository(root, files={"a": pointer(LARGE)})
    make_repository(root, "one.wiki.git")
    reached, left = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    served = StagedGit(GitHttp(root), {oid_of(LARGE): LARGE}, happens=hang)
    served.stage = stage
    url = f"http://127.0.0.2:{await servers.http(served.handle)}/one.git"
    order = OrderSealer(sealer()).seal(
        ImportOrder(source=RemoteSource(url=url, form=SourceForm.GIT)), project_id=1
    )
    job = await jobs.enqueue(dock.pool, order, project_id=1, user_id=1, correlation_id="c")
    settings = Settings(
        allow_local_requests_from_web_hooks_and_services=True, allow_http_remote_imports=True,
        drain_seconds=0, pack_blob_size=100,
    )  # fmt: skip
    ports = Ports(dock.pool, dock.store, MemoryBroker(), partial(session, database_url), sealer())
    async with at_work(make_importers(ports, settings)):
        await asyncio.wait_for(reached.wait(), PATIENT.total_seconds())
        assert await jobs.cancel(dock.pool, job.id)
        await asyncio.wait_for(left.wait(), PATIENT.total_seconds())
    assert await state_of(dock.pool, job.id) == "canceled"
    await dock.collect()
    assert (await dock.snapshots(), dock.stored("packs"), dock.stored("blobs")) == ([], [], [])
    assert await dock.pool.fetchval("SELECT snapshot_id FROM projects") is None


async def test_repository_wiki_and_lfs_objects_come_by_one_connection(
    dock: Dock, servers: Servers, root: Path
) -> None:
    make_repository(root, files={"a": pointer(LARGE), "b": pointer(b"small")})
    make_repository(root, "one.wiki.git")
    lfs, seen = GitLfs(GitHttp(root), {oid_of(each): each for each in (LARGE, b"small")}), []

    async def watched(request: web.Request) -> web.StreamResponse:
        seen.append(request.transport)
        return await lfs.handle(request)

    imported = await run(dock, await servers.http(watched))
    assert (imported.error, await dock.failures(imported)) == (None, [])
    assert len(seen) == 9
    assert all(each is seen[0] for each in seen)
